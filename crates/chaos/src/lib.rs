//! The development kit: what tests and measurements of Regrow need around a real cluster.
//!
//! Nothing here ships. A [`model_server`] stands in for a model provider and obeys directives written in the messages;
//! a [`cluster`] starts real replicas, kills, pauses and restarts them; a [`client`] and a [`load`] generator speak to
//! them as any OpenAI client would; [`bench`] turns that into a repeatable benchmark.

pub mod balancer;
pub mod bench;
pub mod binary;
pub mod client;
pub mod cluster;
pub mod crash_points;
pub mod database;
pub mod faulty;
pub mod history;
pub mod load;
pub mod model_server;
pub mod trial;
pub mod with_gateway;
