//! Whole workers in one process: real stores on one file, a scripted model, tools that the test holds in its hand, and a
//! store that fails when it is told to.
//!
//! What happens between real processes is tested with the program; here is what only a look inside can aim at.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test, a panic is the report"
)]

mod abort;
mod chance;
mod compaction;
mod drain;
mod faulty;
mod fencing;
mod follow;
mod lost_answers;
mod panics;
mod peers;
mod probe;
mod retention;
mod scene;
mod schedules;
mod settings;
mod side_effects;
mod submit;
mod takeover;
mod turns;
