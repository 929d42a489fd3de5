//! The crate against scripted servers on the loopback interface: whole calls, over real connections.

#![expect(clippy::unwrap_used, reason = "what a test's own machinery cannot do ends the test")]

mod anthropic;
mod bodies;
mod failover;
mod limits;
mod openai;
mod server;
mod setup;
