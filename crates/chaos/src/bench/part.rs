//! The parts of the benchmark, by name.

use clap::ValueEnum;

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Starts.
    Start,
    /// Memory.
    Memory,
    /// Turns one at a time.
    OwnTime,
    /// Closed loops.
    Closed,
    /// Open loops.
    Open,
    /// Processor time.
    Cpu,
    /// Takeovers.
    Takeover,
    /// Long sessions.
    History,
    /// Several replicas.
    Replicas,
    /// Beside what the store's server commits at all.
    Commits,
    /// Several replicas with a slow model.
    Fleet,
}

impl Part {
    /// All parts, in the order of measuring.
    pub const ALL: [Self; 11] = [
        Self::Start,
        Self::Memory,
        Self::OwnTime,
        Self::Closed,
        Self::Open,
        Self::Cpu,
        Self::Takeover,
        Self::History,
        Self::Replicas,
        Self::Commits,
        Self::Fleet,
    ];

    /// The name, as the command line and the report have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Memory => "memory",
            Self::OwnTime => "own-time",
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Cpu => "cpu",
            Self::Takeover => "takeover",
            Self::History => "history",
            Self::Replicas => "replicas",
            Self::Commits => "commits",
            Self::Fleet => "fleet",
        }
    }

    /// What is measured, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Self::Start => "from spawning the process to serving",
            Self::Memory => "memory at rest, of an idle session, of an open stream",
            Self::OwnTime => "one turn at a time, minus the same question asked of the model itself",
            Self::Closed => "so many clients, each sending its next turn when the last one is answered",
            Self::Open => "turns at a constant rate, timed from when they should have been sent",
            Self::Cpu => "processor time of a turn, by process",
            Self::Takeover => "a replica is ended in mid-reply, and the question asked again elsewhere",
            Self::History => "what turn 10, 100 and 1,000 of a session cost",
            Self::Replicas => "one, two and three replicas on one store, loaded at once",
            Self::Commits => "turns, in turns with pgbench on the same server",
            Self::Fleet => "one, two and four replicas with a model that takes a second",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_knows_every_part_by_the_name_that_the_report_has() {
        assert_eq!(Part::ALL.as_slice(), Part::value_variants());
        for part in Part::ALL {
            assert_eq!(Part::from_str(part.name(), false), Ok(part));
        }
    }
}
