//! Columns as the types that they stand for, and those types as parameters.

use std::time::{SystemTime, UNIX_EPOCH};

use regrow_protocol::{Epoch, ReplicaId, RunId, SessionId, SessionKey};
use tokio_postgres::Row;
use uuid::Uuid;

use super::failure::Failure;

pub(super) fn session(row: &Row, column: &str) -> Result<SessionId, Failure> {
    Ok(SessionId::from_bytes(row.try_get::<_, Uuid>(column)?.into_bytes()))
}

pub(super) fn run(row: &Row, column: &str) -> Result<RunId, Failure> {
    Ok(RunId::from_bytes(row.try_get::<_, Uuid>(column)?.into_bytes()))
}

pub(super) fn replica(row: &Row, column: &str) -> Result<ReplicaId, Failure> {
    Ok(ReplicaId::from_bytes(row.try_get::<_, Uuid>(column)?.into_bytes()))
}

pub(super) fn epoch(row: &Row, column: &str) -> Result<Epoch, Failure> {
    Ok(Epoch(row.try_get(column)?))
}

pub(super) fn session_key(row: &Row, column: &str) -> Result<SessionKey, Failure> {
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|e| Failure::Unreadable(format!("the session key {text:?} cannot be read: {e}")))
}

/// A time as milliseconds since 1970.
pub(super) fn time(row: &Row, column: &str) -> Result<i64, Failure> {
    Ok(millis(row.try_get(column)?))
}

/// A count; what is below zero or too large reads as the nearest bound.
pub(super) fn count(row: &Row, column: &str) -> Result<u32, Failure> {
    let value: i64 = row.try_get(column)?;
    Ok(u32::try_from(value.max(0)).unwrap_or(u32::MAX))
}

pub(super) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn of_session(session: SessionId) -> Uuid {
    Uuid::from_bytes(*session.as_bytes())
}

pub(super) fn of_run(run: RunId) -> Uuid {
    Uuid::from_bytes(*run.as_bytes())
}

pub(super) fn of_replica(replica: ReplicaId) -> Uuid {
    Uuid::from_bytes(*replica.as_bytes())
}

/// A limit as PostgreSQL takes it.
pub(super) fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Text as PostgreSQL takes it: everything but the character NUL.
pub(super) fn text(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{2400}").into() } else { text.into() }
}
