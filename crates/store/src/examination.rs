//! What a store finds when it examines itself, for people.

use crate::{Load, ReplicaView};

/// The state of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// The name of the back-end, for people.
    pub back_end: &'static str,
    /// The release of the database.
    pub version: String,
    /// The version of the schema.
    pub schema: i64,
    /// The store's time when all else was known: milliseconds since 1970.
    pub clock: i64,
    /// Bytes that the store takes.
    pub size: u64,
    /// Bytes that it can still grow by, if that is known.
    pub free: Option<u64>,
    /// How much there is to do.
    pub load: Load,
    /// Replicas that the store believes alive.
    pub replicas: Vec<ReplicaView>,
    /// What only this back-end can look at, good and bad.
    pub findings: Vec<Finding>,
}

/// What one check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// What was looked at.
    pub subject: &'static str,
    /// What was found.
    pub what: String,
    /// What to do; empty if nothing.
    pub advice: String,
}

/// How bad a finding is, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, and something is missing or at risk.
    Warning,
    /// A promise cannot be kept like this.
    Problem,
}

impl Level {
    /// The word for people and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

impl Finding {
    /// As it should be.
    pub fn ok(subject: &'static str, what: impl Into<String>) -> Self {
        Self { level: Level::Ok, subject, what: what.into(), advice: String::new() }
    }

    /// It works, and something is missing or at risk.
    pub fn warning(subject: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Warning, subject, what: what.into(), advice: advice.into() }
    }

    /// A promise cannot be kept like this.
    pub fn problem(subject: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Problem, subject, what: what.into(), advice: advice.into() }
    }
}
