//! One request and its answer over HTTP, whatever the dialect: time limits, error responses, event streams and plain
//! JSON. The dialect folds what arrives.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;

use crate::classify::Report;
use crate::deadline::{Deadline, Passed};
use crate::endpoint::{Endpoint, describe};
use crate::provider::CallError;
use crate::retry_after::retry_after;
use crate::size::MAX_ANSWER;
use crate::sse::Decoder;
use crate::{Cause, OnDelta};

/// The most bytes that are read of an error response; the rest is not read.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// How long the body of an error response may take; then the status speaks alone.
const ERROR_BODY_WAIT: Duration = Duration::from_secs(5);

/// How long a complete answer is waited for to be followed by its token counts.
const SETTLED_WAIT: Duration = Duration::from_secs(5);

/// How long a connection may take to end a stream that said its last word; then it is closed instead of kept.
const ENDED_WAIT: Duration = Duration::from_millis(100);

/// How far an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// More is to come: an end now is a cut.
    Open,
    /// The answer is whole; token counts may follow. An end or an error now loses nothing.
    Settled,
    /// The last word was said.
    Ended,
}

/// Folds an answer in one dialect.
pub(crate) trait Fold: Send {
    /// Takes the data of one event.
    fn event(&mut self, data: &[u8], on_delta: OnDelta<'_>) -> Result<(), CallError>;
    /// Takes an answer that came as one JSON document.
    fn whole(&mut self, body: &[u8], on_delta: OnDelta<'_>) -> Result<(), CallError>;
    /// How far it has come.
    fn phase(&self) -> Phase;
}

/// Sends `body` and folds the answer; when it returns without an error, the answer is whole.
pub(crate) async fn run(
    endpoint: &Endpoint,
    body: Bytes,
    fold: &mut dyn Fold,
    on_delta: OnDelta<'_>,
) -> Result<(), CallError> {
    attempt(endpoint, body, fold, on_delta).await.map_err(|error| endpoint.presentable(error))
}

async fn attempt(
    endpoint: &Endpoint,
    body: Bytes,
    fold: &mut dyn Fold,
    on_delta: OnDelta<'_>,
) -> Result<(), CallError> {
    let timeouts = endpoint.timeouts();
    let mut deadline = Deadline::new(timeouts.first_byte, timeouts.total);
    let sent = deadline.guard(endpoint.post(body)?.send()).await;
    let response = sent.map_err(|Passed| timed_out("no answer"))?.map_err(transport)?;
    let mut reader = Reader { response, deadline, idle: timeouts.idle };
    if !reader.response.status().is_success() {
        return Err(reader.refusal().await);
    }
    let media = media_type(&reader.response);
    // They would keep the buffer that they were read into for as long as the answer lasts.
    drop(std::mem::take(reader.response.headers_mut()));
    match media {
        Media::Stream => reader.stream(fold, on_delta).await,
        Media::Json => fold.whole(&reader.read(MAX_ANSWER).await?, on_delta),
        Media::Other(media) => {
            let status = reader.response.status().as_u16();
            let message = format!(
                "the answer is neither JSON nor an event stream but `{media}`; is the base URL right?"
            );
            Err(CallError::Refused { status, message })
        }
    }
}

/// Reads the body of a response under the time limits.
struct Reader {
    response: Response,
    deadline: Deadline,
    idle: Duration,
}

impl Reader {
    /// The next piece of the body; none at its end.
    async fn chunk(&mut self) -> Result<Option<Bytes>, CallError> {
        let read = self.deadline.guard(self.response.chunk()).await;
        let chunk = read.map_err(|Passed| timed_out("the answer stalled"))?.map_err(transport)?;
        self.deadline.extend(self.idle);
        Ok(chunk)
    }

    /// Folds an event stream until its end, or until nothing is lost by leaving it.
    async fn stream(mut self, fold: &mut dyn Fold, on_delta: OnDelta<'_>) -> Result<(), CallError> {
        let mut decoder = Decoder::new();
        loop {
            let chunk = match self.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) if fold.phase() == Phase::Open => return Err(CallError::cut()),
                Err(error) if fold.phase() == Phase::Open => return Err(error),
                Ok(None) | Err(_) => return Ok(()),
            };
            // Reading on to the end of the body, rather than leaving at the last word, keeps the connection usable.
            if fold.phase() != Phase::Ended {
                take(&mut decoder, &chunk, fold, on_delta)?;
            }
            match fold.phase() {
                Phase::Open => {}
                Phase::Settled => self.deadline.extend(self.idle.min(SETTLED_WAIT)),
                Phase::Ended => self.deadline.end_within(ENDED_WAIT),
            }
        }
    }

    /// The whole body, if it has at most `limit` bytes.
    async fn read(&mut self, limit: usize) -> Result<Vec<u8>, CallError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > limit {
                return Err(CallError::AnswerTooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// What a response with an error status means. A body that cannot be read leaves the status to speak alone.
    async fn refusal(mut self) -> CallError {
        let status = self.response.status();
        let wish = retry_after(self.response.headers(), SystemTime::now());
        let mut body = Vec::new();
        self.deadline.end_within(ERROR_BODY_WAIT);
        while let Ok(Some(chunk)) = self.chunk().await {
            let room = MAX_ERROR_BODY - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() >= room {
                break;
            }
        }
        if body.is_empty() {
            body.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        }
        Report::of_body(&body).with_status(status.as_u16(), wish)
    }
}

/// Folds the events that `chunk` completes.
fn take(
    decoder: &mut Decoder,
    mut chunk: &[u8],
    fold: &mut dyn Fold,
    on_delta: OnDelta<'_>,
) -> Result<(), CallError> {
    while let Some(data) = decoder.next(&mut chunk).map_err(|_| CallError::AnswerTooLarge)? {
        fold.event(data, on_delta)?;
        if fold.phase() == Phase::Ended {
            break;
        }
    }
    Ok(())
}

/// What a response's body is.
enum Media {
    Stream,
    Json,
    Other(String),
}

fn media_type(response: &Response) -> Media {
    let value =
        response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase() {
        // We asked for a stream; small servers forget to say that they send one.
        media if matches!(media.as_str(), "text/event-stream" | "text/plain" | "") => Media::Stream,
        media if media == "application/json" || media.ends_with("+json") => Media::Json,
        media => Media::Other(media),
    }
}

fn timed_out(what: &str) -> CallError {
    CallError::transient(Cause::TimedOut, format!("{what} within the time limit"))
}

/// What a failure of the connection means.
fn transport(error: reqwest::Error) -> CallError {
    // The URL is left out: it may contain a password.
    let error = error.without_url();
    let message = describe(&error);
    if error.is_builder() {
        return CallError::Misconfigured { message };
    }
    let cause = match () {
        () if error.is_timeout() => Cause::TimedOut,
        () if error.is_connect() => Cause::Unreachable,
        () => Cause::Cut,
    };
    CallError::transient(cause, message)
}
