//! The checker: sorts a history by session and hands each session to the judges of the promises.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{
    Ask, Harm, HarmKind, History, Outcome, Promise, Violation, accepted, answered, away, order, takeover,
    writer,
};
use crate::model_server::{Call, digest};

/// The longest that a request of a killed replica may be on its way to the model.
const ON_THE_WAY: Duration = Duration::from_millis(250);

/// What is told of the time around a broken promise.
const NEAR: Duration = Duration::from_secs(2);

/// One session as it was seen from outside.
pub(super) struct Session<'a> {
    pub(super) key: &'a str,
    /// Its messages with all requests for each.
    pub(super) messages: BTreeMap<&'a str, Vec<&'a Ask>>,
    /// The model's calls for it, in the order of arrival.
    pub(super) calls: Vec<&'a Call>,
    /// What the session has become: the model's last call for its last message.
    pub(super) census: Option<Census<'a>>,
    pub(super) harms: &'a [Harm],
    pub(super) aborted: &'a BTreeSet<String>,
    found: Vec<Violation>,
}

/// What the model was shown at the very end.
pub(super) struct Census<'a> {
    /// The messages in the order in which they were consumed.
    pub(super) order: Vec<&'a str>,
    /// The answer to each, as a digest; 0 if there is none.
    pub(super) answers: &'a [u64],
}

pub(super) fn check(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for mut session in sessions(history) {
        accepted::judge(&mut session);
        answered::judge(&mut session);
        order::judge(&mut session);
        writer::judge(&mut session);
        takeover::judge(&mut session);
        found.append(&mut session.found);
    }
    found.extend(accepted::shared_runs(&history.asks));
    found.extend(away::judge(history));
    found
}

fn sessions(history: &History) -> impl Iterator<Item = Session<'_>> {
    let mut asks: BTreeMap<&str, Vec<&Ask>> = BTreeMap::new();
    let mut session_of: BTreeMap<&str, &str> = BTreeMap::new();
    for ask in &history.asks {
        asks.entry(&ask.session).or_default().push(ask);
        session_of.insert(&ask.message, &ask.session);
    }
    let mut calls: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in &history.calls {
        if let Some(session) = call.id.as_deref().and_then(|id| session_of.get(id)) {
            calls.entry(session).or_default().push(call);
        }
    }
    history.sessions.iter().map(move |(key, last)| {
        let calls = calls.remove(key.as_str()).unwrap_or_default();
        let mut messages: BTreeMap<&str, Vec<&Ask>> = BTreeMap::new();
        for ask in asks.remove(key.as_str()).unwrap_or_default() {
            messages.entry(&ask.message).or_default().push(ask);
        }
        let shown = calls.iter().rev().find(|call| call.id.as_deref() == Some(last));
        let census = shown.map(|call| Census { order: call.seen_ids(), answers: &call.heard });
        Session {
            key,
            messages,
            calls,
            census,
            harms: &history.harms,
            aborted: &history.aborted,
            found: Vec::new(),
        }
    })
}

impl Session<'_> {
    /// Notes a broken promise.
    pub(super) fn broken(&mut self, promise: Promise, what: impl Into<String>) {
        self.found.push(Violation { promise, session: self.key.to_owned(), what: what.into() });
    }

    /// The digest of the reply that clients got for a message, and when the first had it.
    pub(super) fn reply(&self, message: &str) -> Option<(u64, Duration)> {
        self.first_answered(message).map(|ask| (digest(&ask.whole_text()), ask.ended))
    }

    /// The request that was the first to get the reply to a message.
    pub(super) fn first_answered(&self, message: &str) -> Option<&Ask> {
        let asks = self.messages.get(message)?.iter().copied();
        asks.filter(|ask| ask.outcome == Outcome::Answered).min_by_key(|ask| ask.ended)
    }

    /// How often what runs at some time between two moments may have been begun again for the harm that was done.
    pub(super) fn excuses(&self, from: Duration, until: Duration) -> usize {
        let from = from.saturating_sub(ON_THE_WAY);
        let during = self.harms.iter().filter(|harm| harm.from <= until && harm.until >= from);
        during.map(|harm| harm.kind.excuses()).sum()
    }

    /// The harm that was done around this time, for people.
    pub(super) fn harms_near(&self, from: Duration, until: Duration) -> impl Iterator<Item = &Harm> {
        let (from, until) = (from.saturating_sub(NEAR), until + NEAR);
        self.harms.iter().filter(move |harm| harm.from <= until && harm.until >= from)
    }

    /// A replica that was paused may go on, for a moment, with what it was about to do.
    pub(super) fn woke_between(&self, from: Duration, until: Duration) -> bool {
        let mut pauses = self.harms.iter().filter(|harm| harm.kind != HarmKind::Kill);
        pauses.any(|pause| pause.from <= until && pause.until >= from)
    }
}

/// When the model was asked.
pub(super) fn arrival(call: &Call) -> Duration {
    Duration::from_micros(call.at_us)
}
