//! What each command of the kit does, and its options.

pub(crate) mod bench;
pub(crate) mod crash_points;
pub(crate) mod trial;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;

/// What replicas share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    /// A file.
    Sqlite,
    /// A PostgreSQL server of the kit's own.
    Postgres,
}

/// Writes a report to a file as JSON.
fn write_json(path: &Path, report: &impl Serialize) -> Result<()> {
    fs::write(path, serde_json::to_string_pretty(report)?)
        .with_context(|| format!("cannot write {}", path.display()))
}
