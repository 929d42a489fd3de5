//! Real replicas, real signals, one store, a scripted model: each test tries to break one promise of the program.
//!
//! A test that fails shows the logs of its replicas. Nothing here sleeps to let something happen; what cannot be awaited
//! across processes is looked for again and again, within a limit.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic is the report")]

mod abandonment;
mod advertised;
mod bad_store;
mod bench;
mod collector;
mod command_line;
mod death;
mod demo;
mod divergence;
mod doctor;
mod drain;
mod expected;
mod external_metrics;
mod followers;
mod idempotency;
mod limits;
mod memory;
mod metrics;
mod model_failures;
mod order;
mod parent;
mod pause;
mod proxies;
mod reload;
mod retention;
mod rolling;
mod scene;
mod schedules;
mod start;
mod store_away;
mod stuck;

mod stream;
mod tools;
mod traces;
mod trial;
