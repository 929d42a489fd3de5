//! A sender: it sends a message and asks again, with the same key and at whatever replica, until it has the end. It
//! writes down everything that it is told.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, sleep, timeout_at};

use super::progress::count;
use super::scene::Scene;
use crate::client::{Client, Reply, Turn};
use crate::history::{Ask, Outcome};

/// The pause before a message is sent again.
const PAUSE: std::ops::Range<u64> = 10..60;

/// How long a sender waits for a reply before it tries another replica, in milliseconds: some are impatient.
const HANG_UP: std::ops::Range<u64> = 1_000..6_000;

/// One sender in one session.
pub(crate) struct Sender {
    scene: Arc<Scene>,
    session: String,
    random: Rng,
    /// The replica to ask next; any, if none is named.
    at: Option<usize>,
    pub(crate) asks: Vec<Ask>,
}

/// How a stream can be resumed.
struct Resumption {
    after: String,
    text: String,
}

impl Sender {
    pub(crate) fn new(scene: Arc<Scene>, session: String, random: Rng) -> Self {
        Self { scene, session, random, at: None, asks: Vec::new() }
    }

    pub(super) fn random(&mut self) -> &mut Rng {
        &mut self.random
    }

    /// The next request goes to this replica, further ones to the others in turn.
    pub(crate) fn begin_at(&mut self, replica: usize) {
        self.at = Some(replica);
    }

    /// Sends a message until its end is known; `false` if patience is at an end before.
    pub(crate) async fn insist(&mut self, id: &str, script: &str, stream: bool) -> bool {
        count(&self.scene.progress.sent);
        let has_ended = self.insist_again(id, script, stream).await;
        if has_ended {
            count(&self.scene.progress.answered);
        }
        has_ended
    }

    /// The same for a message that was sent before.
    pub(super) async fn insist_again(&mut self, id: &str, script: &str, stream: bool) -> bool {
        let turn = Turn::user(script).in_session(&self.session).once(id);
        let turn = Turn { stream, ..turn };
        let deadline = Instant::now() + self.scene.patience;
        let mut resumption = None;
        while Instant::now() < deadline {
            let (ask, next) = self.ask(id, &turn, resumption.take()).await;
            let is_end = matches!(ask.outcome, Outcome::Answered | Outcome::Failed(_));
            self.asks.push(ask);
            if is_end {
                return true;
            }
            resumption = next;
            count(&self.scene.progress.repeated);
            sleep(Duration::from_millis(self.random.u64(PAUSE))).await;
        }
        false
    }

    /// One request; also returns how it can be resumed, if it was a stream that broke off.
    async fn ask(&mut self, id: &str, turn: &Turn, resume: Option<Resumption>) -> (Ask, Option<Resumption>) {
        let (mut turn, resumed) =
            (turn.clone(), resume.as_ref().map_or("", |resume| &resume.text).to_owned());
        turn.headers.extend(resume.map(|resume| ("last-event-id".to_owned(), resume.after)));
        let client = self.client();
        let hang_up = Instant::now() + Duration::from_millis(self.random.u64(HANG_UP));
        let mut ask = Ask {
            session: self.session.clone(),
            message: id.to_owned(),
            sent: self.scene.model.elapsed(),
            accepted: None,
            ended: Duration::ZERO,
            resumed,
            text: String::new(),
            outcome: Outcome::Lost,
        };
        let reply = read(&self.scene, &client, &turn, hang_up, &mut ask).await;
        ask.ended = self.scene.model.elapsed();
        let Some(reply) = reply else { return (ask, None) };
        ask.outcome = outcome(&reply);
        ask.text = reply.text;
        let broken_off = turn.stream && ask.outcome == Outcome::Lost && self.random.bool();
        let after = reply.last_event_id.filter(|_| broken_off);
        let next = after.map(|after| Resumption { after, text: ask.whole_text() });
        (ask, next)
    }

    fn client(&mut self) -> Client {
        let clients = self.scene.clients.borrow();
        let at = self.at.unwrap_or_else(|| self.random.usize(..clients.len()));
        self.at = self.at.map(|at| at + 1);
        clients[at % clients.len()].clone()
    }
}

/// Sends and reads until the sender hangs up; what has come until then counts. `None` if there was no response.
async fn read(scene: &Scene, client: &Client, turn: &Turn, hang_up: Instant, ask: &mut Ask) -> Option<Reply> {
    let mut live = timeout_at(hang_up, client.open(turn)).await.ok()?.ok()?;
    let so_far = live.so_far();
    // Whoever is told the run is told that the message is accepted, whatever became of it.
    if let Some(run) = so_far.run_id() {
        ask.accepted = Some((scene.model.elapsed(), run.to_owned()));
    }
    timeout_at(hang_up, live.read_to_end()).await.ok();
    Some(live.into_reply())
}

/// What a reply means to its sender.
fn outcome(reply: &Reply) -> Outcome {
    let code = reply.error_code();
    match (reply.status, code) {
        _ if reply.is_ok() => Outcome::Answered,
        (_, Some("stream_diverged")) => Outcome::Diverged,
        // Who is refused is told when to come back.
        (429 | 503, _) if reply.header("retry-after").is_some() => Outcome::Refused(reply.status),
        (_, Some("gateway_unavailable" | "replica_draining")) => Outcome::Lost,
        (_, Some(code)) => Outcome::Failed(code.to_owned()),
        _ if reply.broken.is_some() || reply.status == 200 => Outcome::Lost,
        (status, None) => Outcome::Failed(format!("status {status}")),
    }
}
