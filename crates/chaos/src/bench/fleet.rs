//! One, two and four replicas on one store with a model that takes its time: at rest, with as many conversations each, and
//! with thousands of runs at once over all of them.
//!
//! What a run waits for is the model, so more replicas carry more runs also where they share a machine; how far from the
//! best that can be is what the store and the other replicas cost.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::commits::NOT_OURS;
use super::memory::{at_once, hold, share};
use super::process::peak_mb;
use super::report::millis;
use super::samples::Samples;
use super::stage::{NOT_STARTED, QUESTION, Stage};
use super::{Options, Section, Target};
use crate::load::{self, Limit};

/// Numbers of replicas.
const NUMBERS: [usize; 3] = [1, 2, 4];

/// Clients at once for each replica.
const CLIENTS: usize = 200;

/// An answer that takes a second.
const SECOND: &str = "[[tokens=4 delay_ms=250]]";

/// The pause between two tokens when there are thousands.
const TOKEN_MS: u128 = 1_000;

/// Runs of a replica, as many as it takes.
const SLOTS: usize = 5_000;

/// Some replicas under load.
struct Loaded {
    stage: Stage,
    load: load::Report,
}

pub(super) async fn measure(options: &Options, section: &mut Section) -> Result<()> {
    if matches!(options.target, Target::Running { .. }) {
        section.add_if("rest.replica", "four at rest", "ms", None, NOT_STARTED);
        return Ok(());
    }
    at_rest(options, section).await?;
    curve(options, section).await?;
    thousands(options, section).await
}

/// What replicas and server use when nobody asks them anything.
async fn at_rest(options: &Options, section: &mut Section) -> Result<()> {
    let stage = open(options, 4).await?;
    sleep(options.scale.rest).await;
    let (time, before, server) = (options.scale.open, stage.usage()?, options.server_time()?);
    sleep(time).await;
    let used = stage.used_since(&before)?.into_iter().map(|used| per_second(used, time));
    let replica = used.sum::<f64>() / 4.0;
    section.add("rest.replica", "four at rest: a replica, in each second", "ms", replica);
    let used = options.server_time()?.zip(server).map(|(now, then)| per_second(now - then, time));
    section.add_if("rest.server", "four at rest: the server, in each second", "ms", used, NOT_OURS);
    Ok(())
}

/// As many conversations for each replica.
async fn curve(options: &Options, section: &mut Section) -> Result<()> {
    let mut numbers = Vec::new();
    for number in NUMBERS {
        numbers.push(Loaded { stage: open(options, number).await?, load: load::Report::default() });
    }
    // A slice of half a second would hold no whole turn.
    let time = options.scale.slice.max(Duration::from_secs(2)) * 2;
    for slice in 0..options.scale.slices.min(2) {
        for (Loaded { stage, load }, number) in numbers.iter_mut().zip(NUMBERS) {
            let sessions = stage.distinct(&format!("curve-{slice}"), 1);
            let turn = stage.turn(&format!("{SECOND} {QUESTION}")).streamed();
            load.add(stage.load(sessions, CLIENTS * number, Limit::Elapsed(time), turn).await?);
        }
    }
    let one = numbers.first().map_or(0.0, |loaded| loaded.load.turns_per_second());
    for (Loaded { load, .. }, number) in numbers.iter().zip(NUMBERS) {
        let (id, name) = (number.to_string(), format!("{number} with {CLIENTS} clients each"));
        section.add_load(&id, &name, load, false);
        let ratio = load.turns_per_second() / (one * number as f64);
        section.add(&format!("{id}.ratio"), format!("{name}: to {number} times one"), "times", ratio);
    }
    Ok(())
}

/// Thousands of runs at once, dealt out to the replicas.
async fn thousands(options: &Options, section: &mut Section) -> Result<()> {
    let stage = open(options, 4).await?;
    let (count, time) = (options.scale.fleet, options.scale.stream_time);
    let text = format!("[[tokens={} delay_ms={TOKEN_MS}]] {QUESTION}", time.as_millis() / TOKEN_MS);
    let mut running = JoinSet::new();
    for (number, client) in (0..count).zip(stage.gateways.iter().cycle()) {
        let turn = stage.turn(&text).streamed().in_session(stage.session(&format!("run-{number}")));
        running.spawn(hold(client.clone(), turn));
    }
    let (mut spans, mut times, mut example) = (Vec::new(), Samples::default(), None);
    while let Some(ended) = running.join_next().await {
        match ended? {
            Ok(held) => {
                times.push(millis(held.total));
                spans.push(held.span);
            }
            Err(why) => example = Some(why),
        }
    }
    if let Some(example) = example {
        section.fail(format!("{} of {count} runs, such as: {example}", count - spans.len()));
    }
    let name = format!("{count} at once over four");
    section.add("all.answered", format!("{name}: answered"), "%", share(spans.len(), count));
    section.add("all.held", format!("{name}: most open"), "", at_once(&spans) as f64);
    section.add_if("all.p50", format!("{name}: p50"), "ms", times.median(), "no run was answered");
    section.add_if("all.p99", format!("{name}: p99"), "ms", times.quantile(0.99), "no run was answered");
    let mut peak = 0.0_f64;
    for pid in &stage.pids {
        peak = peak.max(peak_mb(*pid)?);
    }
    section.add("all.peak", format!("{name}: most memory of one"), "MB", peak);
    Ok(())
}

async fn open(options: &Options, replicas: usize) -> Result<Stage> {
    Stage::warm_with(options, replicas, json!({"regrow": {"slots": SLOTS}})).await
}

/// Milliseconds in a second.
fn per_second(used: Duration, time: Duration) -> f64 {
    millis(used) / time.as_secs_f64()
}
