//! What others may ask of a session: to abort a run, and to start the conversation afresh.

use regrow_protocol::{EntryKind, RunId, SessionId};
use rusqlite::{OptionalExtension, named_params};

use super::claim::next_epoch;
use super::views;
use super::writer::{Tx, Writer};
use crate::{Error, Hint, Reset, RunState, RunView};

const FLAG_MESSAGE: &str = "UPDATE inbox SET aborted = 1 WHERE message = :run";

const FLAG_LANE: &str =
    "UPDATE lanes SET abort = 1 WHERE session = :session AND run = :run AND state IN (1, 2)";

const LANE: &str = "SELECT state FROM lanes WHERE session = :session";

const RESET: &str = "UPDATE lanes SET log_head = log_head + 1, context_base = log_head + 1, epoch = :epoch,
        updated_at = :now WHERE session = :session AND state = 0 RETURNING log_head";

const ENTRY: &str = "INSERT INTO log (session, seq, run, epoch, kind, at, payload)
    VALUES (:session, :seq, :run, :epoch, :kind, :now, :payload)";

pub(super) async fn abort(writer: &Writer, run: RunId) -> Result<Option<RunView>, Error> {
    writer.write(move |tx| abort_in(tx, run)).await
}

fn abort_in(tx: &Tx<'_>, run: RunId) -> rusqlite::Result<Option<RunView>> {
    let Some(view) = views::find_run(tx.connection, run)? else { return Ok(None) };
    if matches!(view.state, RunState::Ended(_)) {
        return Ok(Some(view));
    }
    tx.connection.prepare_cached(FLAG_MESSAGE)?.execute(named_params! { ":run": run.as_bytes() })?;
    let params = named_params! { ":session": view.session.as_bytes(), ":run": run.as_bytes() };
    if tx.connection.prepare_cached(FLAG_LANE)?.execute(params)? > 0 {
        tx.hint(Hint::Abort(view.session));
    }
    Ok(Some(view))
}

pub(super) async fn reset(writer: &Writer, session: SessionId) -> Result<Reset, Error> {
    writer.write(move |tx| reset_in(tx, session)).await
}

fn reset_in(tx: &Tx<'_>, session: SessionId) -> rusqlite::Result<Reset> {
    let params = named_params! { ":session": session.as_bytes() };
    let state: Option<i64> =
        tx.connection.prepare_cached(LANE)?.query_row(params, |r| r.get(0)).optional()?;
    match state {
        None => return Ok(Reset::Missing),
        Some(0) => {}
        Some(_) => return Ok(Reset::Busy),
    }
    let epoch = next_epoch(tx)?;
    let params = named_params! { ":session": session.as_bytes(), ":epoch": epoch.0, ":now": tx.now };
    let seq: i64 = tx.connection.prepare_cached(RESET)?.query_row(params, |r| r.get(0))?;
    tx.connection.prepare_cached(ENTRY)?.execute(named_params! {
        ":session": session.as_bytes(), ":seq": seq, ":run": RunId::new().as_bytes(), ":epoch": epoch.0,
        ":kind": EntryKind::Reset.code(), ":now": tx.now, ":payload": br#"{"kind":"reset"}"#,
    })?;
    Ok(Reset::Done)
}
