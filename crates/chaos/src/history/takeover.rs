//! I5: a finished step is not executed again, and a finished reply is not generated again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Promise;
use super::check::{Session, arrival};
use crate::model_server::Call;

/// A call that arrives this soon after its message's reply was told may have been under way: the checker's clocks are
/// exact, but requests take time.
const UNDER_WAY: Duration = Duration::from_millis(50);

pub(super) fn judge(session: &mut Session<'_>) {
    let mut calls: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in &session.calls {
        calls.entry(call.id.as_deref().unwrap_or_default()).or_default().push(call);
    }
    let wrong: Vec<String> =
        calls.iter().flat_map(|(message, calls)| of_message(session, message, calls)).collect();
    wrong.into_iter().for_each(|what| session.broken(Promise::Takeover, what));
}

fn of_message(session: &Session<'_>, message: &str, calls: &[&Call]) -> Vec<String> {
    let mut wrong = Vec::new();
    let begun = calls.first().map_or(Duration::ZERO, |call| arrival(call));
    let told = session.reply(message).map(|(_, at)| at);
    // How many steps have begun.
    let mut begun_steps = 0;
    let mut steps: BTreeMap<usize, Vec<Duration>> = BTreeMap::new();
    for call in calls {
        let at = arrival(call);
        let woken = session.woke_between(begun, at);
        if call.rounds + 1 < begun_steps && !woken {
            let latest = begun_steps - 1;
            wrong.push(format!(
                "{message}: step {} was executed again after step {latest} had begun",
                call.rounds
            ));
        }
        if call.rounds > begun_steps {
            wrong.push(format!("{message}: step {} began, and the one before it never did", call.rounds));
        }
        if told.is_some_and(|told| at > told + UNDER_WAY) && !woken {
            wrong.push(format!("{message}: the model was asked again after the reply had been told"));
        }
        begun_steps = begun_steps.max(call.rounds + 1);
        steps.entry(call.rounds).or_default().push(at);
    }
    for (step, times) in steps {
        let (first, last) = (times[0], times[times.len() - 1]);
        let excuses = session.excuses(first, last);
        if times.len() - 1 > excuses {
            let near: Vec<_> = session.harms_near(first, last).collect();
            wrong.push(format!(
                "{message}: step {step} was executed at {times:?}, with {excuses} causes to repeat it; harm: {near:?}"
            ));
        }
    }
    wrong
}
