//! The pure core through its public interface: what it decides, what it renders, what it persists, and that none of
//! it depends on where a run was cut off.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test, a panic is the report")]

mod compaction;
mod context;
mod crash;
mod inbound;
mod next;
mod persisted;
mod prompt;
mod reply;
mod scene;
mod transcript;
