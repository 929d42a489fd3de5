//! The program `regrow`: command line, configuration, lifecycle and wiring of the crates.

mod advertise;
mod cli;
mod client;
mod command;
mod demo;
mod descriptors;
mod in_force;
mod logging;
mod otel;
mod outcome;
mod seams;
mod settings;
mod state;
mod stop;
mod store_url;
mod table;
mod version;
mod wiring;
mod workspace;

pub mod config;
pub mod replica_process;

pub use outcome::{run, run_with};
pub use seams::Seams;
