//! Accepting a message: dedupe, bound, assign its place, claim at once if the session is idle.

use regrow_protocol::{ReplicaId, RunId, Seq, SessionId};
use rusqlite::{OptionalExtension, named_params};

use super::claim::{is_claimable, next_epoch};
use super::row;
use super::writer::{Tx, Writer};
use crate::{Accept, Accepted, Claimed, Error, Guard, Hint, InboxMessage};

/// The same key, or the same message again because the answer to it was lost.
pub(super) const DUPLICATE: &str =
    "SELECT message, seq, fingerprint FROM inbox WHERE session = :session AND dedupe = :dedupe
    UNION ALL
    SELECT message, seq, fingerprint FROM inbox WHERE message = :message AND session = :session LIMIT 1";

const LANE: &str =
    "SELECT state, inbox_head, inbox_done, log_head, context_base FROM lanes WHERE session = :session";

const CREATE: &str = "INSERT INTO lanes (session, key, state, ready_at, inbox_head, created_at, updated_at,
        inbox_tail_at, log_tail_at)
    VALUES (:session, :key, 0, :now, 0, :now, :now, :now, :now)";

const INBOX: &str = "INSERT INTO inbox (session, seq, message, dedupe, fingerprint, accepted_at, body)
    VALUES (:session, :seq, :message, :dedupe, :fingerprint, :now, :body)";

/// The session is busy: the message waits behind others.
const WAIT: &str = "UPDATE lanes SET inbox_head = :seq, updated_at = :now WHERE session = :session";

/// The session was idle: its run begins, here (state 2) or wherever it is claimed first (state 1).
const BEGIN: &str = "UPDATE lanes SET inbox_head = :seq, state = :state, ready_at = :now, replica = :replica,
        epoch = coalesce(:epoch, epoch), run = :message, run_base = log_head, abort = 0,
        attempt = CASE WHEN :state = 2 THEN 1 ELSE 0 END, blame = 0, updated_at = :now
    WHERE session = :session";

/// The lane as it stood before.
struct Lane {
    idle: bool,
    head: Seq,
    done: Seq,
    log_head: Seq,
    context_base: Seq,
}

pub(super) async fn accept(writer: &Writer, message: Accept) -> Result<Accepted, Error> {
    let session = SessionId::of(&message.session);
    writer.write(move |tx| accept_in(tx, session, &message)).await
}

pub(super) fn accept_in(tx: &Tx<'_>, session: SessionId, message: &Accept) -> rusqlite::Result<Accepted> {
    if let Some(duplicate) = find_duplicate(tx, session, message)? {
        return Ok(duplicate);
    }
    let found = find_lane(tx, session)?;
    let waiting = found.as_ref().map_or(0, |lane| u32::try_from(lane.head - lane.done).unwrap_or(u32::MAX));
    if waiting >= message.cap {
        return Ok(Accepted::Full { waiting });
    }
    let lane = found.map_or_else(|| create_lane(tx, session, message), Ok)?;
    let seq = lane.head + 1;
    insert(tx, session, seq, message)?;
    if !lane.idle {
        let params = named_params! { ":session": session.as_bytes(), ":seq": seq, ":now": tx.now };
        tx.connection.prepare_cached(WAIT)?.execute(params)?;
        return Ok(Accepted::New { seq, claimed: None });
    }
    let claimed = begin(tx, session, seq, message, &lane)?;
    Ok(Accepted::New { seq, claimed: claimed.map(Box::new) })
}

fn find_duplicate(tx: &Tx<'_>, session: SessionId, message: &Accept) -> rusqlite::Result<Option<Accepted>> {
    let params = named_params! {
        ":session": session.as_bytes(), ":dedupe": message.dedupe, ":message": message.message.as_bytes(),
    };
    let read = |r: &rusqlite::Row<'_>| {
        let fingerprint: i64 = r.get("fingerprint")?;
        Ok(Accepted::Duplicate {
            message: row::run(r, "message")?,
            seq: r.get("seq")?,
            fingerprint: fingerprint.cast_unsigned(),
        })
    };
    tx.connection.prepare_cached(DUPLICATE)?.query_row(params, read).optional()
}

fn find_lane(tx: &Tx<'_>, session: SessionId) -> rusqlite::Result<Option<Lane>> {
    let params = named_params! { ":session": session.as_bytes() };
    let read = |r: &rusqlite::Row<'_>| {
        Ok(Lane {
            idle: r.get::<_, i64>("state")? == 0,
            head: r.get("inbox_head")?,
            done: r.get("inbox_done")?,
            log_head: r.get("log_head")?,
            context_base: r.get("context_base")?,
        })
    };
    tx.connection.prepare_cached(LANE)?.query_row(params, read).optional()
}

fn create_lane(tx: &Tx<'_>, session: SessionId, message: &Accept) -> rusqlite::Result<Lane> {
    let params =
        named_params! { ":session": session.as_bytes(), ":key": message.session.as_str(), ":now": tx.now };
    tx.connection.prepare_cached(CREATE)?.execute(params)?;
    Ok(Lane { idle: true, head: 0, done: 0, log_head: 0, context_base: 0 })
}

fn insert(tx: &Tx<'_>, session: SessionId, seq: Seq, message: &Accept) -> rusqlite::Result<()> {
    let params = named_params! {
        ":session": session.as_bytes(), ":seq": seq, ":message": message.message.as_bytes(),
        ":dedupe": message.dedupe, ":fingerprint": message.fingerprint.cast_signed(), ":now": tx.now,
        ":body": message.body,
    };
    tx.connection.prepare_cached(INBOX)?.execute(params).map(drop)
}

fn begin(
    tx: &Tx<'_>,
    session: SessionId,
    seq: Seq,
    message: &Accept,
    lane: &Lane,
) -> rusqlite::Result<Option<Claimed>> {
    let claimer = match message.claim_for {
        Some(replica) if is_claimable(tx, replica)? => Some((replica, next_epoch(tx)?)),
        _ => None,
    };
    let params = named_params! {
        ":session": session.as_bytes(), ":seq": seq, ":message": message.message.as_bytes(), ":now": tx.now,
        ":state": if claimer.is_some() { 2 } else { 1 },
        ":replica": claimer.map(|(replica, _): (ReplicaId, _)| *replica.as_bytes()),
        ":epoch": claimer.map(|(_, epoch)| epoch.0),
    };
    tx.connection.prepare_cached(BEGIN)?.execute(params)?;
    let Some((replica, epoch)) = claimer else {
        tx.hint(Hint::Ready);
        return Ok(None);
    };
    Ok(Some(Claimed {
        guard: Guard { session, replica, epoch, head: lane.log_head },
        session_key: message.session.clone(),
        run: message.message,
        attempt: 1,
        blame: 0,
        run_base: lane.log_head,
        context_base: lane.context_base,
        former: None,
        message: inbox_message(tx, seq, message.message, &message.body),
    }))
}

fn inbox_message(tx: &Tx<'_>, seq: Seq, id: RunId, body: &[u8]) -> InboxMessage {
    InboxMessage { seq, id, accepted_at: tx.now, aborted: false, body: body.to_vec() }
}
