//! Joining, staying alive, and draining. Every heartbeat also returns what the store thinks this replica owns, so that a
//! lease whose grant was lost on the way does not leak.
//!
//! None of these waits for the disk: what is lost in a crash of the server is noticed at the next heartbeat.

use regrow_protocol::ReplicaId;
use uuid::Uuid;

use super::failure::Failure;
use super::links::Links;
use super::row;
use crate::{Beat, Error, OwnedLane, Replica};

pub(super) const JOIN: &str = "WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
    INSERT INTO regrow.replicas (replica, address, version, slots, lease_ms, expires_at, lock_key, locked_in,
        renewed_in)
    SELECT $1, $2, $3, $4, $5::int8, now() + $5 * interval '1 ms', $6,
        CASE WHEN $7::bool THEN pg_postmaster_start_time() END, pg_postmaster_start_time() FROM relaxed
    ON CONFLICT (replica) DO NOTHING";

/// The server has been restarted, or the connection that holds the locks was: they are held again.
pub(super) const LOCKED_AGAIN: &str = "WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
    UPDATE regrow.replicas SET locked_in = pg_postmaster_start_time()
    FROM relaxed WHERE replica = ANY($1)";

pub(super) const BEAT: &str = "WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true)),
beat AS (
    UPDATE regrow.replicas SET expires_at = now() + lease_ms * interval '1 ms',
        renewed_in = pg_postmaster_start_time()
    FROM relaxed WHERE replica = $1 RETURNING replica)
SELECT l.session, l.epoch, l.run, EXISTS (SELECT 1 FROM regrow.inbox i
    WHERE i.session = l.session AND i.seq = l.inbox_done + 1 AND i.aborted) AS abort
FROM beat LEFT JOIN regrow.lanes l ON l.replica = $1 AND l.state = 2";

pub(super) const DRAIN: &str = "WITH relaxed AS (SELECT set_config('synchronous_commit', 'off', true))
    UPDATE regrow.replicas SET draining = true FROM relaxed WHERE replica = $1";

/// The lock by which peers see that a replica lives. The last bytes of its id are random.
pub(super) fn lock_key(replica: ReplicaId) -> i64 {
    let [.., a, b, c, d, e, f, g, h] = *replica.as_bytes();
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

pub(super) async fn join(links: &Links, replica: &Replica, locked: bool) -> Result<(), Error> {
    let lease = i64::try_from(replica.lease.as_millis()).unwrap_or(i64::MAX);
    let (id, key) = (row::of_replica(replica.id), lock_key(replica.id));
    let (address, version) = (row::text(&replica.address), row::text(&replica.version));
    let slots = i64::from(replica.slots);
    links.query(JOIN, &[&id, &address, &version, &slots, &lease, &key, &locked]).await?;
    Ok(())
}

pub(super) async fn heartbeat(links: &Links, replica: ReplicaId) -> Result<Beat, Error> {
    let rows = links.query(BEAT, &[&row::of_replica(replica)]).await?;
    if rows.is_empty() {
        return Ok(Beat::Gone);
    }
    let mut lanes = Vec::with_capacity(rows.len());
    for r in &rows {
        // One row without a session: it lives and owns nothing.
        if r.try_get::<_, Option<Uuid>>("session").map_err(Failure::from)?.is_some() {
            lanes.push(OwnedLane {
                session: row::session(r, "session")?,
                epoch: row::epoch(r, "epoch")?,
                run: row::run(r, "run")?,
                abort: r.try_get("abort").map_err(Failure::from)?,
            });
        }
    }
    Ok(Beat::Alive { lanes })
}

pub(super) async fn drain(links: &Links, replica: ReplicaId) -> Result<(), Error> {
    links.query(DRAIN, &[&row::of_replica(replica)]).await?;
    Ok(())
}
