//! Live text from one replica to another: lines of JSON over HTTP, for as long as somebody follows.
//!
//! Losing the connection loses nothing: the follower looks again where the run is.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use regrow_protocol::RunId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::live::{End, LiveRun};
use crate::worker::Inner;

/// How long a peer may take to answer at all.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A peer that is silent for this long is taken for dead; it sends blank lines in between.
const SILENCE: Duration = Duration::from_secs(3);

/// How often a blank line is sent.
const BLANK_EVERY: Duration = Duration::from_secs(1);

/// The most bytes of one line: a whole reply and its escapes.
const LINE_BYTES: usize = 64 << 20;

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The text is now this.
    Text(String),
    /// The text grows by this.
    More(String),
    /// The run is no longer driven here: it has ended, and the store has its reply, or it goes on elsewhere.
    Over,
}

/// The lines of a run that is driven here.
pub(crate) fn lines(run: Arc<LiveRun>) -> BoxStream<'static, Bytes> {
    let changed = run.watch();
    let state = Outgoing { run, changed, sent: 0, generation: None, done: false };
    stream::unfold(state, |mut state| async move {
        let line = state.next().await?;
        Some((line, state))
    })
    .boxed()
}

struct Outgoing {
    run: Arc<LiveRun>,
    changed: watch::Receiver<u64>,
    sent: usize,
    generation: Option<u64>,
    done: bool,
}

impl Outgoing {
    async fn next(&mut self) -> Option<Bytes> {
        while !self.done {
            if let Some(line) = self.look() {
                return Some(encode(&line));
            }
            let changed = tokio::time::timeout(BLANK_EVERY, self.changed.changed()).await;
            if changed.is_err() {
                return Some(Bytes::from_static(b"\n"));
            }
        }
        None
    }

    fn look(&mut self) -> Option<Line> {
        self.changed.mark_unchanged();
        let draft = self.run.draft();
        if self.generation != Some(draft.generation) {
            self.generation = Some(draft.generation);
            self.sent = draft.text.len();
            return Some(Line::Text(draft.text.clone()));
        }
        if draft.text.len() > self.sent {
            let more = draft.text[self.sent..].to_owned();
            self.sent = draft.text.len();
            return Some(Line::More(more));
        }
        draft.end.as_ref()?;
        self.done = true;
        Some(Line::Over)
    }
}

fn encode(line: &Line) -> Bytes {
    // These types always serialise; a blank line would merely make the peer look again.
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes.into()
}

/// What a replica shows to a peer that drives a run. Whoever listens at an address that a peer has left learns nothing
/// that is good for another run.
pub(crate) fn token(cluster_secret: &str, run: RunId) -> String {
    let digest = Sha256::new().chain_update(cluster_secret).chain_update([0]).chain_update(run.as_bytes());
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asks a peer for a run. Nothing if it cannot be reached or does not drive the run (any more).
pub(crate) async fn follow(worker: &Inner, address: &str, run: RunId) -> Option<reqwest::Response> {
    if address.is_empty() {
        return None;
    }
    let request = worker.peers.get(format!("http://{address}/internal/live/{run}"));
    let sent = request.bearer_auth(token(worker.store.cluster_secret(), run)).send();
    let response = tokio::time::timeout(ANSWER_WITHIN, sent).await.ok()?.ok()?;
    response.status().is_success().then_some(response)
}

/// Copies a peer's run into a mirror until either ends.
pub(crate) async fn copy(mut response: reqwest::Response, mirror: Arc<LiveRun>) {
    let mut buffer = BytesMut::new();
    // Bytes at the start of the buffer that hold no end of a line.
    let mut searched = 0;
    while let Ok(Ok(Some(chunk))) = tokio::time::timeout(SILENCE, response.chunk()).await {
        buffer.extend_from_slice(&chunk);
        while let Some(end) = buffer[searched..].iter().position(|byte| *byte == b'\n') {
            let end = searched + end;
            let line = buffer.split_to(end + 1);
            searched = 0;
            if line.len() > 1 && !apply(&line[..end], &mirror) {
                return;
            }
        }
        searched = buffer.len();
        if searched > LINE_BYTES {
            break;
        }
    }
    mirror.end(End::Lost);
}

/// Applies a line to the mirror; false if it was the last.
fn apply(line: &[u8], mirror: &LiveRun) -> bool {
    match serde_json::from_slice(line) {
        Ok(Line::Text(whole)) => {
            mirror.journaled(whole);
            true
        }
        Ok(Line::More(more)) => {
            mirror.grow(&more);
            true
        }
        Ok(Line::Over) | Err(_) => {
            mirror.end(End::Lost);
            false
        }
    }
}
