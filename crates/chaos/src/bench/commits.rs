//! Turns beside what the server commits at all: `pgbench` inserts one small row in a commit, in turns with turns.
//!
//! A turn without tools is two commits, so half of `pgbench`'s rate is what turns could come to if only their commits
//! took time, each had one of its own, and nothing else ran on the machine. Transactions of `pgbench`'s own, which do
//! something before they commit, stand beside it; and what the server takes of its processor for each, because that does
//! not depend on who else wants the cores.

use std::time::Duration;

use anyhow::Result;

use super::cpu::per_turn;
use super::pgbench::{Pgbench, What};
use super::stage::{QUESTION, Stage};
use super::{Options, Section};
use crate::load::{self, Limit};

/// Clients at once.
const ROWS: [(&str, usize); 2] = [("64", 64), ("256", 256)];

/// Clients of `pgbench`, of which those count that commit most.
const CLIENTS: [usize; 4] = [8, 16, 32, 64];

/// Commits of a turn without tools: its message is accepted, its reply is final.
const COMMITS: f64 = 2.0;

/// Why there is nothing to compare.
const NO_SERVER: &str = "the store is not PostgreSQL";

/// Why the server's processor time is absent.
pub(super) const NOT_OURS: &str = "the server was not started by the benchmark";

/// Turns under load.
struct Row {
    id: &'static str,
    clients: usize,
    load: load::Report,
    server: ServerTime,
}

/// What the server has used of the processor; nothing is known of one that was running.
struct ServerTime(Option<Duration>);

pub(super) async fn measure(options: &Options, section: &mut Section) -> Result<()> {
    let Some(server) = options.server() else {
        section.add_if("pgbench", "pgbench: commits per second", "", None, NO_SERVER);
        return Ok(());
    };
    let (time, pgbench) = (options.scale.slice, Pgbench::prepare(server.create_database().await?).await?);
    let stage = Stage::warm(options, 1).await?;
    let clients = best(&pgbench, time).await?;
    let (mut rate, mut commits, mut used) = (0.0, 0, ServerTime(Some(Duration::ZERO)));
    let mut own = 0.0;
    let mut rows = ROWS.map(|(id, clients)| Row {
        id,
        clients,
        load: load::Report::default(),
        server: ServerTime(Some(Duration::ZERO)),
    });
    for slice in 0..options.scale.slices {
        let before = options.server_time()?;
        let ran = pgbench.run(What::Row, clients, time).await?;
        used.add(before, options.server_time()?);
        rate += ran.per_second / options.scale.slices as f64;
        commits += ran.commits;
        own += pgbench.run(What::Own, clients, time).await?.per_second / options.scale.slices as f64;
        for row in &mut rows {
            row.go_on(options, &stage, slice).await?;
        }
    }
    section.add("pgbench", format!("pgbench, {clients} clients: commits per second"), "", rate);
    let of_two = used.for_each(commits).map(|time| time * COMMITS);
    section.add_if("pgbench.server", "pgbench: the server, for two commits", "ms", of_two, NOT_OURS);
    let name = format!("pgbench's own transactions, {clients} clients: per second");
    section.add("pgbench.own", name, "", own);
    for row in &rows {
        row.report(section, rate, own);
    }
    Ok(())
}

/// With so many clients `pgbench` commits most.
async fn best(pgbench: &Pgbench, time: Duration) -> Result<usize> {
    let (mut best, mut most) = (CLIENTS[0], 0.0);
    for clients in CLIENTS {
        let rate = pgbench.run(What::Row, clients, time).await?.per_second;
        (best, most) = if rate > most { (clients, rate) } else { (best, most) };
    }
    Ok(best)
}

impl Row {
    async fn go_on(&mut self, options: &Options, stage: &Stage, slice: usize) -> Result<()> {
        let sessions = stage.distinct(&format!("{}-{slice}", self.id), 1);
        let (limit, turn) = (Limit::Elapsed(options.scale.slice), stage.turn(QUESTION).streamed());
        let before = options.server_time()?;
        self.load.add(stage.load(sessions, self.clients, limit, turn).await?);
        self.server.add(before, options.server_time()?);
        Ok(())
    }

    fn report(&self, section: &mut Section, commits: f64, own: f64) {
        let (id, name) = (self.id, format!("{} at once", self.clients));
        section.add_load(id, &name, &self.load, false);
        let ratio = self.load.turns_per_second() / (commits / COMMITS);
        section.add(&format!("{id}.ratio"), format!("{name}: to half of pgbench"), "times", ratio);
        let ratio = self.load.turns_per_second() / (own / COMMITS);
        section.add(&format!("{id}.own_ratio"), format!("{name}: to half of its own"), "times", ratio);
        let used = self.server.for_each(self.load.ok);
        section.add_if(
            &format!("{id}.server"),
            format!("{name}: the server, for a turn"),
            "ms",
            used,
            NOT_OURS,
        );
    }
}

impl ServerTime {
    /// Adds what was used from one look to a later one.
    fn add(&mut self, then: Option<Duration>, now: Option<Duration>) {
        let used = now.zip(then).map(|(now, then)| now.saturating_sub(then));
        self.0 = self.0.zip(used).map(|(sum, used)| sum + used);
    }

    /// Milliseconds for one of so many.
    fn for_each(&self, number: u64) -> Option<f64> {
        self.0.map(|used| per_turn(used, number))
    }
}
