//! The door as its clients see it: real sockets, every byte.

mod abandonment;
mod addressing;
mod completions;
mod connections;
mod idempotency;
mod probes;
mod refusals;
mod rules;
mod streams;
mod traces;
