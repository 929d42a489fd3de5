//! Driving a claimed session: its runs one after another, until the lease is given up.
//!
//! A run that panics ends as failed and takes nothing else with it. A run whose lease is gone is dropped without a
//! word: somebody else continues it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use regrow_agent::{FailureKind, Final, Inbound};
use regrow_store::Claimed;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tracing::field::Empty;

use crate::budget::Share;
use crate::lease::Life;
use crate::live::{LiveRun, Shown};
use crate::run::Run;
use crate::worker::{Held, Inner};

/// Runs of one session in a row before others get a turn.
const IN_A_ROW: u32 = 4;

/// Why a run stopped here without having ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The lease is gone, or this life is over.
    Fenced,
    /// The replica drains: the session is handed over.
    HandOver,
    /// The run cannot be driven, for this reason; it ends as failed.
    Broken(String),
}

/// Drives a session in the background, in one slot.
pub(crate) fn start(
    worker: &Arc<Inner>,
    life: Arc<Life>,
    claimed: Claimed,
    inbound: Option<Inbound>,
    slot: OwnedSemaphorePermit,
) {
    let worker = Arc::clone(worker);
    let shared = Arc::clone(&worker);
    let first = Next::new(&worker, claimed);
    shared.tasks.spawn(async move {
        drive(&worker, &life, first, inbound).await;
        drop(slot);
        // Who waits for a slot gets this one; who found nothing to claim is told when there is something.
        if worker.budget.was_short() {
            worker.ready.notify_one();
        }
    });
}

/// A run that is about to be driven.
struct Next {
    claimed: Claimed,
    shown: Option<Shown>,
    /// Its message's share of the budget.
    share: Share,
}

impl Next {
    /// A run that has said nothing yet is shown before anything else is done for it, so that its followers need not ask
    /// the store where it is. What another one has said must be read first.
    fn new(worker: &Arc<Inner>, claimed: Claimed) -> Self {
        let share = worker.budget.take(claimed.message.body.len());
        let is_new = claimed.head() == claimed.run_base;
        let show = || worker.board.show(claimed.session(), claimed.run, LiveRun::new(String::new()));
        Self { shown: is_new.then(show), share, claimed }
    }
}

/// Drives a session's runs.
async fn drive(worker: &Arc<Inner>, life: &Arc<Life>, first: Next, mut inbound: Option<Inbound>) {
    let mut next = Some(first);
    let mut turns = 0;
    while let Some(Next { claimed, shown, share }) = next {
        turns += 1;
        let span = tracing::info_span!(
            "run", run.id = %claimed.run, session.key = %claimed.session_key, replica.id = %life.replica,
            epoch = %claimed.epoch(), attempt = claimed.attempt, trace_id = Empty, span_id = Empty
        );
        let keep = turns < IN_A_ROW && !worker.is_draining();
        let run = one_run(worker, life, claimed, shown, inbound.take(), keep);
        let kept = run.instrument(span).await;
        drop(share);
        next = kept.map(|claimed| Next::new(worker, claimed));
    }
}

/// Drives one run; returns the session's next one if the lease was kept.
async fn one_run(
    worker: &Arc<Inner>,
    life: &Arc<Life>,
    claimed: Claimed,
    shown: Option<Shown>,
    inbound: Option<Inbound>,
    keep: bool,
) -> Option<Claimed> {
    let (session, epoch) = (claimed.session(), claimed.epoch());
    let held = Held {
        epoch,
        run: claimed.run,
        since: Instant::now(),
        abort: CancellationToken::new(),
        fenced: life.over.child_token(),
    };
    if claimed.message.aborted {
        held.abort.cancel();
    }
    worker.hold(session, held.clone());
    let mut run = Run::new(worker, life, claimed, shown, held, keep);
    let driven = AssertUnwindSafe(run.drive(inbound)).catch_unwind().await;
    let outcome = match driven {
        Ok(Ok(next)) => Ok(next),
        Ok(Err(stopped)) => settle_caught(&mut run, stopped).await,
        Err(panic) => settle_caught(&mut run, Stopped::Broken(describe(&panic))).await,
    };
    worker.let_go(session, epoch);
    match outcome {
        Ok(next) => next.map(|next| *next),
        Err(stopped) => {
            tracing::debug!(?stopped, "the run goes on elsewhere");
            run.stopped(&stopped);
            None
        }
    }
}

/// Settles a run even if that panics, too: then the lease is let go, and the audit gives it up.
async fn settle_caught(run: &mut Run<'_>, stopped: Stopped) -> Result<Option<Box<Claimed>>, Stopped> {
    let span = run.span.clone();
    let settled = AssertUnwindSafe(settle(run, stopped).instrument(span)).catch_unwind().await;
    settled.unwrap_or_else(|panic| {
        let why = describe(&panic);
        tracing::error!(%why, "the run cannot be ended");
        Err(Stopped::Broken(why))
    })
}

/// A run that stopped: it ends as failed, is handed over, or is dropped.
async fn settle(run: &mut Run<'_>, stopped: Stopped) -> Result<Option<Box<Claimed>>, Stopped> {
    match stopped {
        Stopped::Broken(why) => {
            tracing::error!(%why, "the run failed by a defect");
            let message = "The run failed by an internal error. Its details are in the gateway's log.";
            run.finish(Final::failed(FailureKind::Internal, message)).await
        }
        Stopped::HandOver => {
            run.hand_over().await;
            Err(Stopped::HandOver)
        }
        Stopped::Fenced => Err(Stopped::Fenced),
    }
}

fn describe(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panic: {}", text.unwrap_or_else(|| "no message".to_owned()))
}
