//! Named leases: what one replica of all may hold at a time. Nobody must renew in time for anything to be right: who holds
//! one too long has an older epoch than the next holder.

use std::time::Duration;

use regrow_protocol::{Epoch, ReplicaId};
use rusqlite::{Connection, OptionalExtension, named_params};

use super::claim::next_epoch;
use super::reader::Readers;
use super::row;
use super::writer::{Tx, Writer};
use crate::Error;

const HOLDER: &str = "SELECT replica, epoch FROM leases WHERE name = :name AND expires_at > :now";

const LIVES: &str = "SELECT EXISTS (SELECT 1 FROM replicas WHERE replica = :replica AND expires_at > :now)";

const HOLD: &str = "INSERT INTO leases (name, replica, epoch, expires_at)
    VALUES (:name, :replica, :epoch, :expires_at)
    ON CONFLICT (name) DO UPDATE
        SET replica = excluded.replica, epoch = excluded.epoch, expires_at = excluded.expires_at";

const LET_GO: &str = "DELETE FROM leases WHERE name = :name AND replica = :replica";

const FORGET: &str = "DELETE FROM leases WHERE replica = :replica";

pub(super) async fn hold(
    writer: &Writer,
    readers: &Readers,
    name: &str,
    replica: ReplicaId,
    ttl: Duration,
    now: i64,
) -> Result<Option<Epoch>, Error> {
    // Those who wait for their turn ask often; that must not cost a commit.
    let asked = name.to_owned();
    let is_taken =
        move |c: &Connection| Ok(holder(c, &asked, now)?.is_some_and(|(holder, _)| holder != replica));
    if readers.read(is_taken).await? {
        return Ok(None);
    }
    let (name, ttl) = (name.to_owned(), i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
    writer.write(move |tx| hold_in(tx, &name, replica, ttl)).await
}

fn hold_in(tx: &Tx<'_>, name: &str, replica: ReplicaId, ttl: i64) -> rusqlite::Result<Option<Epoch>> {
    let params = named_params! { ":replica": replica.as_bytes(), ":now": tx.now };
    let lives: bool = tx.connection.prepare_cached(LIVES)?.query_row(params, |r| r.get(0))?;
    if !lives {
        return Ok(None);
    }
    let epoch = match holder(tx.connection, name, tx.now)? {
        Some((holder, _)) if holder != replica => return Ok(None),
        Some((_, epoch)) => epoch,
        None => next_epoch(tx)?,
    };
    tx.connection.prepare_cached(HOLD)?.execute(named_params! {
        ":name": name, ":replica": replica.as_bytes(), ":epoch": epoch.0,
        ":expires_at": tx.now.saturating_add(ttl),
    })?;
    Ok(Some(epoch))
}

/// Who holds a lease now, and since which epoch.
fn holder(connection: &Connection, name: &str, now: i64) -> rusqlite::Result<Option<(ReplicaId, Epoch)>> {
    let params = named_params! { ":name": name, ":now": now };
    let read = |r: &rusqlite::Row<'_>| -> rusqlite::Result<_> {
        Ok((row::replica(r, "replica")?, row::epoch(r, "epoch")?))
    };
    connection.prepare_cached(HOLDER)?.query_row(params, read).optional()
}

pub(super) async fn let_go(writer: &Writer, name: &str, replica: ReplicaId) -> Result<(), Error> {
    let name = name.to_owned();
    writer
        .write(move |tx| {
            let params = named_params! { ":name": name, ":replica": replica.as_bytes() };
            tx.connection.prepare_cached(LET_GO)?.execute(params).map(drop)
        })
        .await
}

/// Frees what a replica that is removed holds.
pub(super) fn forget(tx: &Tx<'_>, replica: ReplicaId) -> rusqlite::Result<()> {
    let params = named_params! { ":replica": replica.as_bytes() };
    tx.connection.prepare_cached(FORGET)?.execute(params).map(drop)
}
