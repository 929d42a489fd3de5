//! Bringing all work to an end, and looking at what is there then.

use std::sync::Arc;

use regrow_protocol::{EntryKind, Epoch, ReplicaId, SessionId};
use regrow_store::{Beat, Claimed, Finish, RunStatus, Store, WriteError};

use super::harness::Harness;
use super::history::{History, Outcome};
use super::scene::{entry, joined, step};

/// Entries of a run before its end.
const STEPS: usize = 2;

/// Rounds without an end after which a store is taken to be stuck.
const PATIENCE: usize = 40;

/// The end of a run: its final entry holds the position of the message that it answers.
pub(crate) fn answer(claimed: &Claimed, keep: bool) -> Finish {
    Finish {
        entries: vec![entry(EntryKind::Final, &claimed.message.seq.to_string())],
        status: RunStatus::Done,
        error: None,
        usage: "{}".to_owned(),
        keep,
    }
}

/// Drives a run as a worker does: continue behind what the log holds, then end it. Returns the next lease, if any.
pub(crate) async fn drive(
    store: &dyn Store,
    history: &History,
    claimed: &mut Claimed,
    hold: impl Fn(&Claimed) + Send,
) -> Result<Option<Claimed>, WriteError> {
    let log = store.read_log(claimed.session(), claimed.run_base, usize::MAX).await?;
    for n in log.len()..STEPS {
        let (head, steps) = (claimed.head(), [step(&format!("step {n}"))]);
        store.append(claimed, &steps, None).await?;
        history.wrote(claimed.session(), head, &steps);
        hold(claimed);
    }
    let finish = answer(claimed, true);
    let finished = store.finish(claimed, &finish).await?;
    history.wrote(claimed.session(), claimed.head(), &finish.entries);
    history.ended(claimed.run);
    Ok(finished.next.map(|next| *next))
}

/// Gives back what a replica, that drives nothing now, owns without knowing. Says whether the replica still exists.
pub(crate) async fn audit(store: &dyn Store, replica: ReplicaId) -> Result<bool, regrow_store::Error> {
    let Beat::Alive { lanes } = store.heartbeat(replica).await? else { return Ok(false) };
    let leaked: Vec<(SessionId, Epoch)> = lanes.iter().map(|lane| (lane.session, lane.epoch)).collect();
    store.disown(replica, &leaked).await?;
    Ok(true)
}

/// All replicas but a new one die; the new one ends every run.
pub(crate) async fn quiesce<H: Harness>(harness: &H, store: &Arc<dyn Store>, history: &History) {
    for replica in store.list_replicas().await.unwrap() {
        harness.lapse(replica.id).await;
    }
    store.reap().await.unwrap();
    let replica = joined(&**store).await;
    let mut idle = 0;
    while idle < PATIENCE {
        let claimed = store.claim(replica, 8).await.unwrap();
        let load = store.load().await.unwrap();
        if claimed.is_empty() && load.ready == 0 && load.running == 0 {
            return;
        }
        let before = waiting(&**store).await;
        for claimed in claimed {
            let mut next = Some(claimed);
            while let Some(mut claimed) = next {
                // A broken store may refuse what it granted; the check will tell.
                next = drive(&**store, history, &mut claimed, |_| ()).await.ok().flatten();
            }
        }
        audit(&**store, replica).await.unwrap();
        idle = if waiting(&**store).await < before { 0 } else { idle + 1 };
    }
}

async fn waiting(store: &dyn Store) -> i64 {
    store.list_sessions(usize::MAX).await.unwrap().iter().map(|session| session.waiting).sum()
}

pub(crate) async fn observe(store: &dyn Store) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for view in store.list_sessions(usize::MAX).await.unwrap() {
        let log = store.read_log(view.id, 0, usize::MAX).await.unwrap();
        let runs = store.list_runs(Some(view.id), usize::MAX).await.unwrap();
        outcomes.push(Outcome { view, log, runs });
    }
    outcomes
}
