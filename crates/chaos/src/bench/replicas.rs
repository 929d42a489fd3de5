//! One, two and three replicas, each number of them on a store of its own, loaded at once.
//!
//! The numbers are loaded in rounds, a little each, so that they meet the same noise. All of them share the machine, so
//! more replicas are not more cores here: what is seen is what sharing a store costs.

use anyhow::Result;

use super::cpu::per_turn;
use super::process::Usage;
use super::stage::{NOT_STARTED, QUESTION, Stage};
use super::{Options, Section, Target};
use crate::load::{self, Limit};

/// The most replicas.
const MOST: usize = 3;

/// Clients at once, dealt out to the replicas.
const CLIENTS: usize = 64;

/// Some replicas under load.
struct Loaded {
    stage: Stage,
    load: load::Report,
    before: Vec<Usage>,
}

pub(super) async fn measure(options: &Options, section: &mut Section) -> Result<()> {
    if matches!(options.target, Target::Running { .. }) {
        for count in 1..=MOST {
            let (id, name) = (format!("{count}.rate"), format!("{count}: turns per second"));
            section.add_if(&id, name, "", None, NOT_STARTED);
        }
        return Ok(());
    }
    let mut numbers = Vec::new();
    for count in 1..=MOST {
        let stage = Stage::warm(options, count).await?;
        let before = stage.usage()?;
        numbers.push(Loaded { stage, load: load::Report::default(), before });
    }
    for slice in 0..options.scale.slices {
        for Loaded { stage, load, .. } in &mut numbers {
            let sessions = stage.distinct(&format!("slice-{slice}"), 1);
            let (limit, turn) = (Limit::Elapsed(options.scale.slice), stage.turn(QUESTION).streamed());
            load.add(stage.load(sessions, CLIENTS, limit, turn).await?);
        }
    }
    for loaded in &numbers {
        loaded.report(section)?;
    }
    Ok(())
}

impl Loaded {
    fn report(&self, section: &mut Section) -> Result<()> {
        let count = self.stage.pids.len();
        let name = if count == 1 { "1 replica".to_owned() } else { format!("{count} replicas") };
        section.add_load(&count.to_string(), &name, &self.load, false);
        // What is used at rest between the rounds is in it, and is little.
        for (index, used) in self.stage.used_since(&self.before)?.into_iter().enumerate() {
            let turns = self.load.ok / count as u64;
            let (id, name) =
                (format!("{count}.cpu.{index}"), format!("{name}: processor time, number {}", index + 1));
            section.add(&id, name, "ms", per_turn(used, turns));
        }
        Ok(())
    }
}
