//! `bench`: measures a gateway.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use regrow_chaos::bench::{self, Part, Place, Scale, Started, Target};
use regrow_chaos::binary;

use super::write_json;

/// The options of `bench`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The regrow program; the release build by default.
    #[arg(long, conflicts_with = "base_url")]
    regrow: Option<PathBuf>,
    /// Measure on PostgreSQL instead of SQLite: on the server of this URL, whose user may create databases, or, without a
    /// URL, on one that is started for the purpose.
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true, conflicts_with = "base_url")]
    #[expect(clippy::option_option, reason = "clap's way to tell an option without a value")]
    postgres: Option<Option<String>>,
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

/// Measures and reports.
pub(crate) async fn run(args: Options) -> Result<ExitCode> {
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
        None => {
            let binary = args.regrow.map_or_else(binary::release, Ok)?;
            let place = match args.postgres {
                Some(url) => Place::postgres(url.as_deref()).await?,
                None => Place::Sqlite,
            };
            Target::Started(Started { binary, place })
        }
    };
    let parts = if args.only.is_empty() { Part::ALL.to_vec() } else { args.only };
    let scale = if args.quick { Scale::quick() } else { Scale::full() };
    let report = bench::run(&bench::Options { target, parts, scale, rate: args.rate }).await;
    print!("{report}");
    write_json(&json, &report)?;
    eprintln!("the figures as JSON: {}", json.display());
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
