//! Open loops: turns at a constant rate, each in a session of its own.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::report::millis;
use super::stage::{QUESTION, Stage};
use super::{Options, Section};
use crate::load::{Limit, arrivals};

/// Clients at once in the closed loop that finds out what the gateway can do.
const CLIENTS: usize = 64;

/// The shares of the capacity that are sent.
const SHARES: [(&str, f64); 2] = [("50", 0.5), ("80", 0.8)];

pub(super) async fn measure(options: &Options, section: &mut Section) -> Result<()> {
    if let Some(rate) = options.rate {
        return at_rate(options, section, "rate", "at this rate", rate).await;
    }
    let capacity = capacity(options, options.scale.open / 4).await?;
    section.add("capacity", "capacity: turns per second", "", capacity);
    for (id, share) in SHARES {
        let name = format!("at {id} %");
        at_rate(options, section, id, &name, capacity * share).await?;
    }
    Ok(())
}

/// Turns per second of a closed loop.
async fn capacity(options: &Options, time: Duration) -> Result<f64> {
    let stage = Stage::warm(options, 1).await?;
    let turn = stage.turn(QUESTION).streamed();
    let load = stage.load(stage.distinct("capacity", 1), CLIENTS, Limit::Elapsed(time), turn).await?;
    ensure!(load.ok > 0, "{}", load.describe_failures());
    Ok(load.turns_per_second())
}

async fn at_rate(options: &Options, section: &mut Section, id: &str, name: &str, rate: f64) -> Result<()> {
    let stage = Stage::warm(options, 1).await?;
    let load = arrivals::run(&arrivals::Options {
        clients: stage.gateways.clone(),
        rate,
        duration: options.scale.open,
        prefix: stage.session("open"),
        turn: stage.turn(QUESTION).streamed(),
    })
    .await?;
    section.add(&format!("{id}.sent"), format!("{name}: sent per second"), "", rate);
    section.add_load(id, name, &load, true);
    let late = millis(load.late.quantile(0.5));
    section.add(&format!("{id}.late"), format!("{name}: of this sent late, p50"), "ms", late);
    section.add(
        &format!("{id}.refused"),
        format!("{name}: refused with Retry-After"),
        "",
        load.refused as f64,
    );
    section.add(&format!("{id}.bare"), format!("{name}: refused without it"), "", load.refused_bare as f64);
    Ok(())
}
