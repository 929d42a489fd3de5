//! The benchmark: what a gateway takes of time, memory and processor beside the model's own time.
//!
//! It has parts, each measured on replicas, stores and a model server of its own, so that no part pays for what an
//! earlier one left behind. Client, model server and gateway share one machine, so absolute figures say something about
//! that machine too. What is compared is therefore measured alternately within one run, so that both sides meet the
//! same noise.
//!
//! A turn that fails makes its part fail, with an example; the other parts go on. What cannot be measured is absent
//! from the report, with the reason, and never zero.

mod closed;
mod commits;
mod cpu;
mod figure;
mod fleet;
mod goals;
mod history;
mod memory;
mod open;
mod own_time;
mod part;
mod pgbench;
mod place;
mod process;
mod replicas;
mod report;
mod samples;
mod scale;
mod stage;
mod start;
mod takeover;

use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use figure::Figure;
pub use goals::Goal;
use goals::Goals;
pub use part::Part;
pub use place::{Place, Started};
pub use report::Report;
use report::Section;
pub use scale::Scale;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Options {
    /// The gateway.
    pub target: Target,
    /// The parts, in the order of measuring.
    pub parts: Vec<Part>,
    /// How much is done in each part.
    pub scale: Scale,
    /// Turns per second of the open loop; shares of the measured capacity if none.
    pub rate: Option<f64>,
}

/// The gateway to measure.
#[derive(Debug, Clone)]
pub enum Target {
    /// Replicas that are started for the purpose beside a model server.
    Started(Started),
    /// One that is running.
    Running {
        /// Its base URL, with `/v1`.
        base_url: String,
        /// Its token.
        token: String,
        /// The model to ask for.
        model: String,
        /// The base URL of its model server, to find out what the gateway itself takes.
        model_url: Option<String>,
        /// Its process, to find out its memory and processor time.
        pid: Option<u32>,
    },
}

impl Options {
    /// The server of the store of replicas that are started, if it has one.
    fn server(&self) -> Option<&place::Postgres> {
        match &self.target {
            Target::Started(started) => started.place.server(),
            Target::Running { .. } => None,
        }
    }

    /// Processor time of that server so far, if it was started for the purpose.
    fn server_time(&self) -> Result<Option<Duration>> {
        Ok(self.server().map(place::Postgres::processor_time).transpose()?.flatten())
    }

    /// The goals of the store that is measured.
    fn goals(&self) -> Goals {
        self.server().map_or(goals::SQLITE, |_| goals::POSTGRES)
    }
}

/// Measures part after part, saying on standard error what is being done. A part that fails says so in the report.
pub async fn run(options: &Options) -> Report {
    raise_file_limit();
    let mut report = Report::new(options);
    for part in &options.parts {
        eprintln!("{}: {}", part.name(), part.about());
        let begun = Instant::now();
        let mut section = Section::new(*part, options.goals());
        if let Err(error) = measure(*part, options, &mut section).await {
            section.fail(format!("{error:#}"));
        }
        for failure in &section.failures {
            eprintln!("{}: FAILED: {failure}", part.name());
        }
        section.seconds = begun.elapsed().as_secs_f64();
        report.sections.push(section);
    }
    report
}

async fn measure(part: Part, options: &Options, section: &mut Section) -> Result<()> {
    match part {
        Part::Start => Box::pin(start::measure(options, section)).await,
        Part::Memory => Box::pin(memory::measure(options, section)).await,
        Part::OwnTime => Box::pin(own_time::measure(options, section)).await,
        Part::Closed => Box::pin(closed::measure(options, section)).await,
        Part::Open => Box::pin(open::measure(options, section)).await,
        Part::Cpu => Box::pin(cpu::measure(options, section)).await,
        Part::Takeover => Box::pin(takeover::measure(options, section)).await,
        Part::History => Box::pin(history::measure(options, section)).await,
        Part::Replicas => Box::pin(replicas::measure(options, section)).await,
        Part::Commits => Box::pin(commits::measure(options, section)).await,
        Part::Fleet => Box::pin(fleet::measure(options, section)).await,
    }
}

/// Thousands of clients and model calls end in this process. Where the limit cannot be raised, requests fail and say
/// why.
fn raise_file_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).ok();
}
