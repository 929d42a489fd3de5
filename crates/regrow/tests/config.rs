//! The configuration as the program and its operators see it.

#[path = "config/bench.rs"]
mod bench;
#[path = "config/compatibility.rs"]
mod compatibility;
#[path = "config/problems.rs"]
mod problems;
#[path = "config/sources.rs"]
mod sources;
