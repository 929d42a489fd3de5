//! The store as a few vectors. Each method takes what was asked and what was answered, says what is wrong with the
//! answer, and follows it.

use std::collections::{BTreeMap, BTreeSet};

use regrow_protocol::{EntryKind, Epoch, ReplicaId, RunId, Seq, SessionId};
use regrow_store::{
    Accept, Accepted, Beat, Claimed, Control, Finish, Finished, NewEntry, Reaped, Reset, RunState,
    RunningView, SessionView, WriteError,
};

/// What is wrong with an answer.
pub(crate) type Verdict = Result<(), String>;

/// A lease and who got it; it may be long gone.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) claimed: Claimed,
    pub(crate) replica: ReplicaId,
}

#[derive(Debug, Clone, Copy, Default)]
struct Life {
    expired: bool,
    crashed: bool,
    draining: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lease {
    Idle,
    Ready,
    Running(ReplicaId),
}

#[derive(Debug)]
struct Message {
    run: RunId,
    key: Option<String>,
    aborted: bool,
}

#[derive(Debug)]
struct End {
    epoch: Epoch,
    head: usize,
    kept: Option<Epoch>,
}

#[derive(Debug)]
struct Lane {
    messages: Vec<Message>,
    done: usize,
    lease: Lease,
    /// The event that made the run at the head of the inbox ready; it keeps its place when it is handed over.
    since: u64,
    epoch: Epoch,
    attempt: u32,
    log: Vec<(Epoch, NewEntry)>,
    run_base: usize,
    context_base: Seq,
    ends: BTreeMap<RunId, End>,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    replicas: BTreeMap<ReplicaId, Life>,
    lanes: BTreeMap<SessionId, Lane>,
    events: u64,
}

/// Compares, with words.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: T, want: T) -> Verdict {
    if got == want { Ok(()) } else { Err(format!("{what}: got {got:?}, want {want:?}")) }
}

impl Lane {
    fn new() -> Self {
        let (lease, epoch) = (Lease::Idle, Epoch(0));
        let (messages, log, ends) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self {
            messages,
            done: 0,
            lease,
            since: 0,
            epoch,
            attempt: 0,
            log,
            run_base: 0,
            context_base: 0,
            ends,
        }
    }

    fn head(&self) -> Seq {
        Seq::try_from(self.log.len()).unwrap_or(Seq::MAX)
    }

    fn holds(&self, held: &Held) -> bool {
        self.lease == Lease::Running(held.replica) && self.epoch == held.claimed.epoch()
    }

    /// Follows a grant of the run at the head of the inbox.
    fn grant(&mut self, replica: ReplicaId, attempt: u32, claimed: &Claimed) -> Verdict {
        if claimed.epoch() <= self.epoch {
            return Err(format!("epoch {} after {}", claimed.epoch(), self.epoch));
        }
        let message = &self.messages[self.done];
        let want = (message.run, message.aborted, attempt, self.done + 1, self.head(), self.context_base);
        let seq = usize::try_from(claimed.message.seq).unwrap_or(0);
        let aborted = claimed.message.aborted;
        same(
            "grant",
            (claimed.run, aborted, claimed.attempt, seq, claimed.head(), claimed.context_base),
            want,
        )?;
        same("run base", claimed.run_base, Seq::try_from(self.run_base).unwrap_or(0))?;
        (self.lease, self.epoch, self.attempt) = (Lease::Running(replica), claimed.epoch(), attempt);
        Ok(())
    }
}

impl Model {
    pub(crate) fn join(&mut self, replica: ReplicaId) {
        self.replicas.insert(replica, Life::default());
    }

    pub(crate) fn knows(&self, replica: ReplicaId) -> bool {
        self.replicas.contains_key(&replica)
    }

    pub(crate) fn expire(&mut self, replica: ReplicaId) {
        self.replicas.entry(replica).and_modify(|life| life.expired = true);
    }

    pub(crate) fn crash(&mut self, replica: ReplicaId) {
        self.replicas.entry(replica).and_modify(|life| life.crashed = true);
    }

    pub(crate) fn drain(&mut self, replica: ReplicaId) {
        self.replicas.entry(replica).and_modify(|life| life.draining = true);
    }

    fn takes(&self, replica: ReplicaId) -> bool {
        self.replicas.get(&replica).is_some_and(|life| !life.expired && !life.draining)
    }

    fn event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    pub(crate) fn accept(&mut self, asked: &Accept, answer: &Accepted) -> Verdict {
        let (event, takes) = (self.event(), asked.claim_for.filter(|replica| self.takes(*replica)));
        let lane = self.lanes.entry(SessionId::of(&asked.session)).or_insert_with(Lane::new);
        let twin = |m: &Message| m.run == asked.message || (m.key.is_some() && m.key == asked.dedupe);
        let waiting = lane.messages.len() - lane.done;
        if let Some(at) = lane.messages.iter().position(twin) {
            let want = (lane.messages[at].run, at + 1);
            return match answer {
                Accepted::Duplicate { message, seq, .. } => {
                    same("duplicate", (*message, usize::try_from(*seq).unwrap_or(0)), want)
                }
                other => Err(format!("accept: got {other:?}, want the duplicate {want:?}")),
            };
        }
        if waiting >= asked.cap as usize {
            let full = matches!(answer, Accepted::Full { waiting: told } if *told as usize == waiting);
            return same("full", full, true);
        }
        let Accepted::New { seq, claimed } = answer else { return Err(format!("accept: {answer:?}")) };
        same("position", usize::try_from(*seq).unwrap_or(0), lane.messages.len() + 1)?;
        let (run, key) = (asked.message, asked.dedupe.clone());
        lane.messages.push(Message { run, key, aborted: false });
        if lane.lease != Lease::Idle {
            return same("claimed", claimed.is_some(), false);
        }
        (lane.lease, lane.since, lane.run_base, lane.attempt) = (Lease::Ready, event, lane.log.len(), 0);
        same("claimed", claimed.is_some(), takes.is_some())?;
        takes.zip(claimed.as_ref()).map_or(Ok(()), |(replica, claimed)| lane.grant(replica, 1, claimed))
    }

    pub(crate) fn claim(&mut self, replica: ReplicaId, most: usize, answer: &[Claimed]) -> Verdict {
        let ready = |lane: &Lane| (lane.lease == Lease::Ready).then_some(lane.since);
        let mut want: Vec<u64> = self.lanes.values().filter_map(ready).collect();
        want.sort_unstable();
        want.truncate(if self.takes(replica) { most } else { 0 });
        let got = answer.iter().map(|claimed| self.lanes.get(&claimed.session()).and_then(ready));
        same("claim", got.collect(), want.into_iter().map(Some).collect::<Vec<_>>())?;
        for claimed in answer {
            let lane = self.lanes.get_mut(&claimed.session()).ok_or("unknown session")?;
            same("claimed twice", ready(lane).is_none(), false)?;
            lane.grant(replica, lane.attempt + 1, claimed)?;
        }
        Ok(())
    }

    pub(crate) fn append(
        &mut self,
        held: &Held,
        entries: &[NewEntry],
        base: Option<Seq>,
        answer: &Result<Control, WriteError>,
    ) -> Verdict {
        let lane = self.lanes.get_mut(&held.claimed.session()).ok_or("unknown session")?;
        let own: Vec<_> = entries.iter().map(|entry| (held.claimed.epoch(), entry.clone())).collect();
        let behind = lane.log.get(usize::try_from(held.claimed.head()).unwrap_or(0)..).unwrap_or(&[]);
        let (fresh, repeated) = (behind.is_empty(), behind == own);
        let got = answer.as_ref().ok().map(|control| control.abort);
        if !lane.holds(held) || !(fresh || repeated) {
            return same("append", got, None);
        }
        same("append", got, Some(lane.messages[lane.done].aborted))?;
        if fresh {
            lane.log.extend(own);
            lane.attempt = 0;
            lane.context_base = base.unwrap_or(lane.context_base);
        }
        Ok(())
    }

    pub(crate) fn finish(
        &mut self,
        held: &Held,
        asked: &Finish,
        answer: &Result<Finished, WriteError>,
    ) -> Verdict {
        let event = self.event();
        let lane = self.lanes.get_mut(&held.claimed.session()).ok_or("unknown session")?;
        let (epoch, head) = (held.claimed.epoch(), held.claimed.head());
        let next = answer.as_ref().ok().map(|finished| finished.next.as_deref());
        if let Some(end) = lane.ends.get(&held.claimed.run).filter(|end| end.epoch == epoch) {
            // Told again as long as nothing else has happened to the lease that was kept.
            let kept = end.kept.filter(|kept| {
                lane.lease == Lease::Running(held.replica)
                    && lane.epoch == *kept
                    && lane.log.len() == lane.run_base
            });
            // The very end that was written, not another one of the same lease.
            let own: Vec<_> = asked.entries.iter().map(|entry| (epoch, entry.clone())).collect();
            let written = lane.log.get(usize::try_from(head).unwrap_or(0)..end.head);
            let again = written == Some(&own[..]);
            return same(
                "finish again",
                next.map(|next| next.map(Claimed::epoch)),
                Some(kept).filter(|_| again),
            );
        }
        if !lane.holds(held) || lane.head() != head {
            return same("finish", next.is_some(), false);
        }
        lane.log.extend(asked.entries.iter().map(|entry| (epoch, entry.clone())));
        let more = lane.messages.len() > lane.done + 1;
        same("next", next.map(|next| next.is_some()), Some(more && asked.keep))?;
        (lane.done, lane.run_base, lane.attempt) = (lane.done + 1, lane.log.len(), 0);
        let kept = next.flatten();
        let end = End { epoch, head: lane.log.len(), kept: kept.map(Claimed::epoch) };
        lane.ends.insert(held.claimed.run, end);
        (lane.lease, lane.since) = (if more { Lease::Ready } else { Lease::Idle }, event);
        kept.map_or(Ok(()), |next| lane.grant(held.replica, 1, next))
    }

    /// A release, or a disowning by `replica`.
    pub(crate) fn give_up(&mut self, replica: ReplicaId, held: &Held, given_up: bool) -> Verdict {
        let lane = self.lanes.get_mut(&held.claimed.session()).ok_or("unknown session")?;
        let want = lane.holds(held) && replica == held.replica;
        same("given up", given_up, want)?;
        if want {
            (lane.lease, lane.attempt) = (Lease::Ready, lane.attempt.saturating_sub(1));
        }
        Ok(())
    }

    pub(crate) fn heartbeat(&mut self, replica: ReplicaId, answer: &Beat) -> Verdict {
        let Some(life) = self.replicas.get_mut(&replica) else {
            return same("heartbeat", answer, &Beat::Gone);
        };
        life.expired = false;
        let Beat::Alive { lanes } = answer else { return Err("a known replica is gone".to_owned()) };
        let owned = self.lanes.iter().filter(|(_, lane)| lane.lease == Lease::Running(replica));
        let want = owned.map(|(session, lane)| {
            let message = &lane.messages[lane.done];
            (*session, lane.epoch, message.run, message.aborted)
        });
        let mut got: Vec<_> =
            lanes.iter().map(|lane| (lane.session, lane.epoch, lane.run, lane.abort)).collect();
        got.sort_unstable();
        same("owned", got, want.collect())
    }

    pub(crate) fn reap(&mut self, answer: &Reaped) -> Verdict {
        let gone = self.replicas.iter().filter(|(_, life)| life.expired || life.crashed);
        let gone: BTreeSet<ReplicaId> = gone.map(|(replica, _)| *replica).collect();
        same("reaped", answer.replicas.iter().copied().collect::<BTreeSet<_>>(), gone.clone())?;
        same("reaped lanes", answer.lanes, self.remove(&gone))
    }

    /// Removes replicas and returns how many sessions became ready.
    pub(crate) fn remove(&mut self, gone: &BTreeSet<ReplicaId>) -> u64 {
        self.replicas.retain(|replica, _| !gone.contains(replica));
        let orphaned = |lane: &&mut Lane| matches!(lane.lease, Lease::Running(r) if gone.contains(&r));
        self.lanes.values_mut().filter(orphaned).map(|lane| lane.lease = Lease::Ready).count() as u64
    }

    pub(crate) fn abort(&mut self, run: RunId, answer: Option<&RunState>) -> Verdict {
        self.state(run, answer)?;
        for lane in self.lanes.values_mut() {
            lane.messages.iter_mut().skip(lane.done).filter(|m| m.run == run).for_each(|m| m.aborted = true);
        }
        Ok(())
    }

    pub(crate) fn reset(&mut self, session: SessionId, answer: Reset) -> Verdict {
        let Some(lane) = self.lanes.get_mut(&session) else { return same("reset", answer, Reset::Missing) };
        if lane.lease != Lease::Idle {
            return same("reset", answer, Reset::Busy);
        }
        let entry = NewEntry { kind: EntryKind::Reset, payload: Vec::new() };
        lane.log.push((lane.epoch, entry));
        lane.context_base = lane.head();
        same("reset", answer, Reset::Done)
    }

    /// Where a run stands.
    pub(crate) fn state(&self, run: RunId, got: Option<&RunState>) -> Verdict {
        let place = |lane: &Lane| lane.messages.iter().position(|message| message.run == run);
        let found = self.lanes.values().find_map(|lane| place(lane).map(|at| (lane, at)));
        let right = match (found, got) {
            (None, None) => true,
            (Some((lane, at)), Some(RunState::Ended(_))) => at < lane.done,
            (Some((lane, at)), Some(RunState::Running { replica, epoch, .. })) => {
                at == lane.done && lane.lease == Lease::Running(*replica) && lane.epoch == *epoch
            }
            (Some((lane, at)), Some(RunState::Queued { ahead })) => {
                let begun = at == lane.done && matches!(lane.lease, Lease::Running(_));
                Some(*ahead) == at.checked_sub(lane.done).map(|ahead| ahead as u64) && !begun
            }
            _ => false,
        };
        if right { Ok(()) } else { Err(format!("state of {run}: got {got:?}, the model has {found:?}")) }
    }

    /// What replicas drive.
    pub(crate) fn running(&self, got: &[RunningView]) -> Verdict {
        let driven = |(session, lane): (&SessionId, &Lane)| match lane.lease {
            Lease::Running(replica) => {
                Some((*session, replica, lane.messages[lane.done].run, lane.epoch, lane.attempt))
            }
            Lease::Idle | Lease::Ready => None,
        };
        let mut got: Vec<_> =
            got.iter().map(|view| (view.session, view.replica, view.run, view.epoch, view.attempt)).collect();
        got.sort_unstable();
        same("running", got, self.lanes.iter().filter_map(driven).collect())
    }

    pub(crate) fn session(&self, session: SessionId, got: Option<&SessionView>) -> Verdict {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let want = self.lanes.get(&session).map(|lane| {
            let waiting = lane.messages.len() - lane.done;
            (count(lane.messages.len()), count(waiting), lane.head(), lane.context_base)
        });
        let got = got.map(|view| (view.messages, view.waiting, view.log_head, view.context_base));
        same("session", got, want)
    }
}
