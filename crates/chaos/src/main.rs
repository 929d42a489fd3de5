//! The command line of the development kit.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use regrow_chaos::bench::{self, Part, Scale, Target};
use regrow_chaos::model_server::Server;
use regrow_chaos::{binary, crash_points, trial, with_gateway};
use serde::Serialize;

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
    Trial(TrialArgs),
    /// Let everything go wrong at every boundary of the protocol, one case at a time; exit code 1 if a promise was broken.
    CrashPoints(CrashPointArgs),
    /// Measure a gateway: its start, memory, own time, load, takeovers. Fails if a turn fails, not if a goal is missed.
    Bench(Box<BenchArgs>),
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
struct BenchArgs {
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
    /// Only these parts, with commas between them.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// List the parts and measure nothing.
    #[arg(long)]
    list: bool,
    /// A glance of some 20 seconds instead of a few minutes.
    #[arg(long)]
    quick: bool,
    /// Turns per second of the open loop; 50 % and 80 % of what the gateway can do by default.
    #[arg(long)]
    rate: Option<f64>,
    /// Where the figures go as JSON; `bench.json` in the target directory by default.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct TrialArgs {
    /// How often a replica is killed (SIGKILL).
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// How often a replica is paused (SIGSTOP) for longer than its lease.
    #[arg(long, default_value_t = 20)]
    pauses: usize,
    /// How many replicas.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..))]
    replicas: u8,
    /// Conversations at the same time.
    #[arg(long, default_value_t = 10)]
    conversations: usize,
    /// What all chance comes from; the replicas' timing is not part of it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Let replicas end and stop themselves at named boundaries as well (with regrow-faulty).
    #[arg(long)]
    fail_points: bool,
    /// Try a protocol that is broken on purpose (with regrow-faulty), such as NoDedupe; the trial must find it out.
    #[arg(long)]
    mutant: Option<String>,
    /// The regrow program; the one beside this program by default.
    #[arg(long)]
    regrow: Option<PathBuf>,
    /// Also write the result to this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CrashPointArgs {
    /// Only a part of all cases that leaves no boundary and no kind of run out.
    #[arg(long)]
    short: bool,
    /// Only cases whose line contains this, such as 'Unsafe' or 'finish.after'.
    #[arg(long, default_value = "")]
    only: String,
    /// Cases at the same time.
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    /// The regrow-faulty program; the one beside this program by default.
    #[arg(long)]
    regrow_faulty: Option<PathBuf>,
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
        Command::Trial(args) => hold_trial(args).await,
        Command::CrashPoints(args) => try_crash_points(args).await,
        Command::Bench(args) => benchmark(*args).await,
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

async fn hold_trial(args: TrialArgs) -> Result<ExitCode> {
    let program = if args.fail_points || args.mutant.is_some() { "regrow-faulty" } else { "regrow" };
    let binary = args.regrow.map_or_else(|| binary::beside(program), Ok)?;
    let options = trial::Options {
        replicas: args.replicas.into(),
        conversations: args.conversations,
        seed: args.seed,
        fail_points: args.fail_points,
        mutant: args.mutant,
        verbose: true,
        ..trial::Options::new(binary, args.kills, args.pauses)
    };
    let report = trial::run(options).await?;
    eprint!("{}", report.logs);
    print!("{report}");
    write_json(args.json.as_deref(), &report)?;
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn try_crash_points(args: CrashPointArgs) -> Result<ExitCode> {
    let program = args.regrow_faulty.map_or_else(|| binary::beside("regrow-faulty"), Ok)?;
    let mut cases = if args.short { crash_points::short() } else { crash_points::all() };
    cases.retain(|case| case.to_string().contains(&args.only));
    let (all, mut broken) = (cases.len(), 0);
    crash_points::run(&program, cases, args.at_once, |outcome| {
        let is_sound = outcome.wrong.is_empty();
        println!("{} {}", if is_sound { "ok    " } else { "BROKEN" }, outcome.case);
        broken += usize::from(!is_sound);
        if !is_sound {
            eprint!("{}", outcome.logs);
            outcome.wrong.iter().for_each(|what| println!("         {what}"));
        }
    })
    .await?;
    println!("{all} cases, {broken} broken");
    Ok(if broken == 0 && all > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write_json(path: Option<&Path>, report: &impl Serialize) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    fs::write(path, serde_json::to_string_pretty(report)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

async fn benchmark(args: BenchArgs) -> Result<ExitCode> {
    if args.list {
        Part::ALL.iter().for_each(|part| println!("{:<10} {}", part.name(), part.about()));
        return Ok(ExitCode::SUCCESS);
    }
    let json = args.json.map_or_else(|| Ok(binary::target()?.join("bench.json")), anyhow::Ok)?;
    let target = match args.base_url {
        Some(base_url) => {
            let (token, model, model_url, pid) = (args.token, args.model, args.model_url, args.pid);
            Target::Running { base_url, token, model, model_url, pid }
        }
        None => Target::Started(args.regrow.map_or_else(binary::release, Ok)?),
    };
    let parts = if args.only.is_empty() { Part::ALL.to_vec() } else { args.only };
    let scale = if args.quick { Scale::quick() } else { Scale::full() };
    let report = bench::run(&bench::Options { target, parts, scale, rate: args.rate }).await;
    print!("{report}");
    write_json(Some(&json), &report)?;
    eprintln!("the figures as JSON: {}", json.display());
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
