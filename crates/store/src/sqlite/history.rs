//! Reading logs and sessions.

use regrow_protocol::{EntryKind, Seq, SessionId};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::row;
use crate::{LogEntry, SessionView};

const LOG: &str = "SELECT seq, run, epoch, kind, at, payload FROM log
    WHERE session = :session AND seq > :after ORDER BY seq LIMIT :limit";

const SESSION: &str =
    "SELECT session, key, created_at, updated_at, inbox_head, inbox_done, log_head, context_base
    FROM lanes WHERE session = :session";

const SESSIONS: &str =
    "SELECT session, key, created_at, updated_at, inbox_head, inbox_done, log_head, context_base
    FROM lanes ORDER BY updated_at DESC LIMIT :limit";

pub(super) fn read_log(
    connection: &Connection,
    session: SessionId,
    after: Seq,
    limit: usize,
) -> rusqlite::Result<Vec<LogEntry>> {
    let params = named_params! { ":session": session.as_bytes(), ":after": after, ":limit": bound(limit) };
    let mut statement = connection.prepare_cached(LOG)?;
    let entries = statement.query_map(params, |r| {
        Ok(LogEntry {
            seq: r.get("seq")?,
            run: row::run(r, "run")?,
            epoch: row::epoch(r, "epoch")?,
            kind: EntryKind::from_code(r.get("kind")?),
            at: r.get("at")?,
            payload: r.get("payload")?,
        })
    })?;
    entries.collect()
}

pub(super) fn list_sessions(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<SessionView>> {
    let mut statement = connection.prepare_cached(SESSIONS)?;
    let sessions = statement.query_map(named_params! { ":limit": bound(limit) }, session_view)?;
    sessions.collect()
}

pub(super) fn find_session(
    connection: &Connection,
    session: SessionId,
) -> rusqlite::Result<Option<SessionView>> {
    let params = named_params! { ":session": session.as_bytes() };
    connection.prepare_cached(SESSION)?.query_row(params, session_view).optional()
}

fn session_view(r: &Row<'_>) -> rusqlite::Result<SessionView> {
    let (head, done): (i64, i64) = (r.get("inbox_head")?, r.get("inbox_done")?);
    Ok(SessionView {
        id: row::session(r, "session")?,
        key: row::session_key(r, "key")?,
        created_at: r.get("created_at")?,
        updated_at: r.get("updated_at")?,
        messages: head,
        waiting: head - done,
        log_head: r.get("log_head")?,
        context_base: r.get("context_base")?,
    })
}

/// A limit as SQLite takes it.
pub(super) fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
