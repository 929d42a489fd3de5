//! Schedules: what is due, and firing a tick once. See [`crate::schedule`] for how.

use regrow_protocol::{RunId, ScheduleId, SessionId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::accept::{self, Message};
use super::failure::Failure;
use super::links::{Links, Open, Param};
use super::row;
use crate::{
    Accept, Accepted, Due, Error, Fired, Firing, FiringOutcome, LastFiring, Next, Schedule, ScheduleView,
};

/// What became of earlier firings stays when a schedule is replaced. With `$6`, only that revision is.
pub(super) const PUT: &str =
    "INSERT INTO regrow.schedules AS t (schedule, revision, session, spec, body, due_at)
    SELECT $1, nextval('regrow.fence'), $2, $3, $4, $5 WHERE $6::int8 IS NULL
        OR EXISTS (SELECT FROM regrow.schedules WHERE schedule = $1 AND revision = $6)
    ON CONFLICT (schedule) DO UPDATE SET revision = EXCLUDED.revision, session = EXCLUDED.session,
        spec = EXCLUDED.spec, body = EXCLUDED.body, due_at = EXCLUDED.due_at
    WHERE $6 IS NULL OR t.revision = $6
    RETURNING revision";

pub(super) const REMOVE: &str = "DELETE FROM regrow.schedules WHERE schedule = $1 RETURNING schedule";

/// Here and elsewhere columns have names: a prepared statement that asks for all of them fails once a newer release adds one.
pub(super) const LIST: &str =
    "SELECT schedule, revision, session, spec, body, due_at, last_at, last_outcome, last_run
    FROM regrow.schedules ORDER BY schedule COLLATE \"C\"";

/// The server's time, what is due by it, and when the next one is.
pub(super) const DUE: &str =
    "WITH clock AS MATERIALIZED (SELECT (extract(epoch FROM now()) * 1000)::int8 AS now),
due AS (
    SELECT schedule, revision, session, spec, body, due_at, last_at, last_outcome, last_run
    FROM regrow.schedules s WHERE s.due_at <= (SELECT now FROM clock)
    ORDER BY s.due_at, s.schedule COLLATE \"C\" LIMIT $1)
SELECT due.*, clock.now,
    (SELECT min(n.due_at) FROM regrow.schedules n WHERE n.due_at > (SELECT now FROM clock)) AS next_at
FROM clock LEFT JOIN due ON true ORDER BY due.due_at, due.schedule COLLATE \"C\"";

/// The plan must be the one that the firing was made from; by hand, only the message must be.
pub(super) const PLANNED: &str =
    "SELECT session, body, due_at, (extract(epoch FROM now()) * 1000)::int8 AS now
    FROM regrow.schedules
    WHERE schedule = $1 AND revision = $2 AND ($3::int8 IS NULL OR due_at = $3) FOR UPDATE";

pub(super) const RECORD: &str = "UPDATE regrow.schedules SET due_at = $2, last_at = $3, last_outcome = $4,
        last_run = coalesce($5, last_run)
    WHERE schedule = $1";

pub(super) async fn put(
    links: &Links,
    schedule: &Schedule,
    replaces: Option<i64>,
) -> Result<Option<i64>, Error> {
    let (spec, body) = (row::text(&schedule.spec), schedule.body.as_slice());
    let params: [Param<'_>; 6] =
        [&schedule.id.as_str(), &schedule.session.as_str(), &spec, &body, &schedule.due_at, &replaces];
    let put = links.query_opt(PUT, &params).await?;
    Ok(put.map(|r| r.try_get("revision")).transpose().map_err(Failure::from)?)
}

pub(super) async fn remove(links: &Links, id: &ScheduleId) -> Result<bool, Error> {
    Ok(links.query_opt(REMOVE, &[&id.as_str()]).await?.is_some())
}

pub(super) async fn list(links: &Links) -> Result<Vec<ScheduleView>, Error> {
    let rows = links.query(LIST, &[]).await?;
    Ok(rows.iter().map(view).collect::<Result<_, Failure>>()?)
}

pub(super) async fn due(links: &Links, limit: usize) -> Result<Due, Error> {
    Ok(read_due(&links.query(DUE, &[&row::bound(limit)]).await?)?)
}

fn read_due(rows: &[Row]) -> Result<Due, Failure> {
    let mut due = Due { now: 0, schedules: Vec::new(), next_at: None };
    for r in rows {
        (due.now, due.next_at) = (r.try_get("now")?, r.try_get("next_at")?);
        // One row without a schedule: nothing is due.
        if r.try_get::<_, Option<&str>>("schedule")?.is_some() {
            due.schedules.push(view(r)?);
        }
    }
    Ok(due)
}

fn view(r: &Row) -> Result<ScheduleView, Failure> {
    let schedule = Schedule {
        id: ScheduleId::from(r.try_get::<_, String>("schedule")?),
        session: row::session_key(r, "session")?,
        spec: r.try_get("spec")?,
        body: r.try_get("body")?,
        due_at: r.try_get("due_at")?,
    };
    let last = match (r.try_get("last_at")?, r.try_get::<_, Option<i16>>("last_outcome")?) {
        (Some(at), Some(code)) => {
            let run = r.try_get::<_, Option<Uuid>>("last_run")?.map(|id| RunId::from_bytes(id.into_bytes()));
            Some(LastFiring {
                at,
                outcome: FiringOutcome::from_code(u8::try_from(code).unwrap_or(u8::MAX)),
                run,
            })
        }
        _ => None,
    };
    Ok(ScheduleView { schedule, revision: r.try_get("revision")?, last })
}

/// Fires, and says whether the session now waits for somebody to claim it.
pub(super) async fn fire(links: &Links, firing: &Firing) -> Result<(Fired, bool), Error> {
    // Another firing may accept a message of the same key at the same time; the next try sees it.
    let mut tries = 1;
    loop {
        match fire_once(links, firing).await {
            Err(failure) if failure.is_collision() && tries < 4 => tries += 1,
            fired => return Ok(fired?),
        }
    }
}

async fn fire_once(links: &Links, firing: &Firing) -> Result<(Fired, bool), Failure> {
    let open = links.begin().await?;
    let due_at = firing.tick.map(|tick| tick.due_at);
    let plan = open.query_opt(PLANNED, &[&firing.schedule.as_str(), &firing.revision, &due_at]).await?;
    let Some(plan) = plan else {
        open.commit().await?;
        return Ok((Fired::Stale, false));
    };
    let asked = Accept {
        session: row::session_key(&plan, "session")?,
        message: firing.message,
        dedupe: Some(firing.key()),
        fingerprint: 0,
        body: plan.try_get("body")?,
        cap: firing.cap,
        claim_for: None,
    };
    let message = Message { session: SessionId::of(&asked.session), asked };
    let answer = accept::accept(&open, &[&message]).await?.pop();
    let (accepted, is_ready) =
        answer.map_or((Accepted::Full { waiting: 0 }, false), |answer| (answer.accepted, answer.is_ready));
    let fired = match accepted {
        Accepted::New { seq, .. } => Fired::Accepted { message: firing.message, seq },
        Accepted::Duplicate { message, seq, .. } => Fired::Accepted { message, seq },
        Accepted::Full { waiting } => Fired::Skipped { waiting },
    };
    move_on(&open, firing, plan.try_get("due_at")?, plan.try_get("now")?, &fired).await?;
    open.commit().await?;
    Ok((fired, is_ready))
}

/// Plans what comes next, and records what became of this firing.
async fn move_on(
    open: &Open,
    firing: &Firing,
    due_at: Option<i64>,
    now: i64,
    fired: &Fired,
) -> Result<(), Failure> {
    let (outcome, run) = match fired {
        Fired::Accepted { message, .. } => (FiringOutcome::Accepted, Some(row::of_run(*message))),
        _ if firing.cap == 0 => (FiringOutcome::Missed, None),
        _ => (FiringOutcome::Full, None),
    };
    let schedule = firing.schedule.as_str();
    let due_at = match (&firing.tick, outcome) {
        (None, _) => due_at,
        (Some(tick), FiringOutcome::Full) => tick.if_full,
        (Some(tick), FiringOutcome::Accepted) if tick.next == Next::Remove => {
            open.query_opt(REMOVE, &[&schedule]).await?;
            return Ok(());
        }
        (Some(tick), _) => tick.next.due_at(),
    };
    open.query_opt(RECORD, &[&schedule, &due_at, &now, &i16::from(outcome.code()), &run]).await?;
    Ok(())
}
