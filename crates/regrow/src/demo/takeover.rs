//! How long a takeover takes: from the moment before a replica is killed until the store says that another replica
//! drives the run, or has ended it. The store is asked, not a reader, so nothing of a client's pauses is in it.

use std::time::{Duration, Instant};

use anyhow::Context;
use regrow_protocol::{Epoch, ReplicaId, RunId};
use regrow_store::{RunEnd, RunState, RunView, Store};

/// The pause between two looks. There are few runs, and a look is a read.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// When to give up; what has not moved by then is found among the unanswered.
const PATIENCE: Duration = Duration::from_secs(20);

/// The most runs that are looked through for those of a replica. Those that have not ended are the latest.
const RUNS: usize = 400;

/// A run whose replica was killed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Orphan {
    run: RunId,
    /// The lease under which the dead replica drove it.
    epoch: Epoch,
}

/// The runs that the store says a replica drives.
pub(super) async fn driven_by(store: &dyn Store, replica: ReplicaId) -> anyhow::Result<Vec<Orphan>> {
    let runs = store.list_runs(None, RUNS).await.context("cannot list the runs")?;
    let of = |view: RunView| match view.state {
        RunState::Running { replica: owner, epoch, .. } if owner == replica => {
            Some(Orphan { run: view.run, epoch })
        }
        _ => None,
    };
    Ok(runs.into_iter().filter_map(of).collect())
}

/// Waits until each run has a new owner, and calls `on_moved` with the time since `killed` for each. A run that the dead
/// replica had just ended itself is no takeover.
pub(super) async fn watch(
    store: &dyn Store,
    mut orphans: Vec<Orphan>,
    killed: Instant,
    mut on_moved: impl FnMut(Duration),
) -> anyhow::Result<()> {
    while !orphans.is_empty() && killed.elapsed() < PATIENCE {
        let mut left = Vec::new();
        for orphan in orphans {
            match find(store, orphan).await? {
                Fate::Waits => left.push(orphan),
                Fate::Moved => on_moved(killed.elapsed()),
                Fate::EndedBefore => {}
            }
        }
        orphans = left;
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

enum Fate {
    Waits,
    Moved,
    EndedBefore,
}

async fn find(store: &dyn Store, orphan: Orphan) -> anyhow::Result<Fate> {
    let view = store.find_run(orphan.run).await.context("cannot find a run")?;
    let view = view.with_context(|| format!("the store has lost the run {}", orphan.run))?;
    Ok(match &view.state {
        RunState::Running { epoch, .. } if *epoch > orphan.epoch => Fate::Moved,
        RunState::Running { .. } | RunState::Queued { .. } => Fate::Waits,
        RunState::Ended(end) if ended_under(store, &view, end).await? > orphan.epoch => Fate::Moved,
        RunState::Ended(_) => Fate::EndedBefore,
    })
}

/// The lease under which a run's last entry was written.
async fn ended_under(store: &dyn Store, view: &RunView, end: &RunEnd) -> anyhow::Result<Epoch> {
    let entries = store.read_log(view.session, end.log_head - 1, 1).await.context("cannot read a log")?;
    let last = entries.first().with_context(|| format!("the end of {} is not in its log", view.run))?;
    Ok(last.epoch)
}
