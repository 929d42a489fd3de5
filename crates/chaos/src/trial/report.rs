//! What a trial found, as a table for people and as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::history::{Answer, HarmKind, History, Outcome, Promise};
use crate::load::Latency;

/// How many broken promises are told one by one.
const TOLD: usize = 20;

/// What a trial found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Replicas that were killed.
    pub kills: usize,
    /// Replicas that were paused beyond their lease.
    pub pauses: usize,
    /// Times that the whole machine stood still.
    pub stalls: usize,
    /// Resets of a replica's connections to the store.
    pub cuts: usize,
    /// Replicas that heard nothing of the store for longer than their lease.
    pub black_holes: usize,
    /// The same, when everything arrived late.
    pub late: usize,
    /// Times that the answers of the store were lost.
    pub lost_answers: usize,
    /// Crashes of the store.
    pub store_restarts: usize,
    /// Fail-overs of the store.
    pub fail_overs: usize,
    /// Requests to replicas that were cut off, all refused in time.
    pub probes: usize,
    /// Conversations.
    pub sessions: usize,
    /// Messages that were accepted.
    pub accepted: usize,
    /// Messages that were answered, or visibly given up.
    pub answered: usize,
    /// Messages that were visibly given up.
    pub failed: usize,
    /// Requests that were lost with their connection.
    pub lost_requests: usize,
    /// Streams that were resumed elsewhere behind their last event.
    pub resumed: usize,
    /// Streams that were told that the reply has changed.
    pub diverged: usize,
    /// Requests that were refused for a while (429, 503).
    pub refused: usize,
    /// Model calls in all.
    pub calls: usize,
    /// Model calls that were made again.
    pub repeated_calls: usize,
    /// From the first request for a message to its end, median, in milliseconds.
    pub answer_p50_ms: f64,
    /// The same, 99th percentile.
    pub answer_p99_ms: f64,
    /// Broken promises.
    pub violations: Vec<String>,
    /// The ends of the replicas' logs, if promises were broken.
    #[serde(skip)]
    pub logs: String,
}

impl Report {
    /// Judges a history; `left` conversations did not come to an end, which no promise allows.
    pub(super) fn of(history: &History, left: usize, logs: String) -> Self {
        let of_kind = |kind| history.harms.iter().filter(|harm| harm.kind == kind).count();
        let asks = |is: fn(&Outcome) -> bool| history.asks.iter().filter(|ask| is(&ask.outcome)).count();
        let mut answer = Latency::default();
        let mut first_sent: BTreeMap<&str, Duration> = BTreeMap::new();
        let mut told = BTreeSet::new();
        for ask in &history.asks {
            let sent = *first_sent.entry(&ask.message).or_insert(ask.sent);
            // Whoever asks again after the end has not waited since the beginning.
            if ask.outcome == Outcome::Answered && told.insert(&*ask.message) {
                answer.record(ask.ended.saturating_sub(sent));
            }
        }
        let mut violations: Vec<String> = history.check().iter().map(ToString::to_string).collect();
        if left > 0 {
            let promise = Promise::AnsweredOnce;
            violations.push(format!("{promise}: {left} conversations did not come to an end"));
        }
        let steps: BTreeSet<_> = history.calls.iter().map(|call| (call.id.as_deref(), call.rounds)).collect();
        Self {
            kills: of_kind(HarmKind::Kill),
            pauses: of_kind(HarmKind::Pause),
            stalls: of_kind(HarmKind::Stall),
            cuts: of_kind(HarmKind::Cut),
            black_holes: of_kind(HarmKind::BlackHole),
            late: of_kind(HarmKind::Late),
            lost_answers: of_kind(HarmKind::LostAnswers),
            store_restarts: of_kind(HarmKind::StoreRestart),
            fail_overs: of_kind(HarmKind::FailOver),
            probes: history.probes.iter().filter(|probe| probe.answer == Answer::Refused).count(),
            sessions: history.sessions.len(),
            accepted: history.accepted(),
            answered: history.answered(),
            failed: history.failed(),
            lost_requests: asks(|outcome| *outcome == Outcome::Lost),
            resumed: history.asks.iter().filter(|ask| !ask.resumed.is_empty()).count(),
            diverged: asks(|outcome| *outcome == Outcome::Diverged),
            refused: asks(|outcome| matches!(outcome, Outcome::Refused(_))),
            calls: history.calls.len(),
            repeated_calls: history.calls.len() - steps.len(),
            answer_p50_ms: answer.quantile(0.5).as_secs_f64() * 1e3,
            answer_p99_ms: answer.quantile(0.99).as_secs_f64() * 1e3,
            logs: if violations.is_empty() { String::new() } else { logs },
            violations,
        }
    }

    /// No promise was broken.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: [(&str, usize); 20] = [
            ("replicas killed", self.kills),
            ("replicas paused beyond their lease", self.pauses),
            ("stalls of the whole machine", self.stalls),
            ("connections to the store reset", self.cuts),
            ("replicas cut off beyond their lease", self.black_holes),
            ("  the same, and all arrived late", self.late),
            ("losses of the store's answers", self.lost_answers),
            ("crashes of the store", self.store_restarts),
            ("fail-overs of the store", self.fail_overs),
            ("requests to who was cut off, refused", self.probes),
            ("conversations", self.sessions),
            ("messages accepted", self.accepted),
            ("messages answered", self.answered),
            ("  of these visibly given up", self.failed),
            ("requests lost with their connection", self.lost_requests),
            ("streams resumed elsewhere", self.resumed),
            ("streams told to ask again", self.diverged),
            ("requests refused for a while", self.refused),
            ("model calls", self.calls),
            ("  of these made again", self.repeated_calls),
        ];
        rows.iter().try_for_each(|(name, value)| writeln!(f, "{name:<38} {value:>8}"))?;
        writeln!(f, "{:<38} {:>8.0} ms", "message to answer, p50", self.answer_p50_ms)?;
        writeln!(f, "{:<38} {:>8.0} ms", "message to answer, p99", self.answer_p99_ms)?;
        writeln!(f, "{:<38} {:>8}", "promises broken", self.violations.len())?;
        self.violations.iter().take(TOLD).try_for_each(|violation| writeln!(f, "  {violation}"))
    }
}
