//! `regrow runs`: runs, read from the store; no gateway needs to run.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use regrow_protocol::RunId;
use regrow_store::{RunState, RunView, Store};

use super::sessions::{print_entry, print_json};
use crate::cli::{Common, Runs};
use crate::state::State;
use crate::{table, wiring};

/// The most steps of a run that are shown.
const STEPS: usize = 10_000;

pub(super) async fn run(common: &Common, command: Runs) -> anyhow::Result<ExitCode> {
    let state = State::open(common)?;
    let store = wiring::store(&state, Duration::ZERO).await?;
    match command {
        Runs::List(listing) => {
            let runs = store.list_runs(None, listing.limit).await?;
            if listing.json {
                runs.iter().for_each(|view| println!("{}", json(view)));
            } else {
                print(&runs);
            }
        }
        Runs::Show { run, json } => show(&*store, parse(&run)?, json).await?,
        Runs::Abort { run } => abort(&*store, parse(&run)?).await?,
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(run: &str) -> anyhow::Result<RunId> {
    let id = run.strip_prefix("chatcmpl_").unwrap_or(run);
    id.parse().with_context(|| format!("`{run}` is not a run's id; list them with: regrow runs list"))
}

/// The state's word, and what there is to say about it.
fn describe(state: &RunState) -> (&'static str, String) {
    match state {
        RunState::Queued { ahead: 0 } => ("queued", "next".to_owned()),
        RunState::Queued { ahead } => ("queued", format!("{ahead} before it")),
        RunState::Running { replica, address, epoch } => {
            ("running", format!("on {replica} at {address}, epoch {epoch}"))
        }
        RunState::Ended(end) => (end.status.as_str(), end.error.clone().unwrap_or_default()),
    }
}

fn json(view: &RunView) -> serde_json::Value {
    let (state, detail) = describe(&view.state);
    let mut object = serde_json::json!({
        "runId": view.run, "sessionKey": view.session_key, "acceptedAt": view.accepted_at, "state": state,
        "detail": detail,
    });
    if let RunState::Ended(end) = &view.state {
        object["finishedAt"] = end.finished_at.into();
        object["usage"] = serde_json::from_str(&end.usage).unwrap_or_default();
    }
    object
}

fn print(runs: &[RunView]) {
    let rows: Vec<[String; 5]> = runs
        .iter()
        .map(|view| {
            let (state, detail) = describe(&view.state);
            let accepted = table::moment(view.accepted_at);
            [view.run.to_string(), view.session_key.to_string(), state.to_owned(), accepted, detail]
        })
        .collect();
    table::print(["RUN", "SESSION", "STATE", "ACCEPTED", ""], &rows);
}

async fn find(store: &dyn Store, run: RunId) -> anyhow::Result<RunView> {
    store
        .find_run(run)
        .await?
        .with_context(|| format!("there is no run {run}; list them with: regrow runs list"))
}

async fn show(store: &dyn Store, run: RunId, as_json: bool) -> anyhow::Result<()> {
    let view = find(store, run).await?;
    if as_json {
        println!("{}", json(&view));
    } else {
        print(std::slice::from_ref(&view));
    }
    let after = match &view.state {
        RunState::Ended(end) => end.log_base,
        _ => store.find_session(view.session).await?.map_or(0, |session| session.context_base),
    };
    let entries = store.read_log(view.session, after, STEPS).await?;
    for entry in entries.iter().filter(|entry| entry.run == run) {
        if as_json { print_json(entry) } else { print_entry(entry) }
    }
    Ok(())
}

async fn abort(store: &dyn Store, run: RunId) -> anyhow::Result<()> {
    let Some(view) = store.abort(run).await? else {
        bail!("there is no run {run}; list them with: regrow runs list");
    };
    match view.state {
        RunState::Ended(end) => println!("{run} has ended already: {}", end.status.as_str()),
        _ => println!("{run} is being aborted"),
    }
    Ok(())
}
