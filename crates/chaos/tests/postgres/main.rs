//! The lines of the failure table over PostgreSQL, one test each: real replicas, real signals, a real server, a network
//! that breaks.
//!
//! Lines that the store has no part in are tested elsewhere; `docs/proof.md` says where.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod capacity;
mod network;
mod replica;
mod scene;
mod server;
mod trial;
