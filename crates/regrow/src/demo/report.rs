//! What a demonstration has shown, as a table and a sentence for people, and as JSON for programs. Everything in it was
//! counted or measured.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::tally::Tally;

/// The report.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Gives the same messages and dice again.
    pub(super) seed: u64,
    pub(super) seconds: f64,
    pub(super) replicas: usize,
    pub(super) planned_conversations: usize,
    pub(super) conversations: usize,
    pub(super) at_once: usize,
    pub(super) accepted: usize,
    pub(super) answered: usize,
    pub(super) lost: usize,
    pub(super) duplicated: usize,
    pub(super) out_of_order: usize,
    /// Writes by a former owner that the store let through.
    pub(super) stale_writes: usize,
    pub(super) refused: usize,
    pub(super) asked_again: usize,
    pub(super) kills: u64,
    pub(super) takeovers: usize,
    pub(super) takeover_ms: Option<Spread>,
    /// Replies that were cut off and continued by another replica.
    pub(super) continued: usize,
    /// The longest time between two pieces of one reply.
    pub(super) longest_silence_ms: f64,
    pub(super) breaks: Vec<String>,
    pub(super) verdict: Verdict,
    /// Where everything lies, if it was kept.
    pub(super) directory: Option<PathBuf>,
}

/// Times, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

/// What it comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    /// Every promise held, under fire.
    Kept,
    /// A promise is broken.
    Broken,
    /// Nothing was broken, but nothing was shown: no replica died under a run, or messages were refused.
    #[default]
    Unproven,
}

impl Report {
    /// Takes over what was counted, and judges it.
    pub(super) fn judge(&mut self, tally: Tally) {
        self.verdict = match &tally {
            _ if tally.is_broken() => Verdict::Broken,
            _ if tally.refused > 0 || tally.answered == 0 || self.kills == 0 || self.takeovers == 0 => {
                Verdict::Unproven
            }
            _ => Verdict::Kept,
        };
        self.accepted = tally.accepted;
        self.answered = tally.answered;
        self.lost = tally.lost;
        self.duplicated = tally.duplicated;
        self.out_of_order = tally.out_of_order;
        self.stale_writes = tally.stale;
        self.refused = tally.refused;
        self.asked_again = tally.asked_again;
        self.breaks = tally.breaks;
    }

    /// What it comes to.
    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![
            ("conversations", self.conversations()),
            ("messages accepted", self.accepted.to_string()),
            ("answered", self.answered.to_string()),
            ("lost", self.lost.to_string()),
            ("duplicated", self.duplicated.to_string()),
            ("out of order", self.out_of_order.to_string()),
            ("writes by a former owner", self.stale_writes.to_string()),
        ];
        rows.push(("asked again with the same key", format!("{} times", self.asked_again)));
        if self.refused > 0 {
            rows.push(("messages refused", self.refused.to_string()));
        }
        rows.push(("replicas killed (SIGKILL)", self.kills.to_string()));
        rows.push(("runs taken over", self.takeovers.to_string()));
        if let Some(Spread { p50, p99, max }) = self.takeover_ms {
            rows.push(("takeover time, p50 / p99 / max", format!("{p50:.0} / {p99:.0} / {max:.0} ms")));
        }
        rows.push(("replies cut off and continued", self.continued.to_string()));
        rows.push(("longest silence in a reply", format!("{:.0} ms", self.longest_silence_ms)));
        rows
    }

    fn conversations(&self) -> String {
        let all = match self.planned_conversations - self.conversations {
            0 => self.conversations.to_string(),
            _ => format!("{} of {}; then the time was up", self.conversations, self.planned_conversations),
        };
        format!("{all} (up to {} at once)", self.at_once)
    }

    fn sentence(&self) -> String {
        match self.verdict {
            Verdict::Kept => format!(
                "{} replicas died in the middle of their work: nothing was lost, repeated or out of order.",
                self.kills
            ),
            Verdict::Broken => "A promise is broken; what happened stands above. Please report it.".to_owned(),
            Verdict::Unproven if self.refused > 0 => {
                "Nothing is proven: messages were refused before they were accepted.".to_owned()
            }
            Verdict::Unproven => {
                "Nothing is proven: no replica died while it worked. Give it more --conversations or --seconds."
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} replicas, {:.1} s, seed {}", self.replicas, self.seconds, self.seed)?;
        for (name, value) in self.rows() {
            writeln!(f, "  {name:<34}{value}")?;
        }
        for what in &self.breaks {
            writeln!(f, "  ! {what}")?;
        }
        writeln!(f, "{}", self.sentence())
    }
}

impl Spread {
    /// Nothing if there are no times. Percentiles are times that were measured, the next larger one.
    pub(super) fn of(times: &mut [Duration]) -> Option<Self> {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).map(|time| millis(*time))
        };
        Some(Self { p50: at(50)?, p99: at(99)?, max: at(100)? })
    }
}

pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_times() {
        let spread = |millis: &[u64]| {
            Spread::of(&mut millis.iter().map(|millis| Duration::from_millis(*millis)).collect::<Vec<_>>())
        };
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[7]), Some(Spread { p50: 7.0, p99: 7.0, max: 7.0 }));
        assert_eq!(spread(&[4, 1, 3, 2]), Some(Spread { p50: 2.0, p99: 4.0, max: 4.0 }));
        let hundred: Vec<u64> = (1..=200).collect();
        assert_eq!(spread(&hundred), Some(Spread { p50: 100.0, p99: 198.0, max: 200.0 }));
    }

    #[test]
    fn the_verdict_follows_the_tally() {
        let verdict = |kills, tally| {
            let mut report = Report { kills, takeovers: 1, ..Report::default() };
            report.judge(tally);
            report.verdict()
        };
        let well = Tally { accepted: 2, answered: 2, ..Tally::default() };
        assert_eq!(verdict(3, well.clone()), Verdict::Kept);
        assert_eq!(verdict(0, well.clone()), Verdict::Unproven);
        assert_eq!(verdict(3, Tally { refused: 1, ..well.clone() }), Verdict::Unproven);
        assert_eq!(verdict(3, Tally::default()), Verdict::Unproven);
        for broken in [
            Tally { lost: 1, ..well.clone() },
            Tally { duplicated: 1, ..well.clone() },
            Tally { out_of_order: 1, ..well.clone() },
            Tally { stale: 1, ..well.clone() },
        ] {
            assert_eq!(verdict(3, broken), Verdict::Broken);
        }
    }

    #[test]
    fn breaks_are_shown() {
        let tally = Tally { accepted: 1, lost: 1, breaks: vec!["k1: gone".to_owned()], ..Tally::default() };
        let mut report = Report::default();
        report.judge(tally);
        let text = report.to_string();
        assert!(text.contains("  ! k1: gone\nA promise is broken"), "{text}");
    }
}
