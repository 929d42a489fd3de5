//! What must hold of a case: the promises that a history can break, and what tools did to the world outside (I6).

use std::collections::BTreeSet;

use regrow_faults::{Effect, Point};

use super::case::{Case, Script};
use crate::history::{Ask, History, Outcome};
use crate::model_server::Effect as Done;

/// What the model repeats of the result of a call whose outcome nobody knows.
const UNKNOWN: &str = "The outcome of this call is unknown";

/// All that is wrong.
pub(super) fn on(case: Case, history: &History, effects: &[Done]) -> Vec<String> {
    let mut wrong: Vec<String> = history.check().iter().map(ToString::to_string).collect();
    let reply = history.asks.iter().find(|ask| ask.outcome == Outcome::Answered && ask.message == "a");
    wrong.extend(end(case, reply));
    if let Some((tool, rounds)) = case.script.tool() {
        wrong.extend(side_effects(case, tool, rounds, reply, effects));
    }
    wrong
}

/// A run that nobody aborted is answered; one that was aborted may have been answered before.
fn end(case: Case, reply: Option<&Ask>) -> Option<String> {
    let is_answered = reply.is_some();
    (!is_answered && case.script != Script::Abort).then(|| "the message was not answered".to_owned())
}

fn side_effects(case: Case, tool: &str, rounds: usize, reply: Option<&Ask>, effects: &[Done]) -> Vec<String> {
    let mut wrong = Vec::new();
    let text = reply.map(Ask::whole_text).unwrap_or_default();
    let is_unknown = text.contains(UNKNOWN);
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
        Script::Unsafe if effects.is_empty() && !is_unknown && !fails_as_told => {
            wrong.push("an unsafe tool was never executed, and the model was not told".to_owned());
        }
        _ => {}
    }
    if is_unknown && case.script != Script::Unsafe {
        wrong.push("the outcome of a call that can be repeated is unknown".to_owned());
    }
    wrong
}
