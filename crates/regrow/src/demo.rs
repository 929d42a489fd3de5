//! The demonstration: real replicas over one store, conversations through a balancer, and a SIGKILL every second or two.
//! What it claims at the end was counted by who asked, and by the store as a second witness.
//!
//! It owns everything that it starts. However it ends (its time, an error, Ctrl-C), the replicas are asked to end and
//! killed if they do not; if the demonstration itself is killed, their input closes and they end by themselves.

mod again;
mod balancer;
mod conversation;
mod directory;
mod judge;
mod killer;
mod plan;
mod progress;
mod replicas;
mod report;
mod screen;
mod takeover;
mod tally;
mod witness;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use fastrand::Rng;
use regrow_store::Store;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli::Common;
use crate::client::Client;
use crate::state::State;
use crate::wiring;
use again::Again;
use balancer::{Addresses, Balancer};
use conversation::{Sender, Told};
use directory::Directory;
use killer::Killer;
use plan::Conversation;
use progress::Progress;
use replicas::{PACE_MS, REPLICAS, Replicas};
use report::{Spread, millis};
use screen::Style;
use tally::{History, Tally};

pub(crate) use report::{Report, Verdict};

/// Conversations begin in this part of the time; those that have begun are finished.
const BEGIN_WITHIN: f64 = 0.75;

/// How long after the time a reply may still come. Then it counts as lost.
const OVERTIME: Duration = Duration::from_secs(20);

/// How much longer a reply takes than its words: takeovers, and busy machines.
const SLACK: f64 = 1.4;

/// How many conversations are under way at once, at least and at most.
const AT_ONCE: (usize, usize) = (6, 64);

/// What to demonstrate.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) conversations: usize,
    pub(crate) time: Duration,
    pub(crate) seed: u64,
    pub(crate) keep: bool,
}

/// What is needed for it, replicas apart.
struct Stage {
    store: Arc<dyn Store>,
    token: String,
    addresses: Addresses,
    balancer: Balancer,
    progress: Arc<Progress>,
}

/// How a demonstration ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// What it has shown; nothing if it was stopped.
    pub(crate) report: Option<Report>,
    /// Where everything lies, if it was kept.
    pub(crate) directory: Option<PathBuf>,
}

/// Runs a demonstration, to its end or until `stop`. What went wrong can be looked at afterwards.
pub(crate) async fn run(options: &Options, stop: impl Future<Output = ()>) -> anyhow::Result<Ended> {
    let mut directory = Directory::create(options.keep)?;
    let result = within(&directory, options, stop).await;
    let broken = |report: &Option<Report>| report.as_ref().is_some_and(|r| r.verdict() == Verdict::Broken);
    if result.as_ref().map_or(true, broken) {
        directory.keep();
    }
    let kept = directory.kept().map(ToOwned::to_owned);
    match result {
        Ok(report) => Ok(Ended {
            report: report.map(|report| Report { directory: kept.clone(), ..report }),
            directory: kept,
        }),
        Err(error) => Err(error.context(format!("logs are in {}", directory.path().display()))),
    }
}

async fn within(
    directory: &Directory,
    options: &Options,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Option<Report>> {
    let common = replicas::configure(directory.path())?;
    let stage = Stage::set(&common, options).await?;
    let mut shown = JoinSet::new();
    shown.spawn(screen::show(Arc::clone(&stage.progress), Style::detect()));
    let mut cast = Replicas::new(directory.path(), common, stage.addresses.clone())?;
    let result = tokio::select! {
        report = stage.perform(options, &mut cast) => report.map(Some),
        () = stop => Ok(None),
    };
    stage.doing("ending the replicas");
    cast.end().await;
    shown.shutdown().await;
    result
}

impl Stage {
    async fn set(common: &Common, options: &Options) -> anyhow::Result<Self> {
        let state = State::open(common)?;
        state.create()?;
        let addresses = Addresses::default();
        Ok(Self {
            store: wiring::store(&state)?,
            token: state.generated_token()?,
            balancer: Balancer::start(addresses.clone()).await?,
            addresses,
            progress: Arc::new(Progress::new(options.conversations)),
        })
    }

    fn doing(&self, what: &'static str) {
        self.progress.update(|seen| seen.doing = what);
    }

    async fn perform(&self, options: &Options, replicas: &mut Replicas) -> anyhow::Result<Report> {
        let begun = Instant::now();
        let mut rng = Rng::with_seed(options.seed);
        let plan = plan::conversations(options.conversations, &mut rng);
        let at_once = at_once(&plan, options.time);
        self.doing("starting three replicas");
        replicas.start(&self.progress).await?;

        self.doing("replicas die, conversations go on");
        let (over, is_over) = watch::channel(false);
        let killer =
            Killer { replicas, store: Arc::clone(&self.store), progress: Arc::clone(&self.progress), rng };
        let talk = async {
            let told =
                self.talk(plan, at_once, begun + options.time.mul_f64(BEGIN_WITHIN), begun + options.time);
            let told = told.await;
            over.send_replace(true);
            told
        };
        let (told, killed) = tokio::join!(talk, killer.run(is_over));
        killed?;
        let told = told?;

        self.doing("asking for every reply again");
        let again = self.ask_again(&told).await?;
        self.doing("reading the store");
        let histories = self.histories(told, again).await?;
        let mut report = self.measured(&histories);
        report.seed = options.seed;
        report.at_once = at_once;
        report.seconds = (begun.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        report.judge(Tally::of(&histories));
        Ok(report)
    }

    /// Has the conversations, so many at once; the result has those that were begun.
    async fn talk(
        &self,
        plan: Vec<Conversation>,
        at_once: usize,
        begin_until: Instant,
        end: Instant,
    ) -> anyhow::Result<Vec<(Conversation, Vec<Told>)>> {
        let client = Client::of(vec![self.balancer.url()], Some(self.token.clone()), false)?;
        let progress = Arc::clone(&self.progress);
        let sender = Sender { client, progress, deadline: end + OVERTIME };
        let mut plan = plan.into_iter();
        let mut under_way: JoinSet<(Conversation, Vec<Told>)> = JoinSet::new();
        let mut had = Vec::new();
        loop {
            while under_way.len() < at_once
                && Instant::now() < begin_until
                && let Some(conversation) = plan.next()
            {
                let sender = sender.clone();
                under_way.spawn(async move {
                    let told = sender.have(&conversation).await;
                    (conversation, told)
                });
            }
            match under_way.join_next().await {
                Some(one) => had.push(one.context("a conversation broke off")?),
                None => return Ok(had),
            }
        }
    }

    /// Asks again for every reply that came. The results are by conversation and message.
    async fn ask_again(&self, told: &[(Conversation, Vec<Told>)]) -> anyhow::Result<Vec<Vec<Again>>> {
        let sent = told.iter().flat_map(|(conversation, told)| {
            let messages = conversation.messages.iter().zip(told).filter(|(_, told)| told.text.is_some());
            messages.map(|(message, _)| (conversation.session.clone(), message.clone()))
        });
        again::ask(&self.addresses.all(), &self.token, sent.collect()).await
    }

    async fn histories(
        &self,
        told: Vec<(Conversation, Vec<Told>)>,
        again: Vec<Vec<Again>>,
    ) -> anyhow::Result<Vec<History>> {
        let mut again = again.into_iter();
        let mut histories = Vec::new();
        for (conversation, told) in told {
            let log = witness::read(&*self.store, &conversation.session).await?;
            let messages = conversation.messages.into_iter().zip(told).map(|(message, told)| {
                let again = told.text.as_ref().and_then(|_| again.next()).unwrap_or_default();
                (message, told, again)
            });
            histories.push(History { messages: messages.collect(), log });
        }
        Ok(histories)
    }

    /// What was measured.
    fn measured(&self, histories: &[History]) -> Report {
        let mut seen = self.progress.look();
        let told = || histories.iter().flat_map(|history| &history.messages).map(|(_, told, _)| told);
        let silence = told().map(|told| told.silence).max().unwrap_or_default();
        Report {
            replicas: REPLICAS,
            planned_conversations: seen.planned,
            conversations: histories.len(),
            kills: seen.kills,
            takeovers: seen.takeovers.len(),
            takeover_ms: Spread::of(&mut seen.takeovers),
            continued: told().filter(|told| told.continued > 0).count(),
            longest_silence_ms: millis(silence),
            ..Report::default()
        }
    }
}

/// How many conversations must be under way at once to have all of them in time.
fn at_once(plan: &[Conversation], time: Duration) -> usize {
    let work = plan::words(plan) as f64 * f64::from(PACE_MS) / 1e3 * SLACK;
    let needed = (work / (time.as_secs_f64() * BEGIN_WITHIN)).ceil() as usize;
    needed.clamp(AT_ONCE.0, AT_ONCE.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_conversations_at_once_as_the_time_needs() {
        let at_once = |conversations, seconds| {
            let plan = plan::conversations(conversations, &mut Rng::with_seed(1));
            at_once(&plan, Duration::from_secs(seconds))
        };
        assert!(at_once(120, 30) > at_once(120, 60) && at_once(240, 30) > at_once(120, 30));
        assert_eq!((at_once(1, 60), at_once(10_000, 10)), AT_ONCE);
    }
}
