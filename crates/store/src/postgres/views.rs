//! Runs, replicas and load, for senders and for people.

use std::time::Duration;

use regrow_protocol::{ReplicaId, RunId, SessionId};
use tokio_postgres::Row;

use super::failure::Failure;
use super::links::Links;
use super::row;
use crate::{Error, Liveness, Load, ReplicaView, RunEnd, RunState, RunStatus, RunView, RunningView};

/// One statement, and so one moment: a run that ends just now is either still open or already recorded.
macro_rules! runs {
    ($tail:literal) => {
        concat!(
            "SELECT i.message AS run, i.session, l.key, i.accepted_at, i.fingerprint,
                i.seq - l.inbox_done - 1 AS ahead, l.run = i.message AND l.state = 2 AS running,
                l.replica, l.epoch, coalesce(p.address, '') AS address,
                r.status, r.log_base, r.log_head, r.finished_at, r.error, r.usage
            FROM regrow.inbox i JOIN regrow.lanes l ON l.session = i.session
                LEFT JOIN regrow.runs r ON r.run = i.message
                LEFT JOIN regrow.replicas p ON p.replica = l.replica ",
            $tail
        )
    };
}

pub(super) const RUN: &str = runs!("WHERE i.message = $1");

pub(super) const RUNS: &str = runs!("ORDER BY i.message DESC LIMIT $1");

/// By their places, which the key of the inbox is in the order of; by their ids, all messages of all sessions would be read.
pub(super) const RUNS_OF: &str = runs!("WHERE i.session = $2 ORDER BY i.seq DESC LIMIT $1");

/// Runs that are being driven, those that began first before others.
pub(super) const RUNNING: &str =
    "SELECT replica, run, session, key, epoch, attempt::int8 AS attempt, ready_at
    FROM regrow.lanes WHERE state = 2 AND ($1::uuid IS NULL OR replica = $1) ORDER BY ready_at LIMIT $2";

pub(super) const REPLICAS: &str = "SELECT replica, address, version, joined_at, slots, draining, lease_ms,
        coalesce(locked_in = pg_postmaster_start_time(), false) AS locked,
        (extract(epoch FROM expires_at - now()) * 1000)::int8 AS expires_in,
        (SELECT count(*) FROM regrow.lanes l WHERE l.replica = r.replica AND l.state = 2) AS running
    FROM regrow.replicas r ORDER BY joined_at";

pub(super) const LOAD: &str = "SELECT (SELECT count(*) FROM regrow.lanes WHERE state = 1) AS ready,
    (SELECT count(*) FROM regrow.lanes WHERE state = 2) AS running,
    (SELECT (extract(epoch FROM now() - min(ready_at)) * 1000)::int8 FROM regrow.lanes WHERE state = 1) AS oldest";

pub(super) async fn find_run(links: &Links, run: RunId) -> Result<Option<RunView>, Error> {
    let found = links.query_opt(RUN, &[&row::of_run(run)]).await?;
    Ok(found.as_ref().map(view).transpose()?)
}

pub(super) async fn list_runs(
    links: &Links,
    session: Option<SessionId>,
    limit: usize,
) -> Result<Vec<RunView>, Error> {
    let limit = row::bound(limit);
    let rows = match session {
        Some(session) => links.query(RUNS_OF, &[&limit, &row::of_session(session)]).await?,
        None => links.query(RUNS, &[&limit]).await?,
    };
    Ok(rows.iter().map(view).collect::<Result<_, Failure>>()?)
}

fn view(r: &Row) -> Result<RunView, Failure> {
    Ok(RunView {
        run: row::run(r, "run")?,
        session: row::session(r, "session")?,
        session_key: row::session_key(r, "key")?,
        accepted_at: row::time(r, "accepted_at")?,
        fingerprint: r.try_get::<_, i64>("fingerprint")?.cast_unsigned(),
        state: state(r)?,
    })
}

fn state(r: &Row) -> Result<RunState, Failure> {
    if let Some(status) = r.try_get::<_, Option<i16>>("status")? {
        return Ok(RunState::Ended(RunEnd {
            status: RunStatus::from_code(u8::try_from(status).unwrap_or(u8::MAX)),
            log_base: r.try_get("log_base")?,
            log_head: r.try_get("log_head")?,
            finished_at: row::time(r, "finished_at")?,
            error: r.try_get("error")?,
            usage: r.try_get("usage")?,
        }));
    }
    if r.try_get::<_, Option<bool>>("running")? == Some(true) {
        return Ok(RunState::Running {
            replica: row::replica(r, "replica")?,
            address: r.try_get("address")?,
            epoch: row::epoch(r, "epoch")?,
        });
    }
    Ok(RunState::Queued { ahead: u64::from(row::count(r, "ahead")?) })
}

pub(super) async fn list_replicas(links: &Links) -> Result<Vec<ReplicaView>, Error> {
    let rows = links.query(REPLICAS, &[]).await?;
    Ok(rows.iter().map(replica).collect::<Result<_, Failure>>()?)
}

fn replica(r: &Row) -> Result<ReplicaView, Failure> {
    Ok(ReplicaView {
        id: row::replica(r, "replica")?,
        address: r.try_get("address")?,
        version: r.try_get("version")?,
        joined_at: row::time(r, "joined_at")?,
        lease: duration(r, "lease_ms")?,
        expires_in: duration(r, "expires_in")?,
        liveness: if r.try_get("locked")? { Liveness::Lock } else { Liveness::Heartbeat },
        slots: row::count(r, "slots")?,
        running: row::count(r, "running")?,
        draining: r.try_get("draining")?,
    })
}

/// Milliseconds as a time that passes; less than nothing is nothing.
fn duration(r: &Row, column: &str) -> Result<Duration, Failure> {
    Ok(Duration::from_millis(r.try_get::<_, i64>(column)?.max(0).unsigned_abs()))
}

pub(super) async fn list_running(
    links: &Links,
    replica: Option<ReplicaId>,
    limit: usize,
) -> Result<Vec<RunningView>, Error> {
    let rows = links.query(RUNNING, &[&replica.map(row::of_replica), &row::bound(limit)]).await?;
    Ok(rows.iter().map(running).collect::<Result<_, Failure>>()?)
}

fn running(r: &Row) -> Result<RunningView, Failure> {
    Ok(RunningView {
        replica: row::replica(r, "replica")?,
        run: row::run(r, "run")?,
        session: row::session(r, "session")?,
        session_key: row::session_key(r, "key")?,
        epoch: row::epoch(r, "epoch")?,
        attempt: row::count(r, "attempt")?,
        since: row::time(r, "ready_at")?,
    })
}

pub(super) async fn load(links: &Links) -> Result<Load, Error> {
    let Some(r) = links.query_opt(LOAD, &[]).await? else { return Ok(Load::default()) };
    let oldest: Option<i64> = r.try_get("oldest").map_err(Failure::from)?;
    Ok(Load {
        ready: u64::from(row::count(&r, "ready")?),
        running: u64::from(row::count(&r, "running")?),
        oldest_ready: Duration::from_millis(oldest.unwrap_or(0).max(0).unsigned_abs()),
    })
}
