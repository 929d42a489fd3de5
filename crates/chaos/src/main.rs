//! The command line of the development kit.

mod commands;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use regrow_chaos::model_server::Server;
use regrow_chaos::{binary, with_gateway};

// Model and load share the processor with what they measure.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Scripted model server, measurements and clusters for the development of Regrow.
#[derive(Debug, Parser)]
#[command(name = "regrow-chaos")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve scripted models (OpenAI and Anthropic dialects) on the loopback interface.
    ModelServer {
        /// The port; 0 takes a free one.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Hold conversations while replicas are killed and paused, and judge from outside whether a promise was broken; exit
    /// code 1 if one was.
    Trial(commands::trial::Options),
    /// Let everything go wrong at every boundary of the protocol, one case at a time; exit code 1 if a promise was broken.
    CrashPoints(commands::crash_points::Options),
    /// Measure a gateway: its start, memory, own time, load, takeovers. Fails if a turn fails, not if a goal is missed.
    Bench(Box<commands::bench::Options>),
    /// Run a command with REGROW_BASE_URL and REGROW_TOKEN of a cluster that lives as long as the command.
    WithGateway {
        /// How many replicas.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
        replicas: u8,
        /// The regrow program; the one beside this program by default.
        #[arg(long)]
        regrow: Option<PathBuf>,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::ModelServer { port } => serve_model(port).await,
        Command::Trial(args) => commands::trial::run(args).await,
        Command::CrashPoints(args) => commands::crash_points::run(args).await,
        Command::Bench(args) => commands::bench::run(*args).await,
        Command::WithGateway { replicas, regrow, command } => {
            let binary = regrow.map_or_else(|| binary::beside("regrow"), Ok)?;
            with_gateway::run(binary, replicas.into(), &command).await
        }
    }
}

async fn serve_model(port: u16) -> Result<ExitCode> {
    let server = Server::start_on(port).await.with_context(|| format!("cannot listen on port {port}"))?;
    println!("{}", server.base_url());
    server.run().await?;
    Ok(ExitCode::SUCCESS)
}
