//! The command line of the development kit.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use regrow_chaos::measure::{self, Target};
use regrow_chaos::model_server::Server;
use regrow_chaos::{binary, with_gateway};

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
    /// Measure a gateway: its start, memory, own time per turn, turns per second.
    Measure(MeasureArgs),
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

#[derive(Debug, Args)]
struct MeasureArgs {
    /// The regrow program; the release build by default.
    #[arg(long, conflicts_with = "base_url")]
    regrow: Option<PathBuf>,
    /// Measure the running gateway at this URL (with /v1) instead of starting one.
    #[arg(long)]
    base_url: Option<String>,
    /// The token of the running gateway.
    #[arg(long, default_value = "", requires = "base_url")]
    token: String,
    /// The model to ask the running gateway for.
    #[arg(long, default_value = "openclaw", requires = "base_url")]
    model: String,
    /// The URL (with /v1) of the running gateway's model server, to subtract the model's time.
    #[arg(long, requires = "base_url")]
    model_url: Option<String>,
    /// The process of the running gateway, to read its memory and processor time.
    #[arg(long, requires = "base_url")]
    pid: Option<u32>,
    /// Sessions at once under load.
    #[arg(long, default_value_t = 64)]
    concurrency: usize,
    /// Seconds of load.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Also write the numbers to this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
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
        Command::Measure(args) => measure_gateway(args).await,
        Command::WithGateway { replicas, regrow, command } => {
            let binary = regrow.map_or_else(binary::beside, Ok)?;
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

async fn measure_gateway(args: MeasureArgs) -> Result<ExitCode> {
    let target = match args.base_url {
        Some(base_url) => {
            let (token, model, model_url, pid) = (args.token, args.model, args.model_url, args.pid);
            Target::Running { base_url, token, model, model_url, pid }
        }
        None => Target::Started(args.regrow.map_or_else(binary::release, Ok)?),
    };
    let duration = Duration::from_secs(args.seconds);
    let report = measure::run(&measure::Options { target, concurrency: args.concurrency, duration }).await?;
    print!("{report}");
    if let Some(path) = args.json {
        fs::write(&path, serde_json::to_string_pretty(&report)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
