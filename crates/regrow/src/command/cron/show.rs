//! Schedules for people and programs: next times in the schedule's zone, and what became of the last one.

use jiff::Timestamp;
use regrow_agent::schedule::{Job, Timing, zone};
use regrow_store::{FiringOutcome, RunState, RunStatus, ScheduleView, Store};
use serde_json::{Value, json};

use crate::state::State;
use crate::table;

pub(super) async fn list(state: &State, store: &dyn Store, as_json: bool) -> anyhow::Result<()> {
    let (default_zone, mut rows) = (super::default_zone(state)?, Vec::new());
    for view in store.list_schedules().await? {
        let run = match view.last.and_then(|last| last.run) {
            Some(run) => store.find_run(run).await?.map(|run| run.state),
            None => None,
        };
        if as_json {
            println!("{}", json(&view, run.as_ref()));
        } else {
            rows.push(row(&view, run.as_ref(), &default_zone)?);
        }
    }
    if !as_json {
        table::print(["ID", "NAME", "SCHEDULE", "NEXT", "LAST", "STATUS", "SESSION"], &rows);
    }
    Ok(())
}

fn row(view: &ScheduleView, run: Option<&RunState>, default_zone: &str) -> anyhow::Result<[String; 7]> {
    let (id, session) = (view.schedule.id.to_string(), view.schedule.session.to_string());
    let Ok(job) = super::read(&view.schedule) else {
        let unreadable = "written by a newer release".to_owned();
        return Ok([
            id,
            String::new(),
            unreadable,
            String::new(),
            String::new(),
            "unknown".to_owned(),
            session,
        ]);
    };
    let shown = |at: Option<i64>| at.map_or(Ok("-".to_owned()), |at| moment(&job, at, default_zone));
    let next = shown(view.schedule.due_at)?;
    let last = shown(view.last.map(|last| last.at))?;
    Ok([
        id,
        job.name.clone(),
        times(&job.schedule),
        next,
        last,
        status(view, Some(&job), run).to_owned(),
        session,
    ])
}

/// A schedule as OpenClaw's JSON of a job. `run` is where its last run stands.
pub(super) fn json(view: &ScheduleView, run: Option<&RunState>) -> Value {
    let job = super::read(&view.schedule).ok();
    let mut object: Value = serde_json::from_str(&view.schedule.spec).unwrap_or_else(|_| json!({}));
    object["id"] = view.schedule.id.as_str().into();
    object["sessionKey"] = view.schedule.session.as_str().into();
    object["status"] = status(view, job.as_ref(), run).into();
    object["state"] = json!({});
    if let Some(at) = view.schedule.due_at {
        object["state"]["nextRunAtMs"] = at.into();
    }
    if let Some(last) = view.last {
        object["state"]["lastRunAtMs"] = last.at.into();
        object["state"]["lastRunStatus"] = last_status(last.outcome, run).into();
        object["state"]["lastRunId"] = last.run.map(|run| run.to_string()).into();
    }
    object
}

/// The word for the whole: as OpenClaw says it, from the plan and the last firing.
fn status(view: &ScheduleView, job: Option<&Job>, run: Option<&RunState>) -> &'static str {
    match (job, view.last) {
        (None, _) => "unknown",
        (Some(job), _) if !job.enabled => "disabled",
        (Some(_), None) => "idle",
        (Some(_), Some(last)) => last_status(last.outcome, run),
    }
}

fn last_status(outcome: FiringOutcome, run: Option<&RunState>) -> &'static str {
    match (outcome, run) {
        (FiringOutcome::Full | FiringOutcome::Missed, _) => "skipped",
        (FiringOutcome::Accepted, Some(RunState::Ended(end))) if end.status == RunStatus::Done => "ok",
        (FiringOutcome::Accepted, Some(RunState::Ended(_))) => "error",
        (FiringOutcome::Accepted, _) => "running",
    }
}

/// The times of a schedule in words.
pub(super) fn times(timing: &Timing) -> String {
    match timing {
        Timing::At { at } => format!("at {at}"),
        Timing::Every { every_ms, .. } => format!("every {}", duration(*every_ms)),
        Timing::Cron { expr, tz } => format!("cron {expr} ({})", tz.as_deref().unwrap_or("UTC")),
    }
}

/// The largest unit that leaves no rest.
fn duration(ms: i64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let unit = units.iter().find(|(_, unit)| ms % unit == 0);
    unit.map_or_else(|| format!("{ms}ms"), |(name, unit)| format!("{}{name}", ms / unit))
}

/// A moment in the schedule's zone.
pub(super) fn moment(job: &Job, at: i64, default_zone: &str) -> anyhow::Result<String> {
    let name = match &job.schedule {
        Timing::Cron { tz: Some(tz), .. } => tz,
        _ => default_zone,
    };
    // A zone that this machine does not know, of a schedule that was made on another one.
    let zone = zone(name).unwrap_or(jiff::tz::TimeZone::UTC);
    Ok(Timestamp::from_millisecond(at)?.to_zoned(zone).strftime("%Y-%m-%d %H:%M:%S %Q").to_string())
}
