//! Joining, staying alive, and draining. Every heartbeat also returns what the store thinks this replica owns, so that a
//! lease whose grant was lost on the way does not leak.

use regrow_protocol::ReplicaId;
use rusqlite::named_params;

use super::row;
use super::writer::{Tx, Writer};
use crate::{Beat, Error, OwnedLane, Replica};

const JOIN: &str = "INSERT INTO replicas (replica, address, version, slots, joined_at, lease_ms, expires_at)
    VALUES (:replica, :address, :version, :slots, :now, :lease, :now + :lease)
    ON CONFLICT (replica) DO NOTHING";

const RENEW: &str = "UPDATE replicas SET expires_at = :now + lease_ms WHERE replica = :replica";

const OWNED: &str = "SELECT session, epoch, run, abort FROM lanes WHERE replica = :replica AND state = 2";

const DRAIN: &str = "UPDATE replicas SET draining = 1 WHERE replica = :replica";

pub(super) async fn join(writer: &Writer, replica: &Replica) -> Result<(), Error> {
    let replica = replica.clone();
    let lease = i64::try_from(replica.lease.as_millis()).unwrap_or(i64::MAX);
    writer
        .write(move |tx| {
            let params = named_params! {
                ":replica": replica.id.as_bytes(), ":address": replica.address, ":version": replica.version,
                ":slots": replica.slots, ":now": tx.now, ":lease": lease,
            };
            tx.connection.prepare_cached(JOIN)?.execute(params).map(drop)
        })
        .await
}

pub(super) async fn heartbeat(writer: &Writer, replica: ReplicaId) -> Result<Beat, Error> {
    writer.write(move |tx| beat(tx, replica)).await
}

fn beat(tx: &Tx<'_>, replica: ReplicaId) -> rusqlite::Result<Beat> {
    let params = named_params! { ":replica": replica.as_bytes(), ":now": tx.now };
    if tx.connection.prepare_cached(RENEW)?.execute(params)? == 0 {
        return Ok(Beat::Gone);
    }
    let mut statement = tx.connection.prepare_cached(OWNED)?;
    let lanes = statement.query_map(named_params! { ":replica": replica.as_bytes() }, |r| {
        Ok(OwnedLane {
            session: row::session(r, "session")?,
            epoch: row::epoch(r, "epoch")?,
            run: row::run(r, "run")?,
            abort: r.get("abort")?,
        })
    })?;
    Ok(Beat::Alive { lanes: lanes.collect::<Result<_, _>>()? })
}

pub(super) async fn drain(writer: &Writer, replica: ReplicaId) -> Result<(), Error> {
    writer
        .write(move |tx| {
            let params = named_params! { ":replica": replica.as_bytes() };
            tx.connection.prepare_cached(DRAIN)?.execute(params).map(drop)
        })
        .await
}
