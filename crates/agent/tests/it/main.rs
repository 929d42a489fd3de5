//! The pure core through its public interface: what it decides, what it renders, what it persists, and that none of
//! it depends on where a run was cut off.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test, a panic is the report")]

mod crash;
mod scene;
