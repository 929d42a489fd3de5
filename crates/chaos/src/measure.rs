//! A small repeatable measurement of one gateway: what a turn costs beside the model's own time.
//!
//! The client, the model server and the gateway share one machine, so absolute numbers say something about that machine
//! too; differences within one run do not. A turn that fails makes the measurement fail.

mod process;
mod report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::sleep;

use crate::client::{Client, Turn};
use crate::cluster::{self, Cluster};
use crate::load::{self, Limit, Sessions};
use crate::model_server::Server;
use process::Usage;
pub use report::Report;

/// How often a replica is started to find the median of its start.
const STARTS: usize = 5;

/// How long the gateway rests before its memory is read.
const IDLE: Duration = Duration::from_secs(2);

/// Turns that warm the gateway up, and turns that are timed alone.
const WARM_UP: usize = 50;
const ALONE: usize = 300;

/// Turns of one session before the next begins, so that histories are equally long on fast and slow gateways.
const TURNS_PER_SESSION: usize = 20;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Options {
    /// The gateway.
    pub target: Target,
    /// Turns under way at any time in the load.
    pub concurrency: usize,
    /// How long the load lasts.
    pub duration: Duration,
}

/// The gateway to measure.
#[derive(Debug, Clone)]
pub enum Target {
    /// A replica of this program, started for the purpose beside a model server.
    Started(PathBuf),
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

/// A gateway, however it came to be.
struct Subject {
    gateway: Client,
    model: Option<Client>,
    pid: Option<u32>,
    turn: Turn,
    /// New for each measurement, so that sessions are.
    prefix: String,
}

/// Measures, saying on standard error what is being done.
pub async fn run(options: &Options) -> Result<Report> {
    match &options.target {
        Target::Started(binary) => measure_started(binary, options).await,
        Target::Running { base_url, token, model, model_url, pid } => {
            let subject = Subject {
                gateway: Client::new(base_url, token)?,
                model: model_url.as_ref().map(|url| Client::new(url, "")).transpose()?,
                pid: *pid,
                turn: turn(model),
                prefix: prefix(),
            };
            subject.measure(options, Report::default()).await
        }
    }
}

async fn measure_started(binary: &Path, options: &Options) -> Result<Report> {
    let server = Server::start().await?;
    eprintln!("starting a replica {STARTS} times");
    let mut starts = Vec::new();
    let mut last = None;
    for _ in 0..STARTS {
        // One at a time, each with a new state directory.
        drop(last.take());
        let cluster = Cluster::start(cluster::Options::new(binary.to_owned(), server.base_url())).await?;
        starts.push(cluster.started_in(0)?);
        last = Some(cluster);
    }
    starts.sort();
    let report = Report { start_ms: Some(starts[STARTS / 2].as_secs_f64() * 1e3), ..Report::default() };
    let Some(cluster) = last else { return Ok(report) };
    let subject = Subject {
        gateway: cluster.client(0)?,
        model: Some(Client::new(server.base_url(), "")?),
        pid: Some(cluster.pid(0)?),
        turn: turn("openclaw"),
        prefix: prefix(),
    };
    subject.measure(options, report).await
}

impl Subject {
    async fn measure(&self, options: &Options, mut report: Report) -> Result<Report> {
        if let Some(pid) = self.pid {
            eprintln!("resting for {IDLE:?}");
            sleep(IDLE).await;
            report.idle_rss_mib = Some(process::rss_mib(pid)?);
        }
        eprintln!("{ALONE} turns, one at a time");
        self.measure_alone(&mut report).await?;
        eprintln!("{} sessions at once for {:?}", options.concurrency, options.duration);
        self.measure_load(options, &mut report).await?;
        Ok(report)
    }

    /// Times single turns; each is followed by the same question to the model itself, so that both meet the same noise.
    async fn measure_alone(&self, report: &mut Report) -> Result<()> {
        let (mut through, mut first, mut direct) =
            (load::Latency::default(), load::Latency::default(), load::Latency::default());
        for number in 0..WARM_UP + ALONE {
            let session = format!("{}-alone-{}", self.prefix, number / TURNS_PER_SESSION);
            let reply = self.gateway.send(&self.turn.clone().in_session(session)).await?;
            ensure!(
                reply.is_ok(),
                "a turn failed with {}: {:?} {:?}",
                reply.status,
                reply.error,
                reply.broken
            );
            let answer = match &self.model {
                Some(model) => Some(model.send(&self.turn).await?),
                None => None,
            };
            if number < WARM_UP {
                continue;
            }
            through.record(reply.total);
            first.record(reply.first_token.unwrap_or(reply.total));
            if let Some(answer) = answer {
                direct.record(answer.total);
            }
        }
        report.turn_p50_us = micros(through.quantile(0.5));
        report.first_token_p50_us = micros(first.quantile(0.5));
        if direct.count() > 0 {
            let model = micros(direct.quantile(0.5));
            report.model_p50_us = Some(model);
            report.own_time_us = Some(report.turn_p50_us - model);
        }
        Ok(())
    }

    async fn measure_load(&self, options: &Options, report: &mut Report) -> Result<()> {
        let before = self.usage()?;
        let load = load::run(load::Options {
            clients: vec![self.gateway.clone()],
            concurrency: options.concurrency,
            sessions: Sessions::Distinct {
                prefix: format!("{}-load", self.prefix),
                turns: TURNS_PER_SESSION,
            },
            limit: Limit::Elapsed(options.duration),
            turn: self.turn.clone(),
        })
        .await?;
        let (failures, example) = (load.failures(), load.example.as_deref().unwrap_or("no example"));
        ensure!(failures == 0, "{failures} turns failed, such as: {example}");
        report.concurrency = options.concurrency;
        report.turns_per_second = load.turns_per_second();
        report.load_p50_us = micros(load.total.quantile(0.5));
        report.load_p99_us = micros(load.total.quantile(0.99));
        report.load_first_token_p50_us = micros(load.first_token.quantile(0.5));
        if let (Some(before), Some(after)) = (before, self.usage()?) {
            report.cpu_per_turn_us = Some(after.since(&before).as_secs_f64() * 1e6 / load.ok.max(1) as f64);
            report.loaded_rss_mib = Some(process::rss_mib(after.pid)?);
        }
        Ok(())
    }

    fn usage(&self) -> Result<Option<Usage>> {
        self.pid.map(Usage::of).transpose()
    }
}

fn turn(model: &str) -> Turn {
    Turn { model: model.to_owned(), ..Turn::user("How are you today?").streamed() }
}

fn prefix() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("measure-{}", now.as_millis())
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
