//! Taking over: replicas that died or hang are removed, and their sessions become ready under a new epoch.

use std::collections::HashMap;
use std::time::Duration;

use regrow_protocol::{ReplicaId, SessionId};
use rusqlite::{OptionalExtension, named_params};

use super::claim::next_epoch;
use super::leases;
use super::liveness::Liveness;
use super::reader::Readers;
use super::row;
use super::steps::Steps;
use super::writer::{Tx, Writer};
use crate::sightings::Sightings;
use crate::{Claimed, Error, Hint, Loss, Reaped};

const EXPIRED: &str = "SELECT replica FROM replicas WHERE expires_at <= :latest";

const LONGEST_LEASE: &str = "SELECT coalesce(max(lease_ms), 0) FROM replicas";

const ORPHANS: &str = "SELECT EXISTS (SELECT 1 FROM lanes WHERE state = 2
    AND NOT EXISTS (SELECT 1 FROM replicas WHERE replicas.replica = lanes.replica))";

/// Returns when its last heartbeat came.
const REMOVE: &str = "DELETE FROM replicas WHERE replica = :replica AND expires_at <= :latest
    RETURNING expires_at - lease_ms";

/// Sessions without an owner, and how many had the same one.
const OWNERLESS: &str =
    "SELECT session, replica, count(*) OVER (PARTITION BY replica) AS together FROM lanes WHERE state = 2
    AND NOT EXISTS (SELECT 1 FROM replicas WHERE replicas.replica = lanes.replica)";

/// `ready_at` stays: work that was begun does not go behind the whole backlog.
const FREE: &str = "UPDATE lanes SET state = 1, replica = NULL, epoch = :epoch, blame = blame + :blame,
        freed_run = run, freed_from = replica, freed_by = :loss, freed_since = :since,
        updated_at = :now
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

/// What a process knows between its looks.
pub(super) struct Looks {
    pub(super) steps: Steps,
    sightings: Sightings<ReplicaId, i64>,
}

impl Looks {
    pub(super) fn new(steps: Steps) -> Self {
        Self { steps, sightings: Sightings::default() }
    }
}

/// Replicas that are gone whatever their leases say.
struct Gone {
    replicas: Vec<ReplicaId>,
    loss: Loss,
    /// When each was there last, if that was seen.
    seen: Vec<Option<i64>>,
}

pub(super) async fn reap(
    writer: &Writer,
    readers: &Readers,
    liveness: &Liveness,
    looks: &Looks,
) -> Result<Reaped, Error> {
    let look = looks.steps.look();
    let (crashed, there) = liveness.look();
    looks.sightings.saw(look.now, there, &crashed);
    let (mut expired, orphans) = readers
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
    expired.retain(|replica| !crashed.contains(replica));
    if expired.is_empty() && crashed.is_empty() && !orphans {
        return Ok(Reaped::default());
    }
    let seen = looks.sightings.of(&crashed);
    let gone = Gone { replicas: crashed.clone(), loss: Loss::Crashed, seen };
    let reaped = expel(writer, gone, expired).await?;
    crashed.into_iter().for_each(|replica| liveness.bury(replica));
    Ok(reaped)
}

/// Removes a replica, whatever its lease says.
pub(super) async fn remove(writer: &Writer, replica: ReplicaId) -> Result<Reaped, Error> {
    let gone = Gone { replicas: vec![replica], loss: Loss::Left, seen: vec![None] };
    expel(writer, gone, Vec::new()).await
}

/// How a replica was lost, and its last sign of life.
type Lost = (Loss, Option<i64>);

/// Removes replicas that are gone, and `expired` ones that have not renewed their lease meanwhile.
async fn expel(writer: &Writer, gone: Gone, expired: Vec<ReplicaId>) -> Result<Reaped, Error> {
    writer
        .write(move |tx| {
            let mut reaped = Reaped::default();
            let mut lost = HashMap::new();
            let certain =
                gone.replicas.iter().zip(&gone.seen).map(|(r, seen)| (r, gone.loss, *seen, i64::MAX));
            let silent = expired.iter().map(|r| (r, Loss::Silent, None, tx.now));
            for (replica, loss, seen, latest) in certain.chain(silent) {
                let renewed_at = strike(tx, *replica, latest)?;
                if renewed_at.is_some() {
                    leases::forget(tx, *replica)?;
                    reaped.replicas.push(*replica);
                }
                // Who leaves gives a sign of life by it.
                let since = if loss == Loss::Left { Some(tx.now) } else { renewed_at.max(seen) };
                lost.insert(*replica, (loss, since));
            }
            reaped.lanes = free_ownerless(tx, &lost)?;
            Ok(reaped)
        })
        .await
}

/// Removes a replica whose lease ran out at this time or before, and returns when its last heartbeat came.
fn strike(tx: &Tx<'_>, replica: ReplicaId, latest: i64) -> rusqlite::Result<Option<i64>> {
    let params = named_params! { ":replica": replica.as_bytes(), ":latest": latest };
    tx.connection.prepare_cached(REMOVE)?.query_row(params, |r| r.get(0)).optional()
}

/// The epoch grows before anybody else starts, so the former owner is fenced first.
///
/// A run may have killed its replica, so each is blamed; but a replica that is killed takes innocent ones along, so those
/// that it drove share the blame.
fn free_ownerless(tx: &Tx<'_>, lost: &HashMap<ReplicaId, Lost>) -> rusqlite::Result<u64> {
    let mut statement = tx.connection.prepare_cached(OWNERLESS)?;
    let lanes = statement.query_map([], |r| {
        Ok((row::session(r, "session")?, row::replica(r, "replica")?, row::count(r, "together")?))
    })?;
    let lanes: Vec<(SessionId, ReplicaId, u32)> = lanes.collect::<Result<_, _>>()?;
    let mut free = tx.connection.prepare_cached(FREE)?;
    for (session, replica, together) in &lanes {
        let epoch = next_epoch(tx)?;
        let (loss, since) = lost.get(replica).copied().unwrap_or((Loss::Unknown, None));
        free.execute(named_params! {
            ":session": session.as_bytes(), ":now": tx.now, ":epoch": epoch.0,
            ":blame": Claimed::WHOLE_BLAME.div_ceil(*together), ":loss": loss.code(), ":since": since,
        })?;
        tx.hint(Hint::Session(*session));
    }
    if !lanes.is_empty() {
        tx.hint(Hint::Ready);
    }
    Ok(lanes.len() as u64)
}
