//! The store across machines against the conformance suite, and what only a server can get wrong.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a panic is the report"
)]

mod autoscale;
#[path = "../conformance/suite.rs"]
mod conformance;
mod harness;
mod membership;
mod password;
mod pooler;
mod races;
mod schema;
mod start;
mod statements;
mod tls;
mod vacuum;

conformance::conformance!(postgres, crate::harness::PostgresHarness);
