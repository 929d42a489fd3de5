//! The embedded store against the conformance suite, and what only a file can get wrong.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a panic is the report"
)]

#[path = "../conformance/suite.rs"]
mod conformance;
mod examine;
mod faults;
mod group_commit;
mod harness;
mod hints;
mod mutants;
mod retention;
mod schema;
mod stopped;

conformance::conformance!(sqlite, crate::harness::SqliteHarness);
