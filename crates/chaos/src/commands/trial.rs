//! `trial`: tries replicas by killing and pausing them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use regrow_chaos::{binary, trial};

use super::{Store, write_json};

/// The options of `trial`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often a replica is killed (SIGKILL).
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// How often a replica is paused (SIGSTOP) for longer than its lease.
    #[arg(long, default_value_t = 20)]
    pauses: usize,
    /// What the replicas share.
    #[arg(long, value_enum, default_value = "sqlite")]
    store: Store,
    #[command(flatten)]
    breaks: Breaks,
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

/// Harm to the network and the database; with `--store postgres`.
#[derive(Debug, Clone, Copy, Args)]
struct Breaks {
    /// How often all connections between a replica and the database are reset.
    #[arg(long, default_value_t = 0)]
    cuts: usize,
    /// How often a replica hears nothing of the database for longer than its lease.
    #[arg(long, default_value_t = 0)]
    black_holes: usize,
    /// How often everything between a replica and the database arrives later than its lease lasts.
    #[arg(long, default_value_t = 0)]
    late: usize,
    /// How often the answers of the database are lost.
    #[arg(long, default_value_t = 0)]
    lost_answers: usize,
    /// How often the database crashes and is started again.
    #[arg(long, default_value_t = 0)]
    store_restarts: usize,
    /// How often the database is gone, and a standby takes its place.
    #[arg(long, default_value_t = 0)]
    fail_overs: usize,
}

/// Holds a trial and reports.
pub(crate) async fn run(args: Options) -> Result<ExitCode> {
    let program = if args.fail_points || args.mutant.is_some() { "regrow-faulty" } else { "regrow" };
    let binary = args.regrow.map_or_else(|| binary::beside(program), Ok)?;
    let Breaks { cuts, black_holes, late, lost_answers, store_restarts, fail_overs } = args.breaks;
    let breaks = trial::Breaks { cuts, black_holes, late, lost_answers, store_restarts, fail_overs };
    let postgres = (args.store == Store::Postgres).then_some(breaks);
    ensure!(
        postgres.is_some() || breaks == trial::Breaks::default(),
        "harm to the network and the database needs --store postgres"
    );
    let options = trial::Options {
        postgres,
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
