//! Claiming: ready sessions get an owner and a new epoch, those that wait longest first.

use std::time::Duration;

use regrow_protocol::{Epoch, ReplicaId, SessionId, SessionKey};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Row, named_params};

use super::reader::Readers;
use super::row;
use super::writer::{Tx, Writer};
use crate::{Claimed, Error, Former, Guard, Hint, InboxMessage, Loss};

const ANY_READY: &str = "SELECT EXISTS (SELECT 1 FROM lanes WHERE state = 1)";

const CLAIMABLE: &str =
    "SELECT EXISTS (SELECT 1 FROM replicas WHERE replica = :replica AND expires_at > :now AND NOT draining)";

const EPOCH: &str = "UPDATE meta SET value = value + 1 WHERE name = 'fence' RETURNING value";

const READY: &str = "SELECT session, key FROM lanes WHERE state = 1 ORDER BY ready_at";

/// How far the inbox of a ready session is answered, and whose its run was.
const DONE: &str =
    "SELECT inbox_done, CASE WHEN freed_run = run THEN freed_from END AS freed_from, freed_by, freed_since
    FROM lanes WHERE session = :session AND state = 1";

/// Nothing waits where something should: there is nothing to run. Left ready it would be claimed for ever.
const IDLE: &str =
    "UPDATE lanes SET state = 0, run = NULL, abort = 0, inbox_done = inbox_head, updated_at = :now
    WHERE session = :session AND state = 1";

/// The run was begun when its message came to the head of the inbox; a claim continues it.
const TAKE: &str = "UPDATE lanes SET state = 2, replica = :replica, epoch = :epoch, attempt = attempt + 1,
        freed_from = NULL, freed_by = NULL, freed_run = NULL, freed_since = NULL
    WHERE session = :session
    RETURNING run, attempt, blame, run_base, context_base, log_head, abort";

const MESSAGE: &str = "SELECT seq, message, accepted_at, aborted, body FROM inbox
    WHERE session = :session AND seq > :done ORDER BY seq LIMIT 1";

pub(super) async fn claim(
    writer: &Writer,
    readers: &Readers,
    replica: ReplicaId,
    most: usize,
) -> Result<Vec<Claimed>, Error> {
    // A poll that finds nothing must not cost a commit.
    if most == 0 || !readers.read(|c| c.prepare_cached(ANY_READY)?.query_row([], |r| r.get(0))).await? {
        return Ok(Vec::new());
    }
    writer.write(move |tx| claim_in(tx, replica, most)).await
}

fn claim_in(tx: &Tx<'_>, replica: ReplicaId, most: usize) -> rusqlite::Result<Vec<Claimed>> {
    if !is_claimable(tx, replica)? {
        return Ok(Vec::new());
    }
    let ready = longest_ready(tx, most)?;
    ready.into_iter().filter_map(|(session, key)| take(tx, session, key, replica).transpose()).collect()
}

/// The sessions that have been ready longest. One that this release cannot read, because a newer one wrote it, must not
/// stand in the way of the others.
fn longest_ready(tx: &Tx<'_>, most: usize) -> rusqlite::Result<Vec<(SessionId, SessionKey)>> {
    let mut statement = tx.connection.prepare_cached(READY)?;
    let mut rows = statement.query([])?;
    let mut ready = Vec::with_capacity(most.min(64));
    while ready.len() < most
        && let Some(r) = rows.next()?
    {
        match row::session(r, "session").and_then(|session| Ok((session, row::session_key(r, "key")?))) {
            Ok(lane) => ready.push(lane),
            Err(error) => tracing::debug!(%error, "a session of a newer release is left to it"),
        }
    }
    Ok(ready)
}

fn take(
    tx: &Tx<'_>,
    session: SessionId,
    session_key: SessionKey,
    replica: ReplicaId,
) -> rusqlite::Result<Option<Claimed>> {
    let lane = named_params! { ":session": session.as_bytes() };
    let waiting =
        tx.connection.prepare_cached(DONE)?.query_row(lane, |r| Ok((r.get(0)?, former(r, tx.now)?)));
    let Some((done, former)) = waiting.optional()? else { return Ok(None) };
    let Some(mut message) = first_message(tx, session, done)? else {
        tracing::error!(session.key = %session_key, "a session was ready without a message; it is idle now");
        let params = named_params! { ":session": session.as_bytes(), ":now": tx.now };
        tx.connection.prepare_cached(IDLE)?.execute(params)?;
        return Ok(None);
    };
    let epoch = next_epoch(tx)?;
    let params =
        named_params! { ":session": session.as_bytes(), ":replica": replica.as_bytes(), ":epoch": epoch.0 };
    let mut statement = tx.connection.prepare_cached(TAKE)?;
    let mut rows = statement.query(params)?;
    let Some(r) = rows.next()? else { return Ok(None) };
    message.aborted |= r.get::<_, bool>("abort")?;
    let claimed = Claimed {
        guard: Guard { session, replica, epoch, head: r.get("log_head")? },
        session_key,
        run: row::run(r, "run")?,
        attempt: row::count(r, "attempt")?,
        blame: row::count(r, "blame")?,
        run_base: r.get("run_base")?,
        context_base: r.get("context_base")?,
        former,
        message,
    };
    // An UPDATE … RETURNING is complete only when its last row was read.
    while rows.next()?.is_some() {}
    tx.hint(Hint::Session(session));
    Ok(Some(claimed))
}

fn former(r: &Row<'_>, now: i64) -> rusqlite::Result<Option<Former>> {
    if r.get_ref("freed_from")? == ValueRef::Null {
        return Ok(None);
    }
    let loss = r.get::<_, Option<i16>>("freed_by")?.map_or(Loss::Unknown, Loss::from_code);
    // A clock that was set back meanwhile makes it no time, not an error.
    let since = r.get::<_, Option<i64>>("freed_since")?;
    let stood_still = since.map(|since| Duration::from_millis((now - since).max(0).unsigned_abs()));
    Ok(Some(Former { replica: row::replica(r, "freed_from")?, loss, stood_still }))
}

/// The message at the head of the inbox.
pub(super) fn first_message(
    tx: &Tx<'_>,
    session: SessionId,
    done: i64,
) -> rusqlite::Result<Option<InboxMessage>> {
    let params = named_params! { ":session": session.as_bytes(), ":done": done };
    let read = |r: &Row<'_>| {
        Ok(InboxMessage {
            seq: r.get("seq")?,
            id: row::run(r, "message")?,
            accepted_at: r.get("accepted_at")?,
            aborted: r.get("aborted")?,
            body: r.get("body")?,
        })
    };
    tx.connection.prepare_cached(MESSAGE)?.query_row(params, read).optional()
}

/// The replica lives and takes new sessions.
pub(super) fn is_claimable(tx: &Tx<'_>, replica: ReplicaId) -> rusqlite::Result<bool> {
    let params = named_params! { ":replica": replica.as_bytes(), ":now": tx.now };
    tx.connection.prepare_cached(CLAIMABLE)?.query_row(params, |r| r.get(0))
}

/// A fencing token larger than every one before.
pub(super) fn next_epoch(tx: &Tx<'_>) -> rusqlite::Result<Epoch> {
    tx.connection.prepare_cached(EPOCH)?.query_row([], |r| r.get(0)).map(Epoch)
}
