//! What clients and replicas were told, and what must therefore be found once all is quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use regrow_protocol::{EntryKind, Epoch, RunId, Seq, SessionId};
use regrow_store::{Accept, Accepted, LogEntry, NewEntry, RunState, RunView, SessionView};

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Violation {
    /// One key, or one position, led to two messages.
    AcceptedTwice(RunId),
    /// An acknowledged message is unknown.
    Lost(RunId),
    /// A refused message was kept.
    Phantom(RunId),
    /// A message has no end, or an end without a final entry.
    NotAnswered(RunId),
    /// A run has two final entries.
    AnsweredTwice(RunId),
    /// Runs ended in another order than their messages were accepted, or two runs wrote at the same time.
    OutOfOrder(SessionId),
    /// An entry of an older lease stands behind one of a newer lease.
    EpochWentBack(SessionId, Seq),
    /// Positions are missing or doubled, or the heads do not count what is there.
    Gap(SessionId),
    /// A step stands in the log twice.
    StepRepeated(RunId),
    /// An acknowledged entry is not where it was acknowledged.
    EntryLost(SessionId, Seq),
    /// The record of a run's end points to the wrong entries.
    WrongRecord(RunId),
    /// A lease wrote after another replica had been granted a newer one.
    Unfenced(SessionId, Epoch),
    /// An answer was not the one that the model gives.
    Diverged(String),
}

/// A session as it stands at the end.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) view: SessionView,
    pub(crate) log: Vec<LogEntry>,
    pub(crate) runs: Vec<RunView>,
}

/// Everything that was promised.
#[derive(Debug, Default)]
pub(crate) struct History {
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    accepted: Vec<(SessionId, Option<String>, RunId, Seq)>,
    refused: BTreeSet<RunId>,
    written: BTreeMap<(SessionId, Seq), Vec<u8>>,
    ended: BTreeSet<RunId>,
    granted: BTreeMap<SessionId, Epoch>,
    seen: Vec<Violation>,
}

impl History {
    fn with<T>(&self, record: impl FnOnce(&mut Told) -> T) -> T {
        record(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn answered(&self, asked: &Accept, answer: &Accepted) {
        let session = SessionId::of(&asked.session);
        self.with(|told| match answer {
            Accepted::New { seq, .. } => {
                told.accepted.push((session, asked.dedupe.clone(), asked.message, *seq));
            }
            Accepted::Duplicate { message, seq, .. } => {
                told.accepted.push((session, asked.dedupe.clone(), *message, *seq));
            }
            Accepted::Full { .. } => drop(told.refused.insert(asked.message)),
        });
    }

    /// Entries that were acknowledged behind `head`.
    pub(crate) fn wrote(&self, session: SessionId, head: Seq, entries: &[NewEntry]) {
        self.with(|told| {
            for (seq, entry) in (head + 1..).zip(entries) {
                let before = told.written.insert((session, seq), entry.payload.clone());
                if before.is_some_and(|before| before != entry.payload) {
                    told.seen.push(Violation::EntryLost(session, seq));
                }
            }
        });
    }

    pub(crate) fn ended(&self, run: RunId) {
        self.with(|told| told.ended.insert(run));
    }

    pub(crate) fn granted(&self, session: SessionId, epoch: Epoch) {
        self.with(|told| {
            let newest = told.granted.entry(session).or_insert(epoch);
            *newest = epoch.max(*newest);
        });
    }

    /// A newer lease of the session is in somebody's hands: from now on this one must not write.
    pub(crate) fn is_superseded(&self, session: SessionId, epoch: Epoch) -> bool {
        self.with(|told| told.granted.get(&session).is_some_and(|newest| *newest > epoch))
    }

    /// Something was already wrong while it happened.
    pub(crate) fn saw(&self, violation: Violation) {
        self.with(|told| told.seen.push(violation));
    }

    /// One of the acknowledged messages.
    pub(crate) fn some_run(&self, pick: usize) -> Option<RunId> {
        self.with(|told| told.accepted.get(pick.checked_rem(told.accepted.len())?).map(|ack| ack.2))
    }

    /// Compares what was promised with what is there.
    pub(crate) fn check(&self, outcomes: &[Outcome]) -> Vec<Violation> {
        self.with(|told| {
            let mut found = told.seen.clone();
            told.check_acceptance(outcomes, &mut found);
            told.check_writes(outcomes, &mut found);
            for outcome in outcomes {
                check_runs(outcome, &mut found);
                check_order(outcome, &mut found);
                check_log(outcome, &mut found);
            }
            found
        })
    }
}

impl Told {
    fn check_acceptance(&self, outcomes: &[Outcome], found: &mut Vec<Violation>) {
        let known: BTreeSet<RunId> = outcomes.iter().flat_map(|o| &o.runs).map(|view| view.run).collect();
        let mut by_key = BTreeMap::new();
        let mut by_seq = BTreeMap::new();
        for (session, key, run, seq) in &self.accepted {
            let first = key.as_ref().map_or(run, |key| by_key.entry((session, key)).or_insert(run));
            if first != run || *by_seq.entry((session, seq)).or_insert(run) != run {
                found.push(Violation::AcceptedTwice(*run));
            }
            if !known.contains(run) {
                found.push(Violation::Lost(*run));
            }
            let ended_as = |entry: &&LogEntry| entry.kind == EntryKind::Final && entry.run == *run;
            let ends = outcomes.iter().flat_map(|outcome| &outcome.log).filter(ended_as);
            if ends.clone().any(|entry| entry.payload != seq.to_string().as_bytes()) {
                found.push(Violation::OutOfOrder(*session));
            }
        }
        found.extend(self.refused.intersection(&known).map(|run| Violation::Phantom(*run)));
    }

    fn check_writes(&self, outcomes: &[Outcome], found: &mut Vec<Violation>) {
        let there: BTreeMap<(SessionId, Seq), &Vec<u8>> = outcomes
            .iter()
            .flat_map(|o| o.log.iter().map(|entry| ((o.view.id, entry.seq), &entry.payload)))
            .collect();
        for (at, payload) in &self.written {
            if there.get(at) != Some(&payload) {
                found.push(Violation::EntryLost(at.0, at.1));
            }
        }
        let open = outcomes.iter().flat_map(|o| &o.runs).filter(|v| !matches!(v.state, RunState::Ended(_)));
        let broken = open.filter(|view| self.ended.contains(&view.run));
        found.extend(broken.map(|view| Violation::NotAnswered(view.run)));
    }
}

/// Every run has ended, once, and its record frames its entries.
fn check_runs(outcome: &Outcome, found: &mut Vec<Violation>) {
    for view in &outcome.runs {
        let own: Vec<&LogEntry> = outcome.log.iter().filter(|entry| entry.run == view.run).collect();
        let finals = own.iter().filter(|entry| entry.kind == EntryKind::Final).count();
        let distinct: BTreeSet<&[u8]> = own.iter().map(|entry| &*entry.payload).collect();
        if distinct.len() < own.len() {
            found.push(Violation::StepRepeated(view.run));
        }
        if finals > 1 {
            found.push(Violation::AnsweredTwice(view.run));
        }
        let RunState::Ended(end) = &view.state else {
            found.push(Violation::NotAnswered(view.run));
            continue;
        };
        if finals == 0 {
            found.push(Violation::NotAnswered(view.run));
        }
        if !own.iter().map(|entry| entry.seq).eq(end.log_base + 1..=end.log_head) {
            found.push(Violation::WrongRecord(view.run));
        }
    }
}

/// The finals answer the messages 1, 2, 3 and so on: each final holds the position of its message.
fn check_order(outcome: &Outcome, found: &mut Vec<Violation>) {
    let finals = outcome.log.iter().filter(|entry| entry.kind == EntryKind::Final);
    let answered: Vec<Vec<u8>> = finals.map(|entry| entry.payload.clone()).collect();
    let accepted: Vec<Vec<u8>> = (1..=outcome.view.messages).map(|n| n.to_string().into_bytes()).collect();
    if answered != accepted {
        found.push(Violation::OutOfOrder(outcome.view.id));
    }
}

fn check_log(outcome: &Outcome, found: &mut Vec<Violation>) {
    let (view, log) = (&outcome.view, &outcome.log);
    let contiguous = log.iter().map(|entry| entry.seq).eq(1..=view.log_head);
    let messages = i64::try_from(outcome.runs.len()).unwrap_or(i64::MAX);
    if !contiguous || view.messages != messages || view.waiting != 0 {
        found.push(Violation::Gap(view.id));
    }
    for pair in log.windows(2) {
        if pair[1].epoch < pair[0].epoch {
            found.push(Violation::EpochWentBack(view.id, pair[1].seq));
        }
    }
    let mut past = BTreeSet::new();
    for pair in log.windows(2).filter(|pair| pair[0].run != pair[1].run) {
        past.insert(pair[0].run);
        if past.contains(&pair[1].run) {
            found.push(Violation::OutOfOrder(view.id));
        }
    }
}
