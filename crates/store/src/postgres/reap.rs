//! Taking over: replicas that died or hang are removed, and their sessions become ready under a new epoch.

use std::time::{Duration, SystemTime};

use regrow_protocol::{ReplicaId, SessionId};
use uuid::Uuid;

use super::excuse::Excuse;
use super::failure::Failure;
use super::links::{Links, Param};
use super::pace::Pace;
use super::row;
use super::watch::Watch;
use crate::sightings::Sightings;
use crate::{Claimed, Error, Loss, Reaped};

/// Every replica: whether its lease is over, and whether it has crashed, so that the lock that it took in this life of the
/// server is free. A lease that was renewed last in another life of the server gets the time to be renewed in this one.
/// Replicas of this process, `$1`, are not asked for their locks, nor are others than `$2`.
pub(super) const LOOK: &str = "SELECT r.replica, r.lease_ms, r.expires_at <= now()
        AND (r.renewed_in = pg_postmaster_start_time()
            OR now() >= pg_postmaster_start_time() + r.lease_ms / 2 * interval '1 ms') AS expired,
    r.replica <> ALL($1) AND ($2::uuid[] IS NULL OR r.replica = ANY($2)) AND r.locked_in = pg_postmaster_start_time()
        AND pg_try_advisory_xact_lock(r.lock_key) AS crashed, now() AS now
    FROM regrow.replicas r";

/// Whether a lease has an owner that does not exist. Owners are looked up one by one through their index, so this costs as
/// much as there are replicas, not sessions, as long as dead versions of rows can be removed.
pub(super) const ORPHANS: &str = "WITH RECURSIVE owner AS (
    (SELECT replica FROM regrow.lanes WHERE state = 2 ORDER BY replica LIMIT 1)
    UNION ALL
    SELECT (SELECT l.replica FROM regrow.lanes l WHERE l.state = 2 AND l.replica > o.replica
        ORDER BY l.replica LIMIT 1)
    FROM owner o WHERE o.replica IS NOT NULL)
SELECT orphans, (extract(epoch FROM clock_timestamp() - now()) * 1000000)::int8 AS spent
FROM (SELECT EXISTS (SELECT 1 FROM owner o WHERE o.replica IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM regrow.replicas r WHERE r.replica = o.replica)) AS orphans OFFSET 0) AS looked";

/// Removes the replicas `$1` whatever their lease says and the replicas `$2` unless they have renewed it, and frees what
/// they held and all sessions without an owner. The epoch grows before anybody else starts, so the former owner is fenced first. `ready_at`
/// stays: work that was begun does not go behind the whole backlog.
///
/// A run may have killed its replica, so each is blamed; but a replica that is killed takes innocent ones along, so those
/// that it drove share the blame of `$3`.
///
/// How each was lost is noted for whoever takes it over, `$4` for those of `$1`, `$5` for those of `$2`, and its owner's last
/// sign of life: this statement if it leaves (`$7`), or else its last heartbeat or when it was seen last (`$6`, for each of
/// `$1`).
///
/// What a crash of the server loses of this is found and done again.
pub(super) const EXPEL: &str = "WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true)),
gone AS (
    DELETE FROM regrow.replicas USING relaxed
    WHERE replica = ANY($1) OR (replica = ANY($2) AND expires_at <= now())
    RETURNING replica, expires_at - lease_ms * interval '1 ms' AS renewed_at),
let_go AS (DELETE FROM regrow.leases l USING gone WHERE l.replica = gone.replica),
ownerless AS (
    SELECT l.session, l.replica, count(*) OVER (PARTITION BY l.replica) AS together
    FROM regrow.lanes l
    WHERE l.state = 2 AND (l.replica IN (SELECT replica FROM gone)
        OR NOT EXISTS (SELECT 1 FROM regrow.replicas r WHERE r.replica = l.replica))
    ORDER BY l.session),
freed AS (
    UPDATE regrow.lanes t SET state = 1, replica = NULL, epoch = greatest(nextval('regrow.fence'), t.epoch + 1),
        freed_run = t.run, freed_from = o.replica,
        freed_by = CASE WHEN o.replica = ANY($1) THEN $4::int2 WHEN o.replica = ANY($2) THEN $5::int2 END,
        freed_since = CASE WHEN $7::bool AND o.replica = ANY($1) THEN now() ELSE greatest(
            (SELECT renewed_at FROM gone WHERE gone.replica = o.replica),
            ($6::timestamptz[])[array_position($1, o.replica)]) END,
        blame = t.blame + (($3::int8 + o.together - 1) / o.together)::int4, updated_at = now()
    FROM ownerless o WHERE t.session = o.session AND t.replica = o.replica
    RETURNING t.session)
SELECT NULL::uuid AS replica, session FROM freed UNION ALL SELECT replica, NULL FROM gone";

/// What was found, and the sessions that became ready.
#[derive(Default)]
pub(super) struct Found {
    pub(super) reaped: Reaped,
    pub(super) freed: Vec<SessionId>,
    /// Replicas that the store knows and that are not of this process.
    pub(super) peers: usize,
}

/// What a process knows between its looks.
#[derive(Default)]
pub(super) struct Looks {
    pub(super) excuse: Excuse,
    orphans: Pace,
    watch: Watch,
    sightings: Sightings<Uuid, SystemTime>,
}

/// Looks for replicas that are gone. `own` are those of this process.
pub(super) async fn reap(links: &Links, own: &[ReplicaId], looks: &Looks) -> Result<Found, Error> {
    let mine: Vec<Uuid> = own.iter().map(|replica| row::of_replica(*replica)).collect();
    let watched = looks.watch.watched();
    let params: [Param<'_>; 2] = [&mine, &watched];
    let (replicas, orphans) =
        tokio::try_join!(links.query(LOOK, &params), are_orphans(links, &looks.orphans))?;
    let (mut crashed, mut expired, mut all, mut longest) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for r in &replicas {
        let id: Uuid = r.try_get("replica").map_err(Failure::from)?;
        all.push(id);
        longest = longest.max(r.try_get::<_, i64>("lease_ms").map_err(Failure::from)?);
        if r.try_get::<_, Option<bool>>("crashed").map_err(Failure::from)? == Some(true) {
            crashed.push(id);
        } else if r.try_get("expired").map_err(Failure::from)? {
            expired.push(id);
        }
    }
    looks.watch.saw(&all, &mine);
    let peers = all.iter().filter(|id| !mine.contains(id)).count();
    if let Some(r) = replicas.first() {
        let now = r.try_get("now").map_err(Failure::from)?;
        let is_asked = |id: &Uuid| !mine.contains(id) && watched.as_ref().is_none_or(|w| w.contains(id));
        let there = all.iter().filter(|id| is_asked(id) && !crashed.contains(id)).copied();
        looks.sightings.saw(now, there, &crashed);
        if looks.excuse.excuses(now, Duration::from_millis(longest.unsigned_abs())) {
            expired.clear();
        }
    }
    if crashed.is_empty() && expired.is_empty() && !orphans {
        return Ok(Found { peers, ..Found::default() });
    }
    let seen = looks.sightings.of(&crashed);
    let gone = Gone { replicas: &crashed, loss: Loss::Crashed, seen: &seen };
    let found = expel(links, gone, &expired).await?;
    Ok(Found { peers, ..found })
}

async fn are_orphans(links: &Links, pace: &Pace) -> Result<bool, Failure> {
    if !pace.is_due() {
        return Ok(false);
    }
    let Some(r) = links.query_opt(ORPHANS, &[]).await? else { return Ok(false) };
    pace.took(Duration::from_micros(r.try_get::<_, i64>("spent")?.max(0).unsigned_abs()));
    Ok(r.try_get("orphans")?)
}

/// Removes a replica, whatever its lease says.
pub(super) async fn remove(links: &Links, replica: ReplicaId) -> Result<Found, Error> {
    let gone = Gone { replicas: &[row::of_replica(replica)], loss: Loss::Left, seen: &[None] };
    expel(links, gone, &[]).await
}

/// Replicas that are gone whatever their leases say.
struct Gone<'a> {
    replicas: &'a [Uuid],
    loss: Loss,
    /// When each was there last, if that was seen.
    seen: &'a [Option<SystemTime>],
}

/// Removes replicas that are gone, and those whose lease is over.
async fn expel(links: &Links, gone: Gone<'_>, expired: &[Uuid]) -> Result<Found, Error> {
    let blame = i64::from(Claimed::WHOLE_BLAME);
    let (loss, silent, leaves) = (gone.loss.code(), Loss::Silent.code(), gone.loss == Loss::Left);
    let params: [Param<'_>; 7] = [&gone.replicas, &expired, &blame, &loss, &silent, &gone.seen, &leaves];
    let mut found = Found::default();
    for r in &links.query(EXPEL, &params).await? {
        if r.try_get::<_, Option<Uuid>>("replica").map_err(Failure::from)?.is_some() {
            found.reaped.replicas.push(row::replica(r, "replica")?);
        } else {
            found.freed.push(row::session(r, "session")?);
        }
    }
    found.reaped.lanes = found.freed.len() as u64;
    Ok(found)
}
