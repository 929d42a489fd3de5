//! The demonstration: real replicas over one store, conversations through a balancer, and a SIGKILL every second or two.
//! What it claims at the end was counted by who asked, and by the store as a second witness.
//!
//! It owns everything that it starts. However it ends (its time, an error, Ctrl-C), the replicas are asked to end and
//! killed if they do not; if the demonstration itself is killed, their input closes and they end by themselves.

mod again;
mod balancer;
mod conversation;
mod crowd;
mod directory;
mod evidence;
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

use fastrand::Rng;
use regrow_store::Store;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli::Common;
use crate::client::Client;
use crate::state::State;
use crate::wiring;
use balancer::{Addresses, Balancer};
use crowd::Crowd;
use directory::Directory;
use killer::Killer;
use progress::Progress;
use replicas::Replicas;
use screen::Style;
use tally::Tally;

pub(crate) use report::{Report, Verdict};

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
        let store = wiring::store(&state, Duration::ZERO).await?;
        Ok(Self {
            token: state.generated_token(&*store)?,
            store,
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
        let crowd = Crowd::new(plan, options.time);
        let at_once = crowd.at_once();
        self.doing("starting three replicas");
        replicas.start(&self.progress).await?;

        self.doing("replicas die, conversations go on");
        let (over, is_over) = watch::channel(false);
        let killer =
            Killer { replicas, store: Arc::clone(&self.store), progress: Arc::clone(&self.progress), rng };
        let client = Client::of(vec![self.balancer.url()], Some(self.token.clone()), false)?;
        let talk = async {
            let told = crowd.talk(client, &self.progress).await;
            over.send_replace(true);
            told
        };
        let (told, ()) = tokio::try_join!(talk, killer.run(is_over))?;

        self.doing("asking for every reply again");
        let again = evidence::ask_again(&told, &self.addresses.all(), &self.token).await?;
        self.doing("reading the store");
        let histories = evidence::gather(&*self.store, told, again).await?;
        let mut report = evidence::measured(&histories, self.progress.look());
        report.seed = options.seed;
        report.at_once = at_once;
        report.seconds = (begun.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        report.judge(Tally::of(&histories));
        Ok(report)
    }
}
