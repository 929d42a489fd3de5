//! The door as Kubernetes' API server finds it: real TLS, real stores.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod api;
mod api_server;
mod certificates;
mod cluster;
mod exchange;
mod front_proxy;
mod probes;
mod scene;
mod store_away;
