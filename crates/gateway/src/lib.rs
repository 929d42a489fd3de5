//! The front door: OpenAI's chat completions over HTTP, with OpenClaw's headers and probes.
//!
//! A request becomes a submission to the worker, and the worker's updates become a reply or an event stream. Nothing
//! that must survive is kept here: a client that lost its connection comes back to any replica, with its idempotency
//! key or the id of the last event that it saw.
//!
//! HTTP/1.1 is spoken directly on hyper. There are a dozen routes, so a `match` is the router, and everything that
//! every request needs (headers, panics, authentication) is called where it can be read.

mod app;
mod auth;
mod body;
mod chat;
mod connection;
mod engine;
mod header;
mod models;
mod network;
mod options;
mod peer;
mod probes;
mod read_body;
mod refusal;
mod respond;
mod router;
mod rules;
mod serve;
mod trace;

pub use network::{Network, NotANetwork};
pub use options::{Auth, AuthRateLimit, Limits, Options, Settings, Shutdown};
pub use rules::Rules;
pub use serve::serve;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
