//! Which cases there are.

use regrow_faults::{Effect, FailPoint, Intent, Moment, Point};

use super::case::{Case, Script};

/// Every boundary that a kind of run passes, with everything that can go wrong there, streamed and whole.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for script in Script::ALL {
        for (point, times) in passed(script) {
            for nth in 1..=times {
                for moment in [Moment::Before, Moment::After] {
                    for effect in [Effect::Kill, Effect::Stop, Effect::Fail] {
                        let fail_point = FailPoint { point, moment, nth, effect };
                        // Both ways to ask take turns, so that each boundary is met by both.
                        let stream = cases.len() % 2 == 0;
                        cases.push(Case { script, fail_point, stream });
                    }
                }
            }
        }
    }
    cases
}

/// A part of all cases that has each boundary, each effect and each kind of run: every seventh case, and each boundary's
/// death under an unsafe tool.
pub fn short() -> Vec<Case> {
    let is_short = |(number, case): &(usize, Case)| number % 7 == 0 || is_death(case);
    all().into_iter().enumerate().filter(is_short).map(|(_, case)| case).collect()
}

/// The least that is worth trying: a death behind each boundary, where something has happened and nobody knows it yet.
pub fn deaths() -> Vec<Case> {
    let is_behind = |case: &Case| is_death(case) && case.fail_point.moment == Moment::After;
    all().into_iter().filter(is_behind).collect()
}

/// An unsafe tool passes each boundary.
fn is_death(case: &Case) -> bool {
    let is_first = case.fail_point.effect == Effect::Kill && case.fail_point.nth == 1;
    case.script == Script::Unsafe && is_first
}

/// The boundaries that the first replica of a run passes, and how often.
fn passed(script: Script) -> Vec<(Point, u32)> {
    let store = |intent, times| (Point::Store(intent), times);
    let always = [store(Intent::Accept, 1), store(Intent::Finish, 1)];
    // Whoever is to be aborted ends before anybody could take over.
    let claim = (script != Script::Abort).then_some(store(Intent::Claim, 1));
    // A call that is pure or keyed is asked for twice, in two answers.
    let tool = match script {
        Script::NoTool | Script::Abort => Vec::new(),
        Script::Pure | Script::Keyed => vec![(Point::Answer, 2), (Point::Tool, 2), (Point::Result, 2)],
        Script::Unsafe => vec![(Point::Answer, 1), (Point::Started, 1), (Point::Tool, 1), (Point::Result, 1)],
    };
    always.into_iter().chain(claim).chain(tool).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_short_list_leaves_no_kind_out() {
        let (all, short) = (all(), short());
        let kinds = |cases: &[Case]| -> [HashSet<String>; 3] {
            [
                cases.iter().map(|case| format!("{:?}", case.script)).collect(),
                cases.iter().map(|case| format!("{:?}", case.fail_point.effect)).collect(),
                cases
                    .iter()
                    .map(|case| format!("{:?}{:?}", case.fail_point.point, case.fail_point.moment))
                    .collect(),
            ]
        };
        assert_eq!(kinds(&all), kinds(&short));
        assert!(short.len() * 3 < all.len(), "{} of {}", short.len(), all.len());
    }
}
