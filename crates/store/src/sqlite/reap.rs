//! Taking over: replicas that died or hang are removed, and their sessions become ready under a new epoch.

use std::time::Duration;

use regrow_protocol::{ReplicaId, SessionId};
use rusqlite::named_params;

use super::claim::next_epoch;
use super::leases;
use super::liveness::Liveness;
use super::reader::Readers;
use super::row;
use super::steps::Steps;
use super::writer::{Tx, Writer};
use crate::{Claimed, Error, Hint, Loss, Reaped};

const EXPIRED: &str = "SELECT replica FROM replicas WHERE expires_at <= :latest";

const LONGEST_LEASE: &str = "SELECT coalesce(max(lease_ms), 0) FROM replicas";

const ORPHANS: &str = "SELECT EXISTS (SELECT 1 FROM lanes WHERE state = 2
    AND NOT EXISTS (SELECT 1 FROM replicas WHERE replicas.replica = lanes.replica))";

const REMOVE: &str = "DELETE FROM replicas WHERE replica = :replica AND expires_at <= :latest";

/// Sessions without an owner, and how many had the same one.
const OWNERLESS: &str =
    "SELECT session, replica, count(*) OVER (PARTITION BY replica) AS together FROM lanes WHERE state = 2
    AND NOT EXISTS (SELECT 1 FROM replicas WHERE replicas.replica = lanes.replica)";

/// `ready_at` stays: work that was begun does not go behind the whole backlog.
const FREE: &str = "UPDATE lanes SET state = 1, replica = NULL, epoch = :epoch, blame = blame + :blame,
        freed_run = run, freed_from = replica, freed_by = :loss, updated_at = :now
    WHERE session = :session AND state = 2";

/// Whether the lease of a replica is over that keeps all others from writing. If the store does not know it, because it is
/// about to join or has been given up, then with the last lease of all: nobody can renew one meanwhile.
const OVER: &str = "SELECT coalesce((SELECT expires_at FROM replicas WHERE replica = :replica),
    (SELECT max(expires_at) FROM replicas), 0) <= :now";

/// See [`OVER`].
pub(super) fn is_over(
    connection: &rusqlite::Connection,
    replica: ReplicaId,
    now: i64,
) -> rusqlite::Result<bool> {
    let params = named_params! { ":replica": replica.as_bytes(), ":now": now };
    connection.prepare_cached(OVER)?.query_row(params, |r| r.get(0))
}

pub(super) async fn reap(
    writer: &Writer,
    readers: &Readers,
    liveness: &Liveness,
    steps: &Steps,
) -> Result<Reaped, Error> {
    let crashed = liveness.dead();
    let look = steps.look();
    let (mut gone, orphans) = readers
        .read(move |c| {
            let longest: i64 = c.prepare_cached(LONGEST_LEASE)?.query_row([], |r| r.get(0))?;
            let latest = look.over_until(Duration::from_millis(longest.unsigned_abs()) / 2);
            let mut statement = c.prepare_cached(EXPIRED)?;
            // Without a time it finds none.
            let expired =
                statement.query_map(named_params! { ":latest": latest }, |r| row::replica(r, "replica"))?;
            let expired: Vec<ReplicaId> = expired.collect::<Result<_, _>>()?;
            let orphans: bool = c.prepare_cached(ORPHANS)?.query_row([], |r| r.get(0))?;
            Ok((expired, orphans))
        })
        .await?;
    // A lease may have been renewed since it was read; the deletion checks again, except for the dead.
    gone.retain(|replica| !crashed.contains(replica));
    if gone.is_empty() && crashed.is_empty() && !orphans {
        return Ok(Reaped::default());
    }
    let reaped = expel(writer, crashed.clone(), Loss::Crashed, gone).await?;
    crashed.into_iter().for_each(|replica| liveness.bury(replica));
    Ok(reaped)
}

/// Removes replicas whatever their lease says.
pub(super) async fn remove(writer: &Writer, replicas: Vec<ReplicaId>) -> Result<Reaped, Error> {
    expel(writer, replicas, Loss::Left, Vec::new()).await
}

/// Removes `dead` replicas, which were lost in this way, and `expired` ones that have not renewed their lease meanwhile.
async fn expel(
    writer: &Writer,
    dead: Vec<ReplicaId>,
    loss: Loss,
    expired: Vec<ReplicaId>,
) -> Result<Reaped, Error> {
    writer
        .write(move |tx| {
            let mut reaped = Reaped::default();
            let all =
                dead.iter().map(|replica| (replica, i64::MAX)).chain(expired.iter().map(|r| (r, tx.now)));
            for (replica, latest) in all {
                let params = named_params! { ":replica": replica.as_bytes(), ":latest": latest };
                if tx.connection.prepare_cached(REMOVE)?.execute(params)? > 0 {
                    leases::forget(tx, *replica)?;
                    reaped.replicas.push(*replica);
                }
            }
            let how = |replica: ReplicaId| match () {
                () if dead.contains(&replica) => loss,
                () if expired.contains(&replica) => Loss::Silent,
                () => Loss::Unknown,
            };
            reaped.lanes = free_ownerless(tx, how)?;
            Ok(reaped)
        })
        .await
}

/// The epoch grows before anybody else starts, so the former owner is fenced first.
///
/// A run may have killed its replica, so each is blamed; but a replica that is killed takes innocent ones along, so those
/// that it drove share the blame.
fn free_ownerless(tx: &Tx<'_>, how: impl Fn(ReplicaId) -> Loss) -> rusqlite::Result<u64> {
    let mut statement = tx.connection.prepare_cached(OWNERLESS)?;
    let lanes = statement.query_map([], |r| {
        Ok((row::session(r, "session")?, row::replica(r, "replica")?, row::count(r, "together")?))
    })?;
    let lanes: Vec<(SessionId, ReplicaId, u32)> = lanes.collect::<Result<_, _>>()?;
    let mut free = tx.connection.prepare_cached(FREE)?;
    for (session, replica, together) in &lanes {
        let epoch = next_epoch(tx)?;
        free.execute(named_params! {
            ":session": session.as_bytes(), ":now": tx.now, ":epoch": epoch.0,
            ":blame": Claimed::WHOLE_BLAME.div_ceil(*together), ":loss": how(*replica).code(),
        })?;
        tx.hint(Hint::Session(*session));
    }
    if !lanes.is_empty() {
        tx.hint(Hint::Ready);
    }
    Ok(lanes.len() as u64)
}
