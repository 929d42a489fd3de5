//! I1: accepted once, and never lost.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Session;
use super::{Ask, Outcome, Promise, Violation};

pub(super) fn judge(session: &mut Session<'_>) {
    let mut wrong = Vec::new();
    for (message, asks) in &session.messages {
        let runs: BTreeSet<&str> =
            asks.iter().filter_map(|ask| ask.accepted.as_ref()).map(|(_, run)| run.as_str()).collect();
        if runs.len() > 1 {
            wrong.push(format!("{message} was accepted as several runs: {runs:?}"));
        }
        if runs.is_empty() && asks.iter().any(|ask| ask.outcome == Outcome::Answered) {
            wrong.push(format!("{message} was answered, and nobody was told as which run"));
        }
        let Some(census) = &session.census else { continue };
        let times = census.order.iter().filter(|other| *other == message).count();
        if times > 1 {
            wrong.push(format!("{message} was consumed {times} times"));
        }
        if times == 0 && !runs.is_empty() {
            wrong.push(format!("{message} was acknowledged, and the session does not have it"));
        }
    }
    wrong.extend(unsent(session));
    wrong.into_iter().for_each(|what| session.broken(Promise::AcceptedOnce, what));
}

/// Messages that stand in the session, and that nobody sent there.
fn unsent<'a>(session: &'a Session<'_>) -> impl Iterator<Item = String> + 'a {
    let order = session.census.iter().flat_map(|census| &census.order);
    let unsent = order.filter(|message| !session.messages.contains_key(*message));
    unsent.map(|message| format!("{message} stands in the session, and nobody sent it there"))
}

/// Two messages never are one run.
pub(super) fn shared_runs(asks: &[Ask]) -> Vec<Violation> {
    let mut messages: BTreeMap<&str, &Ask> = BTreeMap::new();
    let mut found = Vec::new();
    for ask in asks {
        let Some((_, run)) = &ask.accepted else { continue };
        let first = messages.entry(run).or_insert(ask);
        if first.message != ask.message {
            let what = format!("{} and {} are one run: {run}", first.message, ask.message);
            found.push(Violation { promise: Promise::AcceptedOnce, session: ask.session.clone(), what });
        }
    }
    found
}
