//! `crash-points`: tries every boundary of the protocol.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use regrow_chaos::{binary, crash_points};
use regrow_testbed::postgres::Server;

use super::Store;

/// The options of `crash-points`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What the replicas share.
    #[arg(long, value_enum, default_value = "sqlite")]
    store: Store,
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

/// Tries all cases and reports each.
pub(crate) async fn run(args: Options) -> Result<ExitCode> {
    let program = args.regrow_faulty.map_or_else(|| binary::beside("regrow-faulty"), Ok)?;
    let mut cases = if args.short { crash_points::short() } else { crash_points::all() };
    cases.retain(|case| case.to_string().contains(&args.only));
    let (all, mut broken) = (cases.len(), 0);
    let server = match args.store {
        Store::Sqlite => None,
        Store::Postgres => Some(Server::start().await?),
    };
    let server = server.as_ref().map(Server::address);
    crash_points::run(&program, server, cases, args.at_once, |outcome| {
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
