//! What a load met with: every turn is counted once, as good, refused or failed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Latency;
use crate::client::Reply;

/// What became of one turn; without a response, why.
pub(super) type Outcome = Result<Reply, String>;

/// What a load met with.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Turns that were answered in whole.
    pub ok: u64,
    /// Responses by status, also those of good turns.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests without any response.
    pub unanswered: u64,
    /// Responses with status 200 that broke off or held an error.
    pub broken: u64,
    /// Refusals (429, 503) that said when to come again.
    pub refused: u64,
    /// Refusals that did not.
    pub refused_bare: u64,
    /// One of the failures, as an example; a refusal only if nothing worse happened.
    pub example: Option<String>,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// From request to the end of the answer, of good turns.
    pub total: Latency,
    /// From request to the first token, of good turns.
    pub first_token: Latency,
    /// How much later than intended requests were sent; empty in a closed loop, which intends no times.
    pub late: Latency,
}

impl Report {
    /// Good turns per second.
    pub fn turns_per_second(&self) -> f64 {
        self.ok as f64 / self.elapsed.as_secs_f64()
    }

    /// All turns that ended in any way.
    pub fn turns(&self) -> u64 {
        self.statuses.values().sum::<u64>() + self.unanswered
    }

    /// Turns that did not go well.
    pub fn failures(&self) -> u64 {
        self.turns() - self.ok
    }

    /// Turns that neither went well nor were refused.
    pub fn worse_than_refused(&self) -> u64 {
        self.failures() - self.refused - self.refused_bare
    }

    /// What became of the turns that did not go well, with an example.
    pub fn describe_failures(&self) -> String {
        let Self { refused, refused_bare, unanswered, broken, .. } = self;
        let others = self.worse_than_refused() - unanswered - broken;
        let example = self.example.as_deref().unwrap_or("no example");
        format!(
            "{} of {} turns failed ({refused} refused with Retry-After, {refused_bare} without; {broken} broken off, \
             {unanswered} unanswered, {others} others), such as: {example}",
            self.failures(),
            self.turns()
        )
    }

    /// Adds a load that was made at another time, so that rates stay rates.
    pub fn add(&mut self, later: Self) {
        self.elapsed += later.elapsed;
        self.merge(later);
    }

    /// Notes a turn that was sent `late`, which counts as waiting.
    pub(super) fn note(&mut self, outcome: Outcome, late: Duration) {
        let reply = match outcome {
            Ok(reply) => reply,
            Err(why) => {
                self.unanswered += 1;
                self.example = Some(why);
                return;
            }
        };
        *self.statuses.entry(reply.status).or_default() += 1;
        if reply.is_ok() {
            self.ok += 1;
            self.total.record(late + reply.total);
            self.first_token.record(late + reply.first_token.unwrap_or(reply.total));
            return;
        }
        let example = format!("status {}: {:?} {:?}", reply.status, reply.error, reply.broken);
        if matches!(reply.status, 429 | 503) {
            let hinted = reply.header("retry-after").is_some();
            *(if hinted { &mut self.refused } else { &mut self.refused_bare }) += 1;
            self.example.get_or_insert(example);
            return;
        }
        self.broken += u64::from(reply.status == 200);
        self.example = Some(example);
    }

    /// Adds a part of the same load.
    pub(super) fn merge(&mut self, other: Self) {
        if self.example.is_none() || (self.worse_than_refused() == 0 && other.worse_than_refused() > 0) {
            self.example.clone_from(&other.example);
        }
        self.ok += other.ok;
        self.unanswered += other.unanswered;
        self.broken += other.broken;
        self.refused += other.refused;
        self.refused_bare += other.refused_bare;
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        self.total.merge(&other.total);
        self.first_token.merge(&other.first_token);
        self.late.merge(&other.late);
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

    use super::*;

    fn reply(status: u16) -> Reply {
        Reply { status, complete: true, total: Duration::from_millis(5), ..Reply::default() }
    }

    #[test]
    fn each_turn_is_counted_once() {
        let mut report = Report::default();
        report.note(Ok(reply(200)), Duration::from_millis(5));
        report.note(Ok(Reply { complete: false, ..reply(200) }), Duration::ZERO);
        report.note(Ok(reply(429)), Duration::ZERO);
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static("1"))]);
        report.note(Ok(Reply { headers, ..reply(503) }), Duration::ZERO);
        report.note(Err("gone".into()), Duration::ZERO);
        assert_eq!((report.turns(), report.ok, report.failures()), (5, 1, 4));
        assert_eq!((report.refused, report.refused_bare), (1, 1));
        assert_eq!((report.broken, report.unanswered), (1, 1));
        assert_eq!(report.total.quantile(0.5).as_millis(), 10, "a late start is waiting too");
        assert_eq!(
            report.describe_failures(),
            "4 of 5 turns failed (1 refused with Retry-After, 1 without; 1 broken off, 1 unanswered, 0 others), \
             such as: gone"
        );
    }

    #[test]
    fn an_example_is_of_the_worst() {
        let (mut refused, mut lost) = (Report::default(), Report::default());
        refused.note(Ok(reply(429)), Duration::ZERO);
        lost.note(Err("gone".into()), Duration::ZERO);
        lost.note(Ok(reply(429)), Duration::ZERO);
        refused.merge(lost);
        assert_eq!((refused.example.as_deref(), refused.worse_than_refused()), (Some("gone"), 1));
    }

    #[test]
    fn loads_one_after_another_keep_their_rate() {
        let part = Report { ok: 10, elapsed: Duration::from_secs(2), ..Report::default() };
        let mut sum = part.clone();
        sum.add(part);
        assert_eq!((sum.ok, sum.turns_per_second()), (20, 5.0));
    }
}
