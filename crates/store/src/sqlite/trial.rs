//! Whether work can be committed now: as much as a large message takes is written, and taken back.
//!
//! Heartbeats do not tell. They change one small row, for which there is room in a log that may not grow any more.

use super::writer::{Tx, Writer};
use crate::Error;

/// 64 KiB. It must be committed before it is taken back: what a transaction takes back itself is never written.
const WRITE: &str = "INSERT INTO meta (name, value) VALUES ('trial', zeroblob(65536))
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

const TAKE_BACK: &str = "DELETE FROM meta WHERE name = 'trial'";

pub(super) async fn try_commit(writer: &Writer) -> Result<(), Error> {
    let run = |sql: &'static str| move |tx: &Tx<'_>| tx.connection.execute(sql, []).map(drop);
    writer.write(run(WRITE)).await?;
    writer.write(run(TAKE_BACK)).await
}
