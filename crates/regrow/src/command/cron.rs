//! `regrow cron`: schedules, kept in the store; no gateway needs to run, but what is due fires only while one does.

mod add;
mod show;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use regrow_agent::schedule::{Job, zone};
use regrow_protocol::RunId;
use regrow_store::{Fired, Firing, Schedule, ScheduleView, Store};

use crate::cli::{Common, Cron, Which};
use crate::state::State;
use crate::wiring;

pub(super) async fn run(common: &Common, command: Cron) -> anyhow::Result<ExitCode> {
    let state = State::open(common)?;
    let store = wiring::store(&state, Duration::ZERO).await?;
    match command {
        Cron::Add(options) => add::add(&state, &*store, &options).await?,
        Cron::List { json } => show::list(&state, &*store, json).await?,
        Cron::Run(which) => fire(&state, &*store, &which).await?,
        Cron::Remove(which) => remove(&*store, &which).await?,
        Cron::Enable(which) => plan(&*store, &which, true).await?,
        Cron::Disable(which) => plan(&*store, &which, false).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The time zone of whoever does not say another one.
fn default_zone(state: &State) -> anyhow::Result<String> {
    let configured = state.config.agents.defaults.user_timezone.clone();
    let name = configured.unwrap_or_else(|| "UTC".to_owned());
    zone(&name).context("agents.defaults.userTimezone")?;
    Ok(name)
}

/// The store's time.
async fn now(store: &dyn Store) -> anyhow::Result<i64> {
    Ok(store.due_schedules(0).await?.now)
}

async fn find(store: &dyn Store, Which { id }: &Which) -> anyhow::Result<ScheduleView> {
    let mut all = store.list_schedules().await?;
    if let Some(at) = all.iter().position(|view| view.schedule.id.as_str() == id) {
        return Ok(all.swap_remove(at));
    }
    all.retain(|view| read(&view.schedule).is_ok_and(|job| job.name == *id));
    match (all.pop(), all.len()) {
        (Some(view), 0) => Ok(view),
        (None, _) => bail!("there is no schedule `{id}`; list them with: regrow cron list"),
        (Some(_), others) => {
            bail!("{} schedules are called `{id}`; say the id: regrow cron list", others + 1)
        }
    }
}

/// What stands in a schedule.
fn read(schedule: &Schedule) -> anyhow::Result<Job> {
    serde_json::from_str(&schedule.spec)
        .with_context(|| format!("the schedule {} was written by a newer release", schedule.id))
}

/// Fires now. The key is of this firing alone, so it never takes the place of a tick.
async fn fire(state: &State, store: &dyn Store, which: &Which) -> anyhow::Result<()> {
    let view = find(store, which).await?;
    let firing = Firing {
        schedule: view.schedule.id.clone(),
        revision: view.revision,
        tick: None,
        message: RunId::new(),
        cap: wiring::max_queued(&state.config),
    };
    let session = &view.schedule.session;
    match store.fire(&firing).await? {
        Fired::Accepted { message, .. } => {
            println!("{message} in {session}; see it with: regrow runs show {message}")
        }
        Fired::Skipped { waiting } => {
            bail!("{waiting} messages of {session} are waiting already; try again later")
        }
        Fired::Stale => bail!("{} was changed or removed at the same time; try again", view.schedule.id),
    }
    Ok(())
}

async fn remove(store: &dyn Store, which: &Which) -> anyhow::Result<()> {
    let id = find(store, which).await?.schedule.id;
    store.remove_schedule(&id).await?;
    println!("{id} is removed");
    Ok(())
}

/// Enables or disables.
async fn plan(store: &dyn Store, which: &Which, enabled: bool) -> anyhow::Result<()> {
    let view = find(store, which).await?;
    let (id, mut job) = (&view.schedule.id, read(&view.schedule)?);
    if job.enabled == enabled {
        println!("{id} is {} already", word(enabled));
        return Ok(());
    }
    let now = now(store).await?;
    let due_at = if enabled { job.schedule.next_after(now)? } else { None };
    if enabled && due_at.is_none() {
        bail!("the time of {id} has passed; add a new schedule: regrow cron add");
    }
    (job.enabled, job.updated_at_ms) = (enabled, now);
    let changed = Schedule { spec: serde_json::to_string(&job)?, due_at, ..view.schedule.clone() };
    if store.put_schedule(&changed, Some(view.revision)).await?.is_none() {
        bail!("{id} was changed or removed at the same time; try again");
    }
    println!("{id} is {}", word(enabled));
    Ok(())
}

fn word(enabled: bool) -> &'static str {
    if enabled { "enabled" } else { "disabled" }
}
