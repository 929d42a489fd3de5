//! Random scripts against the store and the model at once: the first answer that differs ends the script; if none does,
//! all work is brought to an end and the promises are checked.

use std::sync::Arc;

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use regrow_faults::Mutant;
use regrow_protocol::{EntryKind, ReplicaId, RunId, Seq};
use regrow_store::{Accept, Accepted, Finish, NewEntry, Store};

use super::harness::Harness;
use super::history::{History, Violation};
use super::model::{Held, Model, Verdict};
use super::quiesce::{answer, observe, quiesce};
use super::scene::{entry, id, joined, message};
use super::script::{Act, CAP, SESSIONS, SLOTS, script};

/// A process and its replica; without a handle the process is dead.
struct Slot {
    store: Option<Arc<dyn Store>>,
    replica: ReplicaId,
}

/// A write as it can be repeated.
#[derive(Debug, Clone)]
enum Write {
    Accept(Accept),
    Append(Held, Vec<NewEntry>, Option<Seq>),
    Finish(Held, Finish),
    Release(Held),
}

struct Stage<'h, H> {
    harness: &'h H,
    mutant: Option<Mutant>,
    observer: Arc<dyn Store>,
    slots: Vec<Slot>,
    model: Model,
    history: History,
    leases: Vec<Held>,
    runs: Vec<RunId>,
    last: Option<Write>,
}

pub(crate) fn follow_the_model<H: Harness>() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config =
        Config { cases: H::SCRIPTS, max_shrink_iters: 400, failure_persistence: None, ..Config::default() };
    let tested = TestRunner::new(config).run(&script(), |acts| {
        let found = runtime.block_on(async { perform(&H::open().await, None, &acts).await });
        if found.is_empty() { Ok(()) } else { Err(TestCaseError::fail(format!("{found:#?}"))) }
    });
    tested.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Runs a script and returns what was wrong.
pub(crate) async fn perform<H: Harness>(harness: &H, mutant: Option<Mutant>, acts: &[Act]) -> Vec<Violation> {
    let mut stage = Stage::open(harness, mutant).await;
    for (n, act) in acts.iter().enumerate() {
        let mut verdict = stage.act(*act).await;
        if verdict.is_ok() {
            verdict = stage.compare(n).await;
        }
        if let Err(why) = verdict {
            return vec![Violation::Diverged(format!("after {n} acts, {act:?}: {why}"))];
        }
    }
    quiesce(harness, &stage.observer, &stage.history).await;
    stage.history.check(&observe(&*stage.observer).await)
}

async fn handle<H: Harness>(harness: &H, mutant: Option<Mutant>) -> Arc<dyn Store> {
    match mutant {
        Some(mutant) => mutant.over(harness.replica_handle().await),
        None => harness.replica_handle().await,
    }
}

/// The nth element from the end, round and round.
fn latest<T>(all: &[T], n: usize) -> Option<&T> {
    all.len().checked_sub(1).map(|last| &all[last - n % all.len()])
}

impl<'h, H: Harness> Stage<'h, H> {
    async fn open(harness: &'h H, mutant: Option<Mutant>) -> Self {
        let (observer, mut model, mut slots) = (handle(harness, mutant).await, Model::default(), Vec::new());
        for _ in 0..SLOTS {
            let store = handle(harness, mutant).await;
            let replica = joined(&*store).await;
            model.join(replica);
            slots.push(Slot { store: Some(store), replica });
        }
        let (history, leases, runs) = (History::default(), Vec::new(), Vec::new());
        Self { harness, mutant, observer, slots, model, history, leases, runs, last: None }
    }

    /// The handle of a process, or of a living one that speaks for it.
    fn store(&self, slot: usize) -> Arc<dyn Store> {
        Arc::clone(self.slots[slot].store.as_ref().unwrap_or(&self.observer))
    }

    async fn act(&mut self, act: Act) -> Verdict {
        match act {
            Act::Accept { slot, session, key, claim } => {
                let asked = Accept {
                    cap: CAP,
                    dedupe: key.map(|key| key.to_string()),
                    claim_for: claim.then_some(self.slots[slot].replica),
                    ..message(SESSIONS[session])
                };
                self.runs.push(asked.message);
                self.write(Write::Accept(asked)).await
            }
            Act::Claim { slot, most } => self.claim(slot, most).await,
            Act::Append { lease, entries, compact } => {
                let Some(held) = latest(&self.leases, lease).cloned() else { return Ok(()) };
                let text = RunId::new();
                let batch = (0..entries).map(|n| entry(EntryKind::Assistant, &format!("{text} {n}")));
                let base = compact.then(|| held.claimed.head());
                self.write(Write::Append(held, batch.collect(), base)).await
            }
            Act::Finish { lease, keep } => {
                let Some(held) = latest(&self.leases, lease).cloned() else { return Ok(()) };
                let finish = answer(&held.claimed, keep);
                self.write(Write::Finish(held, finish)).await
            }
            Act::Release { lease } => {
                let Some(held) = latest(&self.leases, lease).cloned() else { return Ok(()) };
                self.write(Write::Release(held)).await
            }
            Act::Repeat => match self.last.clone() {
                Some(write) => self.write(write).await,
                None => Ok(()),
            },
            Act::Disown { lease, slot } => self.disown(lease, slot).await,
            Act::Abort { run } => self.abort(run).await,
            Act::Reset { session } => {
                let session = id(SESSIONS[session]);
                let reset = self.observer.reset(session).await.map_err(|e| e.to_string())?;
                self.model.reset(session, reset)
            }
            Act::Reap => {
                let reaped = self.observer.reap().await.map_err(|e| e.to_string())?;
                self.model.reap(&reaped)
            }
            other => self.live(other).await,
        }
    }

    /// What happens to a replica.
    async fn live(&mut self, act: Act) -> Verdict {
        match act {
            Act::Heartbeat { slot } if self.slots[slot].store.is_some() => {
                let replica = self.slots[slot].replica;
                let beat = self.store(slot).heartbeat(replica).await.map_err(|e| e.to_string())?;
                self.model.heartbeat(replica, &beat)
            }
            Act::Lapse { slot } if self.model.knows(self.slots[slot].replica) => {
                self.harness.lapse(self.slots[slot].replica).await;
                self.model.expire(self.slots[slot].replica);
                Ok(())
            }
            Act::Crash { slot } => {
                if let Some(store) = self.slots[slot].store.take() {
                    self.harness.crash(store).await;
                    self.model.crash(self.slots[slot].replica);
                }
                Ok(())
            }
            Act::Leave { slot } if self.slots[slot].store.is_some() => {
                let replica = self.slots[slot].replica;
                self.store(slot).leave(replica).await.map_err(|e| e.to_string())?;
                self.model.remove(&[replica].into());
                Ok(())
            }
            Act::Drain { slot } => {
                let replica = self.slots[slot].replica;
                self.model.drain(replica);
                self.store(slot).drain(replica).await.map_err(|e| e.to_string())
            }
            Act::Rejoin { slot } => self.rejoin(slot).await,
            _ => Ok(()),
        }
    }

    async fn rejoin(&mut self, slot: usize) -> Verdict {
        if self.slots[slot].store.is_some() && self.model.knows(self.slots[slot].replica) {
            return Ok(());
        }
        let store = match self.slots[slot].store.take() {
            Some(store) => store,
            None => handle(self.harness, self.mutant).await,
        };
        let replica = joined(&*store).await;
        self.model.join(replica);
        self.slots[slot] = Slot { store: Some(store), replica };
        Ok(())
    }

    async fn claim(&mut self, slot: usize, most: usize) -> Verdict {
        let replica = self.slots[slot].replica;
        let claimed = self.store(slot).claim(replica, most).await.map_err(|e| e.to_string())?;
        self.model.claim(replica, most, &claimed)?;
        self.leases.extend(claimed.into_iter().map(|claimed| Held { claimed, replica }));
        Ok(())
    }

    async fn disown(&mut self, lease: usize, slot: usize) -> Verdict {
        let Some(held) = latest(&self.leases, lease).cloned() else { return Ok(()) };
        let (replica, lease) = (self.slots[slot].replica, (held.claimed.session(), held.claimed.epoch()));
        let count = self.store(slot).disown(replica, &[lease]).await.map_err(|e| e.to_string())?;
        self.model.give_up(replica, &held, count == 1)
    }

    async fn abort(&mut self, run: usize) -> Verdict {
        let Some(run) = latest(&self.runs, run).copied() else { return Ok(()) };
        let view = self.observer.abort(run).await.map_err(|e| e.to_string())?;
        self.model.abort(run, view.as_ref().map(|view| &view.state))
    }

    async fn write(&mut self, write: Write) -> Verdict {
        self.last = Some(write.clone());
        match write {
            Write::Accept(asked) => self.accept(asked).await,
            Write::Append(held, entries, base) => self.append(held, &entries, base).await,
            Write::Finish(held, finish) => self.finish(&held, &finish).await,
            Write::Release(held) => {
                let released = self.observer.release(&held.claimed).await;
                self.model.give_up(held.replica, &held, released.is_ok())
            }
        }
    }

    async fn accept(&mut self, asked: Accept) -> Verdict {
        let accepted = self.observer.accept(asked.clone()).await.map_err(|e| e.to_string())?;
        self.model.accept(&asked, &accepted)?;
        self.history.answered(&asked, &accepted);
        if let (Accepted::New { claimed: Some(claimed), .. }, Some(replica)) = (accepted, asked.claim_for) {
            self.leases.push(Held { claimed: *claimed, replica });
        }
        Ok(())
    }

    async fn append(&mut self, held: Held, entries: &[NewEntry], base: Option<Seq>) -> Verdict {
        let mut claimed = held.claimed.clone();
        let written = self.observer.append(&mut claimed, entries, base).await;
        self.model.append(&held, entries, base, &written)?;
        if written.is_ok() {
            self.history.wrote(claimed.session(), held.claimed.head(), entries);
            self.leases.push(Held { claimed, replica: held.replica });
        }
        Ok(())
    }

    async fn finish(&mut self, held: &Held, finish: &Finish) -> Verdict {
        let finished = self.observer.finish(&held.claimed, finish).await;
        self.model.finish(held, finish, &finished)?;
        if let Ok(finished) = finished {
            self.history.ended(held.claimed.run);
            let next = finished.next.map(|claimed| Held { claimed: *claimed, replica: held.replica });
            self.leases.extend(next);
        }
        Ok(())
    }

    /// What can be seen from outside, after each act.
    async fn compare(&self, n: usize) -> Verdict {
        for name in SESSIONS {
            let view = self.observer.find_session(id(name)).await.map_err(|e| e.to_string())?;
            self.model.session(id(name), view.as_ref())?;
        }
        let running = self.observer.list_running(None, usize::MAX).await.map_err(|e| e.to_string())?;
        self.model.running(&running)?;
        let Some(run) = latest(&self.runs, n) else { return Ok(()) };
        let view = self.observer.find_run(*run).await.map_err(|e| e.to_string())?;
        self.model.state(*run, view.as_ref().map(|view| &view.state))
    }
}
