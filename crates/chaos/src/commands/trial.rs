//! `trial`: tries replicas by killing and pausing them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use regrow_chaos::{binary, trial};

use super::write_json;

/// The options of `trial`.
#[derive(Debug, Args)]
pub(crate) struct Options {
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
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    conversations: u16,
    /// What all chance comes from; the replicas' timing is not part of it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Let replicas end and stop themselves at named boundaries as well (with regrow-faulty).
    #[arg(long)]
    fail_points: bool,
    /// Try a protocol that is broken on purpose (with regrow-faulty), such as NoDedupe; the trial must find it out.
    #[arg(long)]
    mutant: Option<String>,
    /// How many seconds a message may take before it counts as lost.
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// The regrow program; the one beside this program by default.
    #[arg(long)]
    regrow: Option<PathBuf>,
    /// Also write the result to this file as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Holds a trial and reports.
pub(crate) async fn run(args: Options) -> Result<ExitCode> {
    let program = if args.fail_points || args.mutant.is_some() { "regrow-faulty" } else { "regrow" };
    let binary = args.regrow.map_or_else(|| binary::beside(program), Ok)?;
    let options = trial::Options {
        replicas: args.replicas.into(),
        conversations: args.conversations.into(),
        seed: args.seed,
        boundaries: if args.fail_points { trial::ANYWHERE } else { &[] },
        mutant: args.mutant,
        patience: Duration::from_secs(args.patience),
        verbose: true,
        ..trial::Options::new(binary, args.kills, args.pauses)
    };
    let report = trial::run(options).await?;
    eprint!("{}", report.logs);
    print!("{report}");
    if let Some(path) = &args.json {
        write_json(path, &report)?;
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
