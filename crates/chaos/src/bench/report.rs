//! The result of a benchmark, as a table for people and as JSON for comparisons.

use std::fmt;
use std::thread::available_parallelism;

use serde::Serialize;

use super::goals::{self, Goals};
use super::{Figure, Options, Part, Target, process};
use crate::load;

/// The width of the column of names, which is that of the longest.
const NAME: usize = 48;

/// The load average for each core from which on the report warns.
const BUSY: f64 = 0.25;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was measured: a program that was started for the purpose, or a gateway that was running.
    pub subject: String,
    /// The name of the scale.
    pub scale: &'static str,
    /// How many cores client, model server and gateway share.
    pub cores: usize,
    /// The load average of the last minute before the benchmark: what else the machine was doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_average_before: Option<f64>,
    /// Where OpenClaw's figures come from.
    pub openclaw_source: &'static str,
    /// The parts.
    pub sections: Vec<Section>,
}

/// What was measured in one part.
#[derive(Debug, Clone, Serialize)]
pub struct Section {
    /// The part's name.
    pub part: &'static str,
    /// What it measures.
    pub about: &'static str,
    /// How long it took.
    pub seconds: f64,
    /// What went wrong; nothing if the part is good.
    pub failures: Vec<String>,
    /// The figures.
    pub figures: Vec<Figure>,
    #[serde(skip)]
    goals: Goals,
}

impl Report {
    pub(super) fn new(options: &Options) -> Self {
        let subject = match &options.target {
            Target::Started(started) => {
                format!("regrow {} on {}, started", env!("CARGO_PKG_VERSION"), started.place.describe())
            }
            Target::Running { base_url, .. } => format!("the gateway at {base_url}"),
        };
        let cores = available_parallelism().map_or(1, usize::from);
        let (scale, openclaw_source) = (options.scale.name, goals::OPENCLAW);
        let load_average_before = process::load_average();
        Self { subject, scale, cores, load_average_before, openclaw_source, sections: Vec::new() }
    }

    /// Whether all turns of all parts went well. A goal that is not met is no failure: machines differ.
    pub fn is_good(&self) -> bool {
        self.sections.iter().all(|section| section.failures.is_empty())
    }
}

impl Section {
    pub(super) fn new(part: Part, goals: Goals) -> Self {
        let (part, about) = (part.name(), part.about());
        Self { part, about, seconds: 0.0, failures: Vec::new(), figures: Vec::new(), goals }
    }

    /// Adds a figure; its id gets the part's name before it.
    pub(super) fn add(&mut self, id: &str, name: impl Into<String>, unit: &'static str, value: f64) {
        self.put(id, name.into(), unit, Ok(value));
    }

    /// Adds a figure that may have no value, and why.
    pub(super) fn add_if(
        &mut self,
        id: &str,
        name: impl Into<String>,
        unit: &'static str,
        value: Option<f64>,
        why_not: &str,
    ) {
        self.put(id, name.into(), unit, value.ok_or_else(|| why_not.to_owned()));
    }

    /// Adds the figures of a load. Failed turns are a failure, unless they are refusals that the part expects.
    pub(super) fn add_load(&mut self, id: &str, name: &str, load: &load::Report, refusals_are_fine: bool) {
        let failures = if refusals_are_fine { load.worse_than_refused() } else { load.failures() };
        if failures > 0 {
            self.fail(format!("{name}: {}", load.describe_failures()));
        }
        let none = "no turn was answered";
        let some = load.ok > 0;
        let quantile = |share| some.then(|| millis(load.total.quantile(share)));
        self.add(&format!("{id}.rate"), format!("{name}: turns per second"), "", load.turns_per_second());
        for (share, label) in [(0.5, "p50"), (0.95, "p95"), (0.99, "p99")] {
            self.add_if(&format!("{id}.{label}"), format!("{name}: {label}"), "ms", quantile(share), none);
        }
    }

    /// Notes that something went wrong.
    pub(super) fn fail(&mut self, what: String) {
        self.failures.push(what);
    }

    fn put(&mut self, id: &str, name: String, unit: &'static str, value: Result<f64, String>) {
        let id = format!("{}.{id}", self.part);
        self.figures.push(Figure::new(self.goals, id, name, unit, value));
    }
}

/// A duration in milliseconds.
pub(super) fn millis(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; {} form; {} cores for everything", self.subject, self.scale, self.cores)?;
        if let Some(load) = self.load_average_before.filter(|load| *load > BUSY * self.cores as f64) {
            writeln!(
                f,
                "the machine was busy before (load average {load}): the figures are worse than they should be"
            )?;
        }
        writeln!(f, "last column: {}, in the same units", self.openclaw_source)?;
        for section in &self.sections {
            write!(f, "\n{section}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} ({:.1} s)", self.part, self.about, self.seconds)?;
        let rows: Vec<[String; 5]> = self.figures.iter().map(Figure::cells).collect();
        for [name, value, goal, met, openclaw] in rows {
            let line = format!("  {name:<NAME$} {value:>12}  {goal:<8} {met:<8} {openclaw:>9}");
            writeln!(f, "{}", line.trim_end())?;
        }
        let mut reasons: Vec<_> = self.figures.iter().filter_map(|figure| figure.absent.as_ref()).collect();
        reasons.dedup();
        for reason in reasons {
            writeln!(f, "  absent: {reason}")?;
        }
        for failure in &self.failures {
            writeln!(f, "  FAILED: {failure}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_shows_values_goals_gaps_and_failures() {
        let mut section = Section::new(Part::Memory, goals::SQLITE);
        section.add("idle", "idle", "MB", 27.5);
        section.add_if("session", "of an idle session", "kB", None, "no --pid was given");
        section.fail("3 of 7 turns, such as: status 500".into());
        let lines: Vec<String> = section.to_string().lines().map(str::to_owned).collect();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&lines[1]), ["idle", "27.5", "MB", "≤", "25", "NOT", "MET", "950"]);
        assert_eq!(words(&lines[2]), ["of", "an", "idle", "session", "absent"]);
        assert_eq!(
            lines[3..],
            ["  absent: no --pid was given", "  FAILED: 3 of 7 turns, such as: status 500"]
        );
    }

    #[test]
    fn a_load_without_answers_has_no_latency() {
        let mut section = Section::new(Part::Closed, goals::SQLITE);
        let load =
            load::Report { unanswered: 2, elapsed: std::time::Duration::from_secs(1), ..Default::default() };
        section.add_load("1", "one", &load, false);
        assert_eq!(section.failures.len(), 1);
        assert!(section.failures[0].starts_with("one: 2 of 2 turns failed"), "{:?}", section.failures);
        assert_eq!((section.figures[0].value, section.figures[1].value), (Some(0.0), None));
    }
}
