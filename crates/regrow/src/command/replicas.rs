//! `regrow replicas`: who is alive and what each runs, read from the store; no gateway needs to run.
//!
//! What the store says is what its replicas have told it: one that hangs is listed until its lease has run out and a peer
//! has noticed.

use std::process::ExitCode;
use std::time::Duration;

use regrow_store::{ReplicaView, RunningView};
use serde_json::{Value, json};

use crate::cli::{Common, Replicas};
use crate::state::State;
use crate::{table, wiring};

/// The most runs of a replica that are shown.
const RUNS: usize = 10_000;

pub(super) async fn run(common: &Common, options: &Replicas) -> anyhow::Result<ExitCode> {
    let store = wiring::store(&State::open(common)?, Duration::ZERO).await?;
    let replicas = store.list_replicas().await?;
    let mut runs = Vec::new();
    if options.runs {
        for replica in &replicas {
            runs.extend(store.list_running(Some(replica.id), RUNS).await?);
        }
    }
    if options.json {
        replicas.iter().for_each(|view| println!("{}", json(view, options.runs.then_some(&runs))));
    } else if replicas.is_empty() {
        println!("no replica is alive; start one with: regrow");
    } else {
        print(&replicas);
        if options.runs {
            println!();
            print_runs(&runs);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn json(view: &ReplicaView, runs: Option<&Vec<RunningView>>) -> Value {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut object = json!({
        "replicaId": view.id, "version": view.version, "address": view.address, "joinedAt": view.joined_at,
        "leaseMs": ms(view.lease), "expiresInMs": ms(view.expires_in), "liveness": view.liveness.as_str(),
        "slots": view.slots, "running": view.running, "draining": view.draining,
    });
    if let Some(runs) = runs {
        let own = runs.iter().filter(|run| run.replica == view.id).map(|run| {
            json!({
                "runId": run.run, "sessionKey": run.session_key, "epoch": run.epoch.0, "since": run.since,
                "attempt": run.attempt,
            })
        });
        object["runs"] = own.collect();
    }
    object
}

fn print(replicas: &[ReplicaView]) {
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let rows: Vec<[String; 9]> = replicas
        .iter()
        .map(|view| {
            let beat = format!("{} ago", seconds(view.lease.saturating_sub(view.expires_in)));
            [
                view.id.to_string(),
                view.version.clone(),
                if view.address.is_empty() { "-".to_owned() } else { view.address.clone() },
                table::moment(view.joined_at),
                beat,
                format!("{} ({})", seconds(view.expires_in), view.liveness.as_str()),
                view.slots.to_string(),
                view.running.to_string(),
                state(view).to_owned(),
            ]
        })
        .collect();
    let header =
        ["REPLICA", "VERSION", "ADDRESS", "SINCE", "HEARTBEAT", "LEASE LEFT", "SLOTS", "RUNNING", ""];
    table::print(header, &rows);
}

fn state(view: &ReplicaView) -> &'static str {
    match (view.expires_in.is_zero(), view.draining) {
        (true, _) => "silent: its lease is over",
        (false, true) => "draining",
        (false, false) => "",
    }
}

fn print_runs(runs: &[RunningView]) {
    let rows: Vec<[String; 6]> = runs
        .iter()
        .map(|run| {
            [
                run.replica.to_string(),
                run.session_key.to_string(),
                run.run.to_string(),
                run.epoch.to_string(),
                table::moment(run.since),
                run.attempt.to_string(),
            ]
        })
        .collect();
    table::print(["REPLICA", "SESSION", "RUN", "EPOCH", "SINCE", "ATTEMPT"], &rows);
}
