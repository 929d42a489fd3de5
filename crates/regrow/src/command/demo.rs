//! `regrow demo`: proves the promise to whoever looks on.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;

use crate::cli::Demo;
use crate::demo::{self, Ended, Options, Verdict};
use crate::stop::Stop;

/// The exit code of a broken promise (`EX_SOFTWARE` of sysexits: a defect of this program).
const BROKEN: u8 = 70;

/// The exit code after Ctrl-C: 128 and SIGINT, as shells have it.
const INTERRUPTED: u8 = 130;

pub(super) fn run(options: &Demo) -> anyhow::Result<ExitCode> {
    let demo = Options {
        conversations: options.conversations as usize,
        time: Duration::from_secs(options.seconds),
        // Small enough to be typed.
        seed: options.seed.unwrap_or_else(|| fastrand::u64(1..1_000_000)),
        keep: options.keep,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let ended = runtime.block_on(async {
        let mut stop = Stop::listen()?;
        demo::run(&demo, stop.next()).await
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    let Ended { report, directory } = ended?;
    match &report {
        Some(report) if options.json => println!("{}", serde_json::to_string(report)?),
        Some(report) => print!("{report}"),
        None => {}
    }
    if let Some(directory) = directory.filter(|_| !options.json) {
        println!("The store and the replicas' logs are in {}", directory.display());
    }
    let Some(report) = report else { return Ok(ExitCode::from(INTERRUPTED)) };
    Ok(match report.verdict() {
        Verdict::Kept => ExitCode::SUCCESS,
        Verdict::Broken => ExitCode::from(BROKEN),
        Verdict::Unproven => ExitCode::FAILURE,
    })
}
