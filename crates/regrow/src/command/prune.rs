//! `regrow prune`: deletes what was kept long enough, or counts it; no gateway needs to run, and running ones may.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use regrow_store::{Pruned, Retention, Store};

use crate::cli::{Common, Prune};
use crate::config::RetentionConfig;
use crate::state::State;
use crate::{table, wiring};

/// Runs and entries of one step.
const STEP: usize = 500;

/// The shortest pause after a step; it is at least as long as the step, so that running replicas get at the store.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) async fn run(common: &Common, options: &Prune) -> anyhow::Result<ExitCode> {
    let state = State::open(common)?;
    let store = wiring::store(&state, Duration::ZERO).await?;
    let policy = wiring::retention(&chosen(&state.config.regrow.retention, options));
    let pruned =
        if options.dry_run { store.prunable(&policy).await? } else { delete(&*store, &policy).await? };
    if options.json {
        println!(
            "{}",
            serde_json::json!({
                "dryRun": options.dry_run, "runs": pruned.runs, "sessions": pruned.sessions,
                "entries": pruned.entries,
            })
        );
    } else {
        let title = if options.dry_run { "WOULD BE DELETED" } else { "DELETED" };
        let row = |what: &str, count: u64| [what.to_owned(), count.to_string()];
        table::print(
            [title, ""],
            &[
                row("runs, with their keys", pruned.runs),
                row("conversations", pruned.sessions),
                row("entries of logs", pruned.entries),
            ],
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The command line goes before the configuration.
fn chosen(configured: &RetentionConfig, options: &Prune) -> RetentionConfig {
    RetentionConfig {
        keys_days: options.keys_days.unwrap_or(configured.keys_days),
        sessions_days: options.sessions_days.or(configured.sessions_days),
        history_days: options.history_days.or(configured.history_days),
    }
}

/// Deletes step by step, and tells a terminal how far it is.
async fn delete(store: &dyn Store, policy: &Retention) -> anyhow::Result<Pruned> {
    let mut all = Pruned::default();
    let mut err = std::io::stderr();
    let shows = err.is_terminal();
    loop {
        let began = Instant::now();
        all += store.prune(policy, STEP).await?;
        if shows {
            let Pruned { runs, sessions, entries, .. } = all;
            // Nobody reading this is no reason to stop.
            let _ = write!(err, "\r{runs} runs, {sessions} conversations, {entries} entries");
        }
        if !all.more {
            break;
        }
        tokio::time::sleep(began.elapsed().max(PAUSE)).await;
    }
    if shows {
        let _ = writeln!(err);
    }
    Ok(all)
}
