//! What each command does.

mod agent;
mod announce;
mod chat;
mod config;
mod cron;
mod demo;
mod doctor;
mod external_metrics;
mod health;
mod migrate;
mod prune;
mod reload;
mod replicas;
mod runs;
mod serve;
mod sessions;
mod watch;

use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::{Cli, Command};
use crate::seams::Seams;

/// Runs a command.
pub(crate) fn run(cli: Cli, seams: &Seams) -> anyhow::Result<ExitCode> {
    let common = cli.common;
    match cli.command {
        None => serve::run(&common, &cli.serve, seams),
        Some(Command::Serve(serve)) => serve::run(&common, &serve, seams),
        Some(Command::Demo(options)) => demo::run(&options),
        Some(Command::Agent(agent)) => block_on(agent::run(&common, agent)),
        Some(Command::Chat(chat)) => block_on(chat::run(&common, chat)),
        Some(Command::Sessions(sessions)) => block_on(sessions::run(&common, sessions)),
        Some(Command::Runs(runs)) => block_on(runs::run(&common, runs)),
        Some(Command::Cron(cron)) => block_on(cron::run(&common, cron)),
        Some(Command::Replicas(replicas)) => block_on(replicas::run(&common, &replicas)),
        Some(Command::Doctor(options)) => block_on(doctor::run(&common, &options)),
        Some(Command::Health(health)) => block_on(health::run(&common, health)),
        Some(Command::Migrate(migrate)) => block_on(migrate::run(&common, &migrate)),
        Some(Command::Prune(options)) => block_on(prune::run(&common, &options)),
        Some(Command::ExternalMetrics(options)) => block_on(external_metrics::run(&common, options)),
        Some(Command::Config(command)) => config::run(&common, &command),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Cli::command(), "regrow", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs a short command.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start")?.block_on(work)
}
