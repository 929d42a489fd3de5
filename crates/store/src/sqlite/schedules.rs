//! Schedules: what is due, and firing a tick once. See [`crate::schedule`] for how.

use regrow_protocol::{RunId, ScheduleId, SessionId, SessionKey};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::accept::accept_in;
use super::claim::next_epoch;
use super::history::bound;
use super::row;
use super::writer::{Tx, Writer};
use crate::{
    Accept, Accepted, Due, Error, Fired, Firing, FiringOutcome, LastFiring, Next, Schedule, ScheduleView,
};

/// What became of earlier firings stays when a schedule is replaced.
const PUT: &str = "INSERT INTO schedules (schedule, revision, session, spec, body, due_at)
    VALUES (:schedule, :revision, :session, :spec, :body, :due_at)
    ON CONFLICT (schedule) DO UPDATE SET revision = excluded.revision, session = excluded.session,
        spec = excluded.spec, body = excluded.body, due_at = excluded.due_at";

const STANDS: &str = "SELECT 1 FROM schedules WHERE schedule = :schedule AND revision = :revision";

const REMOVE: &str = "DELETE FROM schedules WHERE schedule = :schedule";

const LIST: &str = "SELECT * FROM schedules ORDER BY schedule";

pub(super) const DUE: &str =
    "SELECT * FROM schedules WHERE due_at <= :now ORDER BY due_at, schedule LIMIT :limit";

pub(super) const NEXT_DUE: &str = "SELECT min(due_at) FROM schedules WHERE due_at > :now";

/// The plan must be the one that the firing was made from; by hand, only the message must be.
const PLANNED: &str = "SELECT session, body, due_at FROM schedules
    WHERE schedule = :schedule AND revision = :revision AND (:due_at IS NULL OR due_at = :due_at)";

const RECORD: &str = "UPDATE schedules SET due_at = :due_at, last_at = :now, last_outcome = :outcome,
        last_run = coalesce(:run, last_run)
    WHERE schedule = :schedule";

/// What a firing finds.
struct Planned {
    session: SessionKey,
    body: Vec<u8>,
    due_at: Option<i64>,
}

pub(super) async fn put(
    writer: &Writer,
    schedule: &Schedule,
    replaces: Option<i64>,
) -> Result<Option<i64>, Error> {
    let schedule = schedule.clone();
    writer.write(move |tx| put_in(tx, &schedule, replaces)).await
}

fn put_in(tx: &Tx<'_>, schedule: &Schedule, replaces: Option<i64>) -> rusqlite::Result<Option<i64>> {
    if let Some(revision) = replaces {
        let params = named_params! { ":schedule": schedule.id.as_str(), ":revision": revision };
        if !tx.connection.prepare_cached(STANDS)?.exists(params)? {
            return Ok(None);
        }
    }
    let revision = next_epoch(tx)?.0;
    let params = named_params! {
        ":schedule": schedule.id.as_str(), ":revision": revision, ":session": schedule.session.as_str(),
        ":spec": schedule.spec, ":body": schedule.body, ":due_at": schedule.due_at,
    };
    tx.connection.prepare_cached(PUT)?.execute(params)?;
    Ok(Some(revision))
}

pub(super) async fn remove(writer: &Writer, id: &ScheduleId) -> Result<bool, Error> {
    let id = id.clone();
    writer.write(move |tx| remove_in(tx, &id)).await
}

fn remove_in(tx: &Tx<'_>, id: &ScheduleId) -> rusqlite::Result<bool> {
    let params = named_params! { ":schedule": id.as_str() };
    Ok(tx.connection.prepare_cached(REMOVE)?.execute(params)? > 0)
}

pub(super) fn list(connection: &Connection) -> rusqlite::Result<Vec<ScheduleView>> {
    connection.prepare_cached(LIST)?.query_map([], view)?.collect()
}

pub(super) fn due(connection: &Connection, now: i64, limit: usize) -> rusqlite::Result<Due> {
    let params = named_params! { ":now": now, ":limit": bound(limit) };
    let schedules = connection.prepare_cached(DUE)?.query_map(params, view)?.collect::<Result<_, _>>()?;
    let params = named_params! { ":now": now };
    let next_at = connection.prepare_cached(NEXT_DUE)?.query_row(params, |r| r.get(0))?;
    Ok(Due { now, schedules, next_at })
}

fn view(r: &Row<'_>) -> rusqlite::Result<ScheduleView> {
    let schedule = Schedule {
        id: ScheduleId::from(r.get::<_, String>("schedule")?),
        session: row::session_key(r, "session")?,
        spec: r.get("spec")?,
        body: r.get("body")?,
        due_at: r.get("due_at")?,
    };
    let last = match (r.get("last_at")?, r.get("last_outcome")?) {
        (Some(at), Some(code)) => {
            let run = r.get::<_, Option<[u8; 16]>>("last_run")?.map(RunId::from_bytes);
            Some(LastFiring { at, outcome: FiringOutcome::from_code(code), run })
        }
        _ => None,
    };
    Ok(ScheduleView { schedule, revision: r.get("revision")?, last })
}

pub(super) async fn fire(writer: &Writer, firing: &Firing) -> Result<Fired, Error> {
    let firing = firing.clone();
    writer.write(move |tx| fire_in(tx, &firing)).await
}

fn fire_in(tx: &Tx<'_>, firing: &Firing) -> rusqlite::Result<Fired> {
    let Some(planned) = find_planned(tx, firing)? else { return Ok(Fired::Stale) };
    let message = Accept {
        session: planned.session,
        message: firing.message,
        dedupe: Some(firing.key()),
        fingerprint: 0,
        body: planned.body,
        cap: firing.cap,
        claim_for: None,
    };
    let fired = match accept_in(tx, SessionId::of(&message.session), &message)? {
        Accepted::New { seq, .. } => Fired::Accepted { message: firing.message, seq },
        Accepted::Duplicate { message, seq, .. } => Fired::Accepted { message, seq },
        Accepted::Full { waiting } => Fired::Skipped { waiting },
    };
    move_on(tx, firing, planned.due_at, &fired)?;
    Ok(fired)
}

fn find_planned(tx: &Tx<'_>, firing: &Firing) -> rusqlite::Result<Option<Planned>> {
    let params = named_params! {
        ":schedule": firing.schedule.as_str(), ":revision": firing.revision,
        ":due_at": firing.tick.map(|tick| tick.due_at),
    };
    let read = |r: &Row<'_>| {
        Ok(Planned {
            session: row::session_key(r, "session")?,
            body: r.get("body")?,
            due_at: r.get("due_at")?,
        })
    };
    tx.connection.prepare_cached(PLANNED)?.query_row(params, read).optional()
}

/// Plans what comes next, and records what became of this firing.
fn move_on(tx: &Tx<'_>, firing: &Firing, due_at: Option<i64>, fired: &Fired) -> rusqlite::Result<()> {
    let (outcome, run) = match fired {
        Fired::Accepted { message, .. } => (FiringOutcome::Accepted, Some(*message.as_bytes())),
        _ if firing.cap == 0 => (FiringOutcome::Missed, None),
        _ => (FiringOutcome::Full, None),
    };
    let due_at = match (&firing.tick, outcome) {
        (None, _) => due_at,
        (Some(tick), FiringOutcome::Full) => tick.if_full,
        (Some(tick), FiringOutcome::Accepted) if tick.next == Next::Remove => {
            return remove_in(tx, &firing.schedule).map(drop);
        }
        (Some(tick), _) => tick.next.due_at(),
    };
    let params = named_params! {
        ":schedule": firing.schedule.as_str(), ":due_at": due_at, ":now": tx.now, ":outcome": outcome.code(),
        ":run": run,
    };
    tx.connection.prepare_cached(RECORD)?.execute(params).map(drop)
}
