//! Appending to the log, under the guard: session, replica, epoch, running, and the head that the writer has seen.

use regrow_protocol::{RunId, Seq};
use rusqlite::{OptionalExtension, named_params};

use super::writer::{Tx, Writer};
use crate::{Claimed, Control, Guard, NewEntry, WriteError};

/// The guard and the new head in one statement: no row, no write. Progress resets the count of attempts and what
/// the run was blamed for.
const ADVANCE: &str =
    "UPDATE lanes SET log_head = log_head + :entries, attempt = 0, blame = 0, updated_at = :now,
        context_base = coalesce(:context_base, context_base)
    WHERE session = :session AND replica = :replica AND epoch = :epoch AND state = 2 AND log_head = :head
    RETURNING abort";

const INSERT: &str = "INSERT INTO log (session, seq, run, epoch, kind, at, payload)
    VALUES (:session, :seq, :run, :epoch, :kind, :now, :payload)";

/// What stands behind the head that a writer has seen.
const BEHIND: &str = "SELECT epoch, kind, payload FROM log WHERE session = :session AND seq > :head
    ORDER BY seq LIMIT :limit";

/// The lease is still held, and nothing was written behind the new head.
const ABORT: &str = "SELECT abort FROM lanes
    WHERE session = :session AND replica = :replica AND epoch = :epoch AND state = 2 AND log_head = :head";

pub(super) async fn append(
    writer: &Writer,
    claimed: &mut Claimed,
    entries: &[NewEntry],
    context_base: Option<Seq>,
) -> Result<Control, WriteError> {
    let (guard, run, batch) = (claimed.guard.clone(), claimed.run, entries.to_vec());
    let written = writer.write(move |tx| append_in(tx, &guard, run, &batch, context_base)).await?;
    let control = written.ok_or(WriteError::Fenced)?;
    claimed.guard.head += i64::try_from(entries.len()).unwrap_or(i64::MAX);
    if let Some(base) = context_base {
        claimed.context_base = base;
    }
    Ok(control)
}

fn append_in(
    tx: &Tx<'_>,
    guard: &Guard,
    run: RunId,
    entries: &[NewEntry],
    context_base: Option<Seq>,
) -> rusqlite::Result<Option<Control>> {
    let params = named_params! {
        ":session": guard.session.as_bytes(), ":replica": guard.replica.as_bytes(), ":epoch": guard.epoch.0,
        ":head": guard.head, ":entries": count(entries), ":now": tx.now, ":context_base": context_base,
    };
    let advanced = tx.connection.prepare_cached(ADVANCE)?.query_row(params, |r| r.get(0)).optional()?;
    match advanced {
        Some(abort) => {
            insert(tx, guard, run, entries)?;
            Ok(Some(Control { abort }))
        }
        None if stand_behind(tx, guard, entries)? => still_mine(tx, guard, entries),
        None => Ok(None),
    }
}

/// Writes entries behind the guard's head. The caller has advanced the head under the guard.
pub(super) fn insert(tx: &Tx<'_>, guard: &Guard, run: RunId, entries: &[NewEntry]) -> rusqlite::Result<()> {
    let mut statement = tx.connection.prepare_cached(INSERT)?;
    for (seq, entry) in (guard.head + 1..).zip(entries) {
        statement.execute(named_params! {
            ":session": guard.session.as_bytes(), ":seq": seq, ":run": run.as_bytes(), ":epoch": guard.epoch.0,
            ":kind": entry.kind.code(), ":now": tx.now, ":payload": entry.payload,
        })?;
    }
    Ok(())
}

/// These entries of this lease stand behind the head: the write had happened and its answer was lost. A writer that gave a
/// write up and tries another one must not be told that the other one is in the log.
pub(super) fn stand_behind(tx: &Tx<'_>, guard: &Guard, entries: &[NewEntry]) -> rusqlite::Result<bool> {
    let mut statement = tx.connection.prepare_cached(BEHIND)?;
    let mut rows = statement.query(named_params! {
        ":session": guard.session.as_bytes(), ":head": guard.head, ":limit": count(entries),
    })?;
    for entry in entries {
        let Some(r) = rows.next()? else { return Ok(false) };
        let (epoch, kind, payload): (i64, u8, Vec<u8>) = (r.get(0)?, r.get(1)?, r.get(2)?);
        if (epoch, kind, &payload) != (guard.epoch.0, entry.kind.code(), &entry.payload) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn still_mine(tx: &Tx<'_>, guard: &Guard, entries: &[NewEntry]) -> rusqlite::Result<Option<Control>> {
    let params = named_params! {
        ":session": guard.session.as_bytes(), ":replica": guard.replica.as_bytes(), ":epoch": guard.epoch.0,
        ":head": guard.head + count(entries),
    };
    let abort = tx.connection.prepare_cached(ABORT)?.query_row(params, |r| r.get(0)).optional()?;
    Ok(abort.map(|abort| Control { abort }))
}

pub(super) fn count(entries: &[NewEntry]) -> i64 {
    i64::try_from(entries.len()).unwrap_or(i64::MAX)
}
