//! What must hold of a case: the promises that a history can break, and what tools did to the world outside (I6).

use std::collections::BTreeSet;

use regrow_faults::{Effect, Point};

use super::case::{Case, MESSAGE, Script};
use crate::faulty::tools::KNOWN;
use crate::history::{Ask, History, Outcome};
use crate::model_server::Effect as Done;

/// What the model repeats of the result of a call whose outcome nobody knows.
const UNKNOWN: &str = "The outcome of this call is unknown";

/// All that is wrong.
pub(super) fn on(case: Case, history: &History, effects: &[Done]) -> Vec<String> {
    let mut wrong: Vec<String> = history.check().iter().map(ToString::to_string).collect();
    wrong.extend(end(case, &history.asks));
    let reply = history.asks.iter().find(|ask| ask.outcome == Outcome::Answered && ask.message == MESSAGE);
    if let (Some((tool, rounds)), Some(reply)) = (case.script.tool(), reply) {
        wrong.extend(side_effects(case, tool, rounds, &reply.whole_text(), effects));
    }
    wrong
}

/// A run that nobody aborted is answered; one that was aborted long before its end is not.
fn end(case: Case, asks: &[Ask]) -> Option<String> {
    let (due, otherwise) = match case.script {
        Script::Abort => (Outcome::Failed("run_aborted".to_owned()), "the run was not aborted"),
        _ => (Outcome::Answered, "the message was not answered"),
    };
    let is_due = asks.iter().any(|ask| ask.message == MESSAGE && ask.outcome == due);
    (!is_due).then(|| otherwise.to_owned())
}

fn side_effects(case: Case, tool: &str, rounds: usize, reply: &str, effects: &[Done]) -> Vec<String> {
    let mut wrong = Vec::new();
    let (known, unknown) = (reply.matches(KNOWN).count(), reply.matches(UNKNOWN).count());
    let keys: BTreeSet<&str> = effects.iter().map(|effect| effect.key.as_str()).collect();
    let fails_as_told = case.fail_point.point == Point::Tool && case.fail_point.effect == Effect::Fail;
    if effects.iter().any(|effect| effect.tool != tool) {
        wrong.push(format!("another tool was called: {effects:?}"));
    }
    match case.script {
        // Each attempt of a call has the same key, so whoever knows the keys sees each effect once.
        Script::Pure | Script::Keyed if keys.len() != rounds && !fails_as_told => {
            wrong.push(format!("{rounds} calls have {} keys: {effects:?}", keys.len()));
        }
        Script::Unsafe if effects.len() > 1 => {
            wrong.push(format!("an unsafe tool was executed {} times", effects.len()));
        }
        Script::Unsafe if effects.is_empty() && unknown == 0 && !fails_as_told => {
            wrong.push("an unsafe tool was never executed, and the model was not told".to_owned());
        }
        _ => {}
    }
    if unknown > 0 && case.script != Script::Unsafe {
        wrong.push("the outcome of a call that can be repeated is unknown".to_owned());
    }
    if known + unknown + usize::from(fails_as_told) != rounds {
        wrong.push(format!("of {rounds} calls, the model was told {known} results, {unknown} as unknown"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use regrow_faults::{FailPoint, Moment};

    use super::*;

    fn case(script: Script, point: Point, moment: Moment, effect: Effect) -> Case {
        Case { script, fail_point: FailPoint { point, moment, nth: 1, effect }, stream: true }
    }

    /// What is wrong with a reply that repeats these results after attempts with these keys.
    fn found(case: Case, results: &[&str], keys: &[&str]) -> Vec<String> {
        let (tool, rounds) = case.script.tool().unwrap();
        let attempt = |key: &&str| Done { tool: tool.into(), key: (*key).into(), message: MESSAGE.into() };
        let effects: Vec<Done> = keys.iter().map(attempt).collect();
        side_effects(case, tool, rounds, &results.join(" result="), &effects)
    }

    #[test]
    fn each_call_is_carried_out_and_told_as_its_class_says() {
        let death = |script| case(script, Point::Tool, Moment::After, Effect::Kill);
        let fail = |script| case(script, Point::Tool, Moment::Before, Effect::Fail);
        let error = "a fail-point says so";
        let none: [&str; 0] = [];
        for (case, results, keys) in [
            (death(Script::Unsafe), &[UNKNOWN][..], &["1"][..]),
            (death(Script::Unsafe), &[UNKNOWN], &none),
            (fail(Script::Unsafe), &[error], &none),
            (death(Script::Keyed), &[KNOWN, KNOWN], &["1", "1", "2"]),
            (fail(Script::Pure), &[error, KNOWN], &["2"]),
        ] {
            assert_eq!(found(case, results, keys), none, "{case}: {results:?} {keys:?}");
        }
        for (case, results, keys) in [
            (death(Script::Unsafe), &[KNOWN][..], &["1", "1"][..]),
            (death(Script::Unsafe), &[KNOWN], &none),
            (death(Script::Unsafe), &none, &["1"]),
            (death(Script::Unsafe), &[KNOWN, UNKNOWN], &["1"]),
            (death(Script::Keyed), &[KNOWN, KNOWN], &["1", "3", "2"]),
            (death(Script::Keyed), &[KNOWN, UNKNOWN], &["1", "2"]),
            (death(Script::Pure), &[KNOWN], &["1", "2"]),
        ] {
            assert_ne!(found(case, results, keys), none, "{case}: {results:?} {keys:?}");
        }
    }

    #[test]
    fn only_what_is_aborted_is_not_answered() {
        let ask = |outcome| Ask {
            session: "s".into(),
            message: MESSAGE.into(),
            sent: Duration::ZERO,
            accepted: None,
            ended: Duration::ZERO,
            resumed: String::new(),
            text: String::new(),
            outcome,
        };
        let asks = [ask(Outcome::Lost), ask(Outcome::Answered)];
        let aborted = [ask(Outcome::Failed("run_aborted".into()))];
        for (script, is_answered) in [(Script::Unsafe, true), (Script::Abort, false)] {
            let case = case(script, Point::Answer, Moment::Before, Effect::Kill);
            assert_eq!(end(case, &asks).is_none(), is_answered);
            assert_eq!(end(case, &aborted).is_none(), !is_answered);
        }
    }
}
