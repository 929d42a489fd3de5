//! While the store is away: replicas that are cut off from it refuse in time and visibly, and come back.

use std::time::Duration;

use super::{Answer, HarmKind, History, Promise, Violation};

/// How long a request may take until it is refused: the patience of a replica with its store, and some time on a busy
/// machine.
const IN_TIME: Duration = Duration::from_secs(7);

/// How long a process that is killed may take from closing its connections until it counts as ended.
const DYING: Duration = Duration::from_millis(200);

pub(super) fn judge(history: &History) -> impl Iterator<Item = Violation> + '_ {
    history.probes.iter().filter_map(|probe| {
        let mut harms = history.harms.iter().filter(|harm| {
            matches!(harm.kind, HarmKind::Kill | HarmKind::Pause | HarmKind::Stall)
                && harm.replica.is_none_or(|replica| replica == probe.replica)
                && harm.from <= probe.answered + DYING
        });
        // Whoever was killed or stood still at the time said nothing.
        let is_harmed = harms.clone().any(|harm| harm.until >= probe.asked);
        let took = probe.answered.saturating_sub(probe.asked);
        let wrong = match probe.answer {
            Answer::Refused if took > IN_TIME && !is_harmed => format!("was refused only after {took:?}"),
            Answer::Lost if !is_harmed => format!("got no answer within {took:?}"),
            // Whoever was killed is not there until it has been started again.
            Answer::Nobody if harms.all(|harm| harm.kind != HarmKind::Kill) => "met nobody".to_owned(),
            Answer::Other(status) => format!("was answered with {status}"),
            Answer::Refused | Answer::Returned | Answer::Lost | Answer::Nobody => return None,
        };
        let what = format!("{} {wrong} at {:?}", probe.what, probe.asked);
        Some(Violation { promise: Promise::Away, session: format!("of replica {}", probe.replica), what })
    })
}
