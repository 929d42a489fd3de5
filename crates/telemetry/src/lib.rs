//! What a replica tells about itself: metrics for Prometheus, the load of all replicas for autoscalers, and traces and logs
//! for OpenTelemetry ([`otlp`]).
//!
//! What is counted is counted where it happens to pass anyway: between the worker and the store ([`Metrics::over`]), and
//! after each attempt to get an answer of a model ([`regrow_providers::Observer`]). What can be asked for is asked for
//! when somebody looks. Nothing here can fail a run: a store that is away makes the figures that come from it unknown.

mod counts;
mod door;
mod intents;
mod lag;
mod load;
mod metrics;
mod models;
pub mod otlp;
mod store;

pub use door::serve;
pub use load::{Load, Looks};
pub use metrics::{Metrics, Reload};
