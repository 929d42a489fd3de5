//! Closed loops: so many clients, each sending its next turn when the last one is answered; and one burst.
//!
//! Each row has a gateway of its own, so that its peak of memory is its own, and all rows are loaded in rounds, a
//! little each, so that they meet the same noise.

use anyhow::Result;

use super::memory::share;
use super::stage::{NO_PROCESS, QUESTION, Stage};
use super::{Options, Section};
use crate::load::{self, Limit, Sessions};

/// Turns of one session in the row with conversations.
const CONVERSATION: usize = 20;

/// Sessions in the row where many clients share few.
const SHARED: usize = 4;

/// Which sessions a row has.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A new one for each turn.
    New,
    /// Each client has one for so many turns.
    Conversations,
    /// All clients share a few, so that their turns must queue.
    Shared,
}

/// One kind of load.
struct Row {
    id: &'static str,
    name: &'static str,
    concurrency: usize,
    kind: Kind,
    streamed: bool,
}

const ROWS: [Row; 8] = [
    Row { id: "1", name: "1 at once", concurrency: 1, kind: Kind::New, streamed: true },
    Row { id: "4", name: "4 at once", concurrency: 4, kind: Kind::New, streamed: true },
    Row { id: "16", name: "16 at once", concurrency: 16, kind: Kind::New, streamed: true },
    Row { id: "64", name: "64 at once", concurrency: 64, kind: Kind::New, streamed: true },
    Row { id: "256", name: "256 at once", concurrency: 256, kind: Kind::New, streamed: true },
    Row { id: "whole", name: "64, not streamed", concurrency: 64, kind: Kind::New, streamed: false },
    Row {
        id: "talks",
        name: "64, 20 turns each",
        concurrency: 64,
        kind: Kind::Conversations,
        streamed: true,
    },
    Row { id: "shared", name: "64 in 4 sessions", concurrency: 64, kind: Kind::Shared, streamed: true },
];

/// A row under load.
struct Loaded {
    row: &'static Row,
    stage: Stage,
    load: load::Report,
    peak: Option<f64>,
}

pub(super) async fn measure(options: &Options, section: &mut Section) -> Result<()> {
    let mut rows = Vec::new();
    for row in &ROWS {
        let stage = Stage::warm(options, 1).await?;
        rows.push(Loaded { row, stage, load: load::Report::default(), peak: None });
    }
    for slice in 0..options.scale.slices {
        for loaded in &mut rows {
            loaded.go_on(slice, Limit::Elapsed(options.scale.slice)).await?;
        }
    }
    for loaded in &rows {
        let (id, name) = (loaded.row.id, loaded.row.name);
        section.add_load(id, name, &loaded.load, false);
        section.add_if(&format!("{id}.peak"), format!("{name}: peak memory"), "MB", loaded.peak, NO_PROCESS);
    }
    drop(rows);
    burst(options, section).await
}

impl Loaded {
    async fn go_on(&mut self, slice: usize, limit: Limit) -> Result<()> {
        let (row, stage) = (self.row, &self.stage);
        let name = format!("{}-{slice}", row.id);
        let sessions = match row.kind {
            Kind::New => stage.distinct(&name, 1),
            Kind::Conversations => stage.distinct(&name, CONVERSATION),
            Kind::Shared => Sessions::Shared { prefix: stage.session(&name), count: SHARED },
        };
        let mut turn = stage.turn(QUESTION);
        turn.stream = row.streamed;
        stage.forget_peak();
        self.load.add(stage.load(sessions, row.concurrency, limit, turn).await?);
        self.peak = stage.peak_mb()?.into_iter().chain(self.peak).reduce(f64::max);
        Ok(())
    }
}

/// All turns in one moment, each in a session of its own.
async fn burst(options: &Options, section: &mut Section) -> Result<()> {
    let stage = Stage::warm(options, 1).await?;
    let count = options.scale.burst;
    stage.forget_peak();
    let turn = stage.turn(QUESTION).streamed();
    let load = stage.load(stage.distinct("burst", 1), count, Limit::Turns(count), turn).await?;
    let name = format!("burst of {count}");
    let answered = share(usize::try_from(load.ok)?, count);
    section.add("burst.answered", format!("{name}: answered"), "%", answered);
    section.add_load("burst", &name, &load, false);
    section.add_if("burst.peak", format!("{name}: peak memory"), "MB", stage.peak_mb()?, NO_PROCESS);
    Ok(())
}
