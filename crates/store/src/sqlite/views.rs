//! Runs, replicas and load, for senders and for people.

use std::time::Duration;

use regrow_protocol::{ReplicaId, RunId, SessionId};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::history::bound;
use super::liveness::Liveness;
use super::row;
use crate::{Load, ReplicaView, RunEnd, RunState, RunStatus, RunView, RunningView};

const ENDED: &str = "SELECT r.run, r.session, l.key, r.accepted_at, r.status, r.log_base, r.log_head,
        r.finished_at, r.error, r.usage, i.fingerprint
    FROM runs r JOIN lanes l ON l.session = r.session JOIN inbox i ON i.message = r.run WHERE r.run = :run";

const ENDED_RUNS: &str = "SELECT r.run, r.session, l.key, r.accepted_at, r.status, r.log_base, r.log_head,
        r.finished_at, r.error, r.usage, i.fingerprint
    FROM runs r JOIN lanes l ON l.session = r.session JOIN inbox i ON i.message = r.run
    WHERE :session IS NULL OR r.session = :session ORDER BY r.run DESC LIMIT :limit";

pub(super) const OPEN: &str =
    "SELECT i.message AS run, i.session, l.key, i.accepted_at, i.seq - l.inbox_done - 1 AS ahead,
        l.run = i.message AND l.state = 2 AS running, l.replica, l.epoch, coalesce(p.address, '') AS address, i.fingerprint
    FROM inbox i JOIN lanes l ON l.session = i.session LEFT JOIN replicas p ON p.replica = l.replica
    WHERE i.message = :run AND i.seq > l.inbox_done";

const OPEN_RUNS: &str = "SELECT i.message AS run, i.session, l.key, i.accepted_at,
        i.seq - l.inbox_done - 1 AS ahead, l.run = i.message AND l.state = 2 AS running, l.replica, l.epoch,
        coalesce(p.address, '') AS address, i.fingerprint
    FROM lanes l JOIN inbox i ON i.session = l.session AND i.seq > l.inbox_done
        LEFT JOIN replicas p ON p.replica = l.replica
    WHERE l.state IN (1, 2) AND (:session IS NULL OR l.session = :session) ORDER BY i.message DESC LIMIT :limit";

const REPLICAS: &str = "SELECT replica, address, version, joined_at, lease_ms, expires_at, slots, draining,
        (SELECT count(*) FROM lanes WHERE lanes.replica = replicas.replica AND state = 2) AS running
    FROM replicas ORDER BY joined_at";

const RUNNING: &str = "SELECT replica, run, session, key, epoch, attempt, ready_at FROM lanes
    WHERE state = 2 AND (:replica IS NULL OR replica = :replica) ORDER BY ready_at, session LIMIT :limit";

const LOAD: &str = "SELECT (SELECT count(*) FROM lanes WHERE state = 1) AS ready,
    (SELECT count(*) FROM lanes WHERE state = 2) AS running,
    (SELECT min(ready_at) FROM lanes WHERE state = 1) AS oldest";

pub(super) fn find_run(connection: &Connection, run: RunId) -> rusqlite::Result<Option<RunView>> {
    let params = named_params! { ":run": run.as_bytes() };
    let ended = connection.prepare_cached(ENDED)?.query_row(params, ended_view).optional()?;
    if ended.is_some() {
        return Ok(ended);
    }
    connection.prepare_cached(OPEN)?.query_row(params, open_view).optional()
}

pub(super) fn list_runs(
    connection: &Connection,
    session: Option<SessionId>,
    limit: usize,
) -> rusqlite::Result<Vec<RunView>> {
    let session = session.map(|session| *session.as_bytes());
    let params = named_params! { ":session": session, ":limit": bound(limit) };
    let mut open = connection.prepare_cached(OPEN_RUNS)?;
    let mut runs: Vec<RunView> = open.query_map(params, open_view)?.collect::<Result<_, _>>()?;
    let mut ended = connection.prepare_cached(ENDED_RUNS)?;
    for view in ended.query_map(params, ended_view)? {
        runs.push(view?);
    }
    runs.sort_by_key(|view| std::cmp::Reverse(view.run));
    runs.truncate(limit);
    Ok(runs)
}

fn ended_view(r: &Row<'_>) -> rusqlite::Result<RunView> {
    let end = RunEnd {
        status: RunStatus::from_code(r.get("status")?),
        log_base: r.get("log_base")?,
        log_head: r.get("log_head")?,
        finished_at: r.get("finished_at")?,
        error: r.get("error")?,
        usage: r.get("usage")?,
    };
    view(r, RunState::Ended(end))
}

fn open_view(r: &Row<'_>) -> rusqlite::Result<RunView> {
    let state = if r.get("running")? {
        RunState::Running {
            replica: row::replica(r, "replica")?,
            address: r.get("address")?,
            epoch: row::epoch(r, "epoch")?,
        }
    } else {
        RunState::Queued { ahead: u64::from(row::count(r, "ahead")?) }
    };
    view(r, state)
}

fn view(r: &Row<'_>, state: RunState) -> rusqlite::Result<RunView> {
    Ok(RunView {
        run: row::run(r, "run")?,
        session: row::session(r, "session")?,
        session_key: row::session_key(r, "key")?,
        accepted_at: r.get("accepted_at")?,
        fingerprint: r.get::<_, i64>("fingerprint")?.cast_unsigned(),
        state,
    })
}

pub(super) fn list_replicas(
    connection: &Connection,
    now: i64,
    liveness: &Liveness,
) -> rusqlite::Result<Vec<ReplicaView>> {
    let time = |ms: i64| Duration::from_millis(ms.max(0).unsigned_abs());
    let mut statement = connection.prepare_cached(REPLICAS)?;
    let replicas = statement.query_map([], |r| {
        let id = row::replica(r, "replica")?;
        Ok(ReplicaView {
            id,
            address: r.get("address")?,
            version: r.get("version")?,
            joined_at: r.get("joined_at")?,
            lease: time(r.get("lease_ms")?),
            expires_in: time(r.get::<_, i64>("expires_at")?.saturating_sub(now)),
            liveness: liveness.of(id),
            slots: row::count(r, "slots")?,
            running: row::count(r, "running")?,
            draining: r.get("draining")?,
        })
    })?;
    replicas.collect()
}

pub(super) fn list_running(
    connection: &Connection,
    replica: Option<ReplicaId>,
    limit: usize,
) -> rusqlite::Result<Vec<RunningView>> {
    let replica = replica.map(|replica| *replica.as_bytes());
    let mut statement = connection.prepare_cached(RUNNING)?;
    let params = named_params! { ":replica": replica, ":limit": bound(limit) };
    let running = statement.query_map(params, |r| {
        Ok(RunningView {
            replica: row::replica(r, "replica")?,
            run: row::run(r, "run")?,
            session: row::session(r, "session")?,
            session_key: row::session_key(r, "key")?,
            epoch: row::epoch(r, "epoch")?,
            attempt: row::count(r, "attempt")?,
            since: r.get("ready_at")?,
        })
    })?;
    running.collect()
}

pub(super) fn load(connection: &Connection, now: i64) -> rusqlite::Result<Load> {
    connection.prepare_cached(LOAD)?.query_row([], |r| {
        let oldest: Option<i64> = r.get("oldest")?;
        let waited = oldest.map_or(0, |at| (now - at).max(0)).unsigned_abs();
        Ok(Load {
            ready: u64::from(row::count(r, "ready")?),
            running: u64::from(row::count(r, "running")?),
            oldest_ready: Duration::from_millis(waited),
        })
    })
}
