//! Firing schedules: every replica that runs looks for what is due, and the store lets one of them fire a tick.
//!
//! A firing needs no lease and no leader, so any replica may be lost at any time: another one fires the tick within
//! about a second. What cannot be fired is logged and tried again, and holds nothing else up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use regrow_agent::schedule::{Job, plan};
use regrow_protocol::{RunId, ScheduleId};
use regrow_store::{Due, Error, Fired, Firing, Next, ScheduleView, Tick};

use crate::worker::Inner;

/// The pause between two looks, unless something is known to be due earlier. New schedules are noticed within it.
const POLL: Duration = Duration::from_secs(1);

/// Replicas that know of the same tick do not all wake at the same moment.
const SPREAD: Duration = Duration::from_millis(50);

/// Schedules that are fired at once.
const BATCH: usize = 64;

/// How long a schedule is left alone that cannot be fired as it is.
const REST: Duration = Duration::from_secs(60);

/// Schedules that cannot be fired as they are, by the revision that cannot, and until when they are left alone.
type Resting = HashMap<(ScheduleId, i64), Instant>;

/// Starts to look for what is due.
pub(crate) fn start(worker: &Arc<Inner>) {
    if worker.options.runs {
        worker.tasks.spawn(fire_until_drained(Arc::clone(worker)));
    }
}

async fn fire_until_drained(worker: Arc<Inner>) {
    let mut phase = worker.phase.subscribe();
    let mut resting = Resting::new();
    while !worker.is_draining() {
        let pause = match worker.store.due_schedules(BATCH + resting.len()).await {
            Ok(due) => fire_due(&worker, due, &mut resting).await,
            Err(error) => {
                tracing::warn!(%error, "cannot look for schedules that are due; trying again");
                poll()
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = phase.changed() => {}
        }
    }
}

fn poll() -> Duration {
    POLL.mul_f64(0.75 + fastrand::f64() / 2.0)
}

/// Fires what is due, and returns how long there is nothing to do.
async fn fire_due(worker: &Arc<Inner>, due: Due, resting: &mut Resting) -> Duration {
    let looked = Instant::now();
    resting.retain(|_, until| *until > looked);
    let more = due.schedules.len() >= BATCH + resting.len();
    let mut tasks = Vec::new();
    for view in due.schedules {
        let name = (view.schedule.id.clone(), view.revision);
        if !resting.contains_key(&name) {
            // A task of its own: a defect that one schedule meets ends nothing else.
            tasks.push((name, worker.tasks.spawn(fire(Arc::clone(worker), view, due.now))));
        }
    }
    let (mut next_at, mut failed) = (due.next_at, false);
    for (name, task) in tasks {
        let fired = task.await.unwrap_or_else(|defect| Err(Error::Unusable(defect.to_string())));
        match fired {
            Ok(next) => next_at = [next_at, next].into_iter().flatten().min(),
            Err(error) => {
                tracing::error!(schedule.id = %name.0, %error, "a schedule cannot be fired; it is tried again");
                failed = true;
                if !error.is_retryable() {
                    resting.insert(name, Instant::now() + REST);
                }
            }
        }
    }
    if more && !failed {
        return Duration::ZERO;
    }
    let until_next = next_at.map_or(POLL, |at| Duration::from_millis((at - due.now).max(0).unsigned_abs()));
    (until_next.saturating_sub(looked.elapsed()) + SPREAD.mul_f64(fastrand::f64())).min(poll())
}

/// Fires one tick, and returns when the schedule is due next, if that is known here.
async fn fire(worker: Arc<Inner>, view: ScheduleView, now: i64) -> Result<Option<i64>, Error> {
    let Some(firing) = firing(&worker, &view, now)? else { return Ok(None) };
    let (id, session) = (&view.schedule.id, &view.schedule.session);
    match worker.store.fire(&firing).await? {
        Fired::Accepted { message, .. } => {
            tracing::info!(schedule.id = %id, session.key = %session, run.id = %message, "a schedule has fired");
            Ok(firing.tick.and_then(|tick| tick.next.due_at()))
        }
        Fired::Skipped { waiting } => {
            tracing::warn!(
                schedule.id = %id, session.key = %session, waiting, missed = firing.cap == 0,
                "a tick of a schedule was skipped"
            );
            Ok(firing.tick.and_then(|tick| tick.if_full))
        }
        Fired::Stale => Ok(None),
    }
}

/// What is to become of the tick that is due.
fn firing(worker: &Inner, view: &ScheduleView, now: i64) -> Result<Option<Firing>, Error> {
    let schedule = &view.schedule;
    let Some(due_at) = schedule.due_at else { return Ok(None) };
    let job: Job = serde_json::from_str(&schedule.spec).map_err(|e| {
        Error::Unusable(format!("it cannot be read; a newer release may have written it: {e}"))
    })?;
    let present = worker.present.get();
    if !present.settings.agents.contains_key(schedule.session.agent()) {
        return Err(Error::Unusable(format!("there is no agent `{}` here", schedule.session.agent())));
    }
    let plan = plan(&job, due_at, now).map_err(|e| Error::Unusable(e.to_string()))?;
    let next = match plan.next {
        Some(at) => Next::At(at),
        None if job.delete_after_run => Next::Remove,
        None => Next::Never,
    };
    Ok(Some(Firing {
        schedule: schedule.id.clone(),
        revision: view.revision,
        tick: Some(Tick { due_at, next, if_full: plan.if_full }),
        message: RunId::new(),
        cap: if plan.fire { present.settings.max_queued } else { 0 },
    }))
}
