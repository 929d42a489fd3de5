//! The test bed itself: servers end, come back and follow each other as they should, and faults are what they are
//! called.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod crash;
mod database;
mod echo;
mod lost_answer;
mod owner;
mod proxy;
mod server;
mod standby;
