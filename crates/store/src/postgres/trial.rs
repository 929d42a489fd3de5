//! Whether work can be committed now: as much as a large message takes is written and taken back, in one transaction that
//! waits for whatever messages would wait for, and for the disk.
//!
//! Heartbeats do not tell. They have connections of their own, change one small row in its place, and do not wait for the
//! disk.

use uuid::Uuid;

use super::failure::Failure;
use super::links::{Links, Run};
use crate::Error;

/// 64 KiB that cannot be compressed. Nothing is deleted; that only asks whether it could be.
pub(super) const WRITE: &str = "WITH lanes AS (DELETE FROM regrow.lanes WHERE false),
    inbox AS (DELETE FROM regrow.inbox WHERE false), runs AS (DELETE FROM regrow.runs WHERE false)
INSERT INTO regrow.log (session, seq, run, epoch, kind, payload)
SELECT $1::uuid, 0, $1, 0, 0, string_agg(decode(md5(random()::text), 'hex'), ''::bytea)
FROM generate_series(1, 4096)";

pub(super) const TAKE_BACK: &str = "DELETE FROM regrow.log WHERE session = $1 AND seq = 0";

pub(super) async fn try_commit(links: &Links) -> Result<(), Error> {
    Ok(write_and_take_back(links).await?)
}

async fn write_and_take_back(links: &Links) -> Result<(), Failure> {
    // A session that nobody has.
    let session = Uuid::new_v4();
    let transaction = links.begin().await?;
    transaction.query(WRITE, &[&session]).await?;
    transaction.query(TAKE_BACK, &[&session]).await?;
    transaction.commit().await
}
