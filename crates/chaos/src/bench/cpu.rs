//! Processor time of a turn, by process.
//!
//! Model server and load generator run in the process of the benchmark, so that the gateway's processes are only the
//! gateway. What the benchmark itself takes stands beside it, because it takes it from the same cores.

use std::time::Duration;

use anyhow::Result;

use super::commits::NOT_OURS;
use super::process::Usage;
use super::report::millis;
use super::stage::{NO_PROCESS, QUESTION, Stage};
use super::{Options, Section};
use crate::load::Limit;

/// Clients at once.
const ROWS: [(&str, usize); 3] = [("1", 1), ("16", 16), ("64", 64)];

pub(super) async fn measure(options: &Options, section: &mut Section) -> Result<()> {
    let time = options.scale.slice * u32::try_from(options.scale.slices)?;
    for (id, clients) in ROWS {
        let stage = Stage::warm(options, 1).await?;
        let (before, before_here) = (stage.usage()?, Usage::of(std::process::id())?);
        let server_before = options.server_time()?;
        let turn = stage.turn(QUESTION).streamed();
        let load = stage.load(stage.distinct("cpu", 1), clients, Limit::Elapsed(time), turn).await?;
        let here = Usage::of(std::process::id())?.since(&before_here);
        let server = options.server_time()?.zip(server_before).map(|(now, then)| now.saturating_sub(then));
        let used = stage.used_since(&before)?;
        if load.failures() > 0 {
            section.fail(load.describe_failures());
        }
        let gateway = used.first().map(|used| per_turn(*used, load.ok));
        let name = |who: &str| format!("{clients} at once: {who}");
        section.add_if(&format!("{id}.gateway"), name("the gateway"), "ms", gateway, NO_PROCESS);
        if options.server().is_some() {
            let server = server.map(|used| per_turn(used, load.ok));
            section.add_if(&format!("{id}.server"), name("the store's server"), "ms", server, NOT_OURS);
        }
        section.add(&format!("{id}.bench"), name("model and clients"), "ms", per_turn(here, load.ok));
    }
    Ok(())
}

/// Milliseconds for one of so many turns.
pub(super) fn per_turn(used: Duration, turns: u64) -> f64 {
    millis(used) / turns.max(1) as f64
}
