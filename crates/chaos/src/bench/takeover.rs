//! Takeover: a replica is ended or paused in the middle of a streamed reply, and the client asks again at once at another one,
//! with the same idempotency key.
//!
//! Two times are taken from the signal: until the new owner asks the model again, and until the client has text that it
//! did not have. The second holds what the model needs to say again what it had said, which is a few tokens here. Each
//! round also checks that the reply is whole and goes on from the text that was sent before.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::time::timeout;

use super::report::millis;
use super::samples::Samples;
use super::stage::NOT_STARTED;
use super::{Options, Section, Started, Target};
use crate::client::{Client, Reply, Turn};
use crate::cluster::Cluster;
use crate::model_server::Server;

/// Replicas on the store; one of them is ended, another one asked.
const REPLICAS: usize = 3;

/// Tokens of the reply, and the pause between two of them.
const TOKENS: usize = 60;
const TOKEN_MS: u64 = 10;

/// How much text the client has before the end: some tokens.
const KNOWN_BYTES: usize = 16;

/// The longest that a round may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The lease of the replicas, in seconds.
const LEASE: u32 = 2;

/// How the replica is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Kill,
    Terminate,
    Stop,
}

/// From the signal, in milliseconds.
#[derive(Debug, Default)]
struct Times {
    model: Samples,
    text: Samples,
}

pub(super) async fn measure(options: &Options, section: &mut Section) -> Result<()> {
    let mut kills = Times::default();
    let (mut hand_overs, mut pauses) = (Times::default(), Times::default());
    if let Target::Started(started) = &options.target {
        rounds(started, Signal::Kill, options.scale.kills, &mut kills).await?;
        rounds(started, Signal::Terminate, options.scale.hand_overs, &mut hand_overs).await?;
        rounds(started, Signal::Stop, options.scale.pauses, &mut pauses).await?;
    }
    let stop = format!("SIGSTOP, lease {LEASE} s,");
    for (id, name, times) in
        [("kill", "SIGKILL", kills), ("term", "SIGTERM", hand_overs), ("stop", &stop, pauses)]
    {
        let ends =
            [("model", "the model is asked again", times.model), ("text", "the next text", times.text)];
        for (what, until, samples) in ends {
            let values = [("p50", samples.median()), ("p99", samples.quantile(0.99)), ("max", samples.max())];
            for (label, value) in values {
                let (id, name) = (format!("{id}.{what}.{label}"), format!("{name} until {until}, {label}"));
                section.add_if(&id, name, "ms", value, NOT_STARTED);
            }
        }
    }
    Ok(())
}

async fn rounds(started: &Started, signal: Signal, count: usize, times: &mut Times) -> Result<()> {
    let server = Server::start().await?;
    // Without time to finish, what runs is handed over.
    let config = json!({"regrow": {"drainSeconds": 0, "leaseSeconds": LEASE}});
    let mut replicas = started.place.start(&started.binary, REPLICAS, &server, config).await?;
    let cluster = &mut replicas.cluster;
    for number in 0..count {
        let round = timeout(PATIENCE, round(cluster, &server, signal, number, times));
        round
            .await
            .context("a round took too long")?
            .with_context(|| format!("round {number} of {signal:?}"))?;
        cluster.restart(number % REPLICAS).await?;
    }
    Ok(())
}

async fn round(
    cluster: &mut Cluster,
    server: &Server,
    signal: Signal,
    number: usize,
    times: &mut Times,
) -> Result<()> {
    let (victim, heir) = (number % REPLICAS, cluster.client((number + 1) % REPLICAS)?);
    let id = format!("round-{number}");
    let text = format!("[[id={id} tokens={TOKENS} delay_ms={TOKEN_MS}]]");
    let turn = Turn::user(text).streamed().in_session(&id).once(&id);
    let mut lost = cluster.client(victim)?.open(&turn).await?;
    ensure!(lost.read_text(KNOWN_BYTES).await, "the reply ended too soon: {:?}", lost.so_far());
    let known = lost.so_far().text.clone();

    let signalled = Instant::now();
    let (ended, asked) = tokio::join!(end(cluster, victim, signal), ask_again(&heir, &turn, known.len()));
    ended?;
    let (next_text, reply) = asked?;
    ensure!(reply.is_ok(), "the reply was not whole: {reply:?}");
    ensure!(
        reply.text.starts_with(&known) && reply.text.ends_with(&format!(" w{TOKENS}")),
        "the client had {known:?} and got {:?}",
        reply.text
    );
    let calls = server.calls();
    let again = calls.iter().find(|call| call.id.as_deref() == Some(&id) && call.earlier == 1);
    let again = server.arrival(again.context("the model was not asked again")?);
    times.model.push(millis(again.saturating_duration_since(signalled)));
    times.text.push(millis(next_text.saturating_duration_since(signalled)));
    Ok(())
}

async fn end(cluster: &mut Cluster, victim: usize, signal: Signal) -> Result<()> {
    match signal {
        Signal::Kill => cluster.kill(victim).await,
        Signal::Stop => cluster.pause(victim),
        Signal::Terminate => {
            let code = cluster.terminate(victim).await?;
            ensure!(code == Some(0), "the replica exited with {code:?}");
            Ok(())
        }
    }
}

/// Asks again; returns when the text became longer than what was known, and the whole reply.
async fn ask_again(client: &Client, turn: &Turn, known: usize) -> Result<(Instant, Reply)> {
    let mut live = client.open(turn).await?;
    ensure!(live.read_text(known + 1).await, "no next text came: {:?}", live.so_far());
    Ok((Instant::now(), live.finish().await))
}
