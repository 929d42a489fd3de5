//! Pace: sends the frames of an answer at the times and with the end that its script asks for.
//!
//! A client that leaves drops the body, and with it the reporter, which writes that into the ledger.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::time::{Instant, sleep_until};

use super::frames::Frames;
use super::ledger::{Reporter, State};
use super::script::{Answer, End};

/// The body of a scripted cut: the connection is closed without an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CutOff;

impl std::fmt::Display for CutOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut off as the script said")
    }
}

impl std::error::Error for CutOff {}

/// The state of a body that is sent frame by frame.
struct Sending {
    frames: Frames,
    sent: usize,
    begun: Instant,
    delay: Duration,
    end: End,
    reporter: Reporter,
}

/// The body that sends `frames` as `answer` says.
pub(super) fn body(frames: Frames, answer: &Answer, mut reporter: Reporter) -> Body {
    if answer.delay.is_zero() && answer.end == End::Complete {
        reporter.streamed(frames.tokens.len());
        let once = stream::once(async move {
            reporter.end(State::Completed);
            Ok::<_, Infallible>(frames.joined())
        });
        return Body::from_stream(once);
    }
    let end = match answer.end {
        End::Cut { after: None } => End::Cut { after: Some(frames.tokens.len() / 2) },
        other => other,
    };
    let sending = Sending { frames, sent: 0, begun: Instant::now(), delay: answer.delay, end, reporter };
    Body::from_stream(stream::try_unfold(Some(sending), |sending| async {
        match sending {
            Some(sending) => sending.step().await,
            None => Ok(None),
        }
    }))
}

impl Sending {
    /// The next bytes and the state after them; no state after the last ones.
    async fn step(mut self) -> Result<Option<(Bytes, Option<Self>)>, CutOff> {
        match self.end {
            End::Cut { after } if self.sent >= after.unwrap_or(0) => {
                // A body that waits is flushed first; an error right behind the last frame would take that frame along.
                tokio::task::yield_now().await;
                self.reporter.end(State::Cut);
                return Err(CutOff);
            }
            End::Hang { after } if self.sent >= after => pending::<()>().await,
            _ => {}
        }
        let Some(token) = self.frames.tokens.get(self.sent).cloned() else {
            self.reporter.end(State::Completed);
            return Ok(Some((self.frames.tail, None)));
        };
        let steps = u32::try_from(self.sent).unwrap_or(u32::MAX);
        sleep_until(self.begun + self.delay.saturating_mul(steps)).await;
        let bytes = if self.sent == 0 { [&self.frames.head[..], &token[..]].concat().into() } else { token };
        self.sent += 1;
        self.reporter.streamed(self.sent);
        Ok(Some((bytes, Some(self))))
    }
}
