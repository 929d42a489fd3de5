//! Columns as the types that they stand for.

use regrow_protocol::{Epoch, ReplicaId, RunId, SessionId, SessionKey};
use rusqlite::Row;
use rusqlite::types::Type;

/// Reads a 16-byte id.
fn id(row: &Row<'_>, column: &str) -> rusqlite::Result<[u8; 16]> {
    row.get::<_, [u8; 16]>(column)
}

pub(super) fn session(row: &Row<'_>, column: &str) -> rusqlite::Result<SessionId> {
    id(row, column).map(SessionId::from_bytes)
}

pub(super) fn run(row: &Row<'_>, column: &str) -> rusqlite::Result<RunId> {
    id(row, column).map(RunId::from_bytes)
}

pub(super) fn replica(row: &Row<'_>, column: &str) -> rusqlite::Result<ReplicaId> {
    id(row, column).map(ReplicaId::from_bytes)
}

pub(super) fn epoch(row: &Row<'_>, column: &str) -> rusqlite::Result<Epoch> {
    row.get(column).map(Epoch)
}

pub(super) fn session_key(row: &Row<'_>, column: &str) -> rusqlite::Result<SessionKey> {
    let text: String = row.get(column)?;
    text.parse().map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(e)))
}

/// A count; what is below zero or too large reads as the nearest bound.
pub(super) fn count(row: &Row<'_>, column: &str) -> rusqlite::Result<u32> {
    let value: i64 = row.get(column)?;
    Ok(u32::try_from(value.max(0)).unwrap_or(u32::MAX))
}
