//! Reading logs and sessions.

use regrow_protocol::{EntryKind, Seq, SessionId};
use tokio_postgres::Row;

use super::failure::Failure;
use super::links::Links;
use super::row;
use crate::{Error, LogEntry, SessionView};

pub(super) const LOG: &str = "SELECT seq, run, epoch, kind, at, payload FROM regrow.log
    WHERE session = $1 AND seq > $2 ORDER BY seq LIMIT $3";

pub(super) const SESSION: &str =
    "SELECT session, key, created_at, updated_at, inbox_head, inbox_done, log_head, context_base
    FROM regrow.lanes WHERE session = $1";

pub(super) const SESSIONS: &str =
    "SELECT session, key, created_at, updated_at, inbox_head, inbox_done, log_head, context_base
    FROM regrow.lanes ORDER BY updated_at DESC LIMIT $1";

pub(super) async fn read_log(
    links: &Links,
    session: SessionId,
    after: Seq,
    limit: usize,
) -> Result<Vec<LogEntry>, Error> {
    let rows = links.query(LOG, &[&row::of_session(session), &after, &row::bound(limit)]).await?;
    Ok(rows.iter().map(entry).collect::<Result<_, Failure>>()?)
}

fn entry(r: &Row) -> Result<LogEntry, Failure> {
    let kind: i16 = r.try_get("kind")?;
    Ok(LogEntry {
        seq: r.try_get("seq")?,
        run: row::run(r, "run")?,
        epoch: row::epoch(r, "epoch")?,
        kind: EntryKind::from_code(u8::try_from(kind).unwrap_or(u8::MAX)),
        at: row::time(r, "at")?,
        payload: r.try_get("payload")?,
    })
}

pub(super) async fn list_sessions(links: &Links, limit: usize) -> Result<Vec<SessionView>, Error> {
    let rows = links.query(SESSIONS, &[&row::bound(limit)]).await?;
    Ok(rows.iter().map(session_view).collect::<Result<_, Failure>>()?)
}

pub(super) async fn find_session(links: &Links, session: SessionId) -> Result<Option<SessionView>, Error> {
    let found = links.query_opt(SESSION, &[&row::of_session(session)]).await?;
    Ok(found.as_ref().map(session_view).transpose()?)
}

fn session_view(r: &Row) -> Result<SessionView, Failure> {
    let (head, done): (i64, i64) = (r.try_get("inbox_head")?, r.try_get("inbox_done")?);
    Ok(SessionView {
        id: row::session(r, "session")?,
        key: row::session_key(r, "key")?,
        created_at: row::time(r, "created_at")?,
        updated_at: row::time(r, "updated_at")?,
        messages: head,
        waiting: head - done,
        log_head: r.try_get("log_head")?,
        context_base: r.try_get("context_base")?,
    })
}
