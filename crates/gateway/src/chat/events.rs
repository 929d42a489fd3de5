//! The event stream of a completion. It is pulled: the next update is asked for when the client has taken the last
//! event, so a slow client holds one update and no more.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use regrow_worker::{StoreError, Update};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{ReusableBoxFuture, WaitForCancellationFutureOwned};
use tracing::Span;

use super::abandon::Abandon;
use super::frames::{self, Frames};
use super::position::Position;
use crate::engine::{Engine, Updates};
use crate::refusal::Refusal;

/// A follower and what it was told last.
type Pulled<F> = (F, Result<Option<Update>, StoreError>);

/// The events of a run, from a position to its end.
pub(super) struct Events<E: Engine> {
    /// The pending question for the next update. It is never cancelled, and its memory is used again; `None` after the
    /// end.
    next: Option<ReusableBoxFuture<'static, Pulled<E::Follow>>>,
    frames: Frames,
    /// The role has not been told yet.
    opening: bool,
    /// Closing events that the client has.
    seen: usize,
    keep_alive: Duration,
    silence: Pin<Box<Sleep>>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    abandon: Abandon<E>,
    /// The span of the request, which lasts as long as this.
    _request: Span,
}

impl<E: Engine> Events<E> {
    /// The events that `follow` gives. A client that resumes has the role already. After `cut` the stream ends as soon as
    /// it would have to wait.
    pub(super) fn new(
        follow: E::Follow,
        frames: Frames,
        resume: Option<Position>,
        keep_alive: Duration,
        cut: WaitForCancellationFutureOwned,
        abandon: Abandon<E>,
    ) -> Self {
        Self {
            next: Some(ReusableBoxFuture::new(pull(follow))),
            frames,
            opening: resume.is_none(),
            seen: resume.map_or(0, |position| position.closing),
            keep_alive,
            silence: Box::pin(tokio::time::sleep(keep_alive)),
            cut: Box::pin(cut),
            abandon,
            _request: Span::current(),
        }
    }

    /// The event for an update; `None` if there is nothing to say.
    fn event(&mut self, (follow, update): Pulled<E::Follow>) -> Option<Bytes> {
        let cursor = follow.cursor();
        match update {
            Ok(Some(Update::Text(text))) => {
                if let Some(next) = &mut self.next {
                    next.set(pull(follow));
                }
                (!text.is_empty()).then(|| self.frames.text(cursor, &text))
            }
            Ok(Some(Update::Ended(reply))) => {
                let closing = self.frames.closing(cursor, &reply, self.seen);
                Some(self.end_with(closing))
            }
            Ok(Some(Update::Diverged)) => Some(self.end_with(frames::failed(&Refusal::diverged()))),
            Ok(None) => Some(self.end_with(frames::failed(&Refusal::not_kept()))),
            Err(error) => Some(self.end_with(frames::failed(&Refusal::from(error)))),
        }
    }

    fn end_with(&mut self, event: Bytes) -> Bytes {
        self.next = None;
        self.abandon.settled();
        event
    }

    /// The next event; `None` after the last.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if std::mem::take(&mut self.opening) {
            return Poll::Ready(Some(self.frames.role()));
        }
        loop {
            let Some(next) = &mut self.next else { return Poll::Ready(None) };
            let Poll::Ready(pulled) = next.poll(cx) else { break };
            if let Some(event) = self.event(pulled) {
                return Poll::Ready(Some(event));
            }
        }
        if self.cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(self.end_with(frames::draining())));
        }
        self.silence.as_mut().poll(cx).map(|()| Some(frames::KEEP_ALIVE))
    }
}

async fn pull<F: Updates>(mut follow: F) -> Pulled<F> {
    let update = follow.next().await;
    (follow, update)
}

impl<E: Engine> Body for Events<E> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        let event = std::task::ready!(this.poll_event(cx));
        if event.is_some() {
            this.silence.as_mut().reset(Instant::now() + this.keep_alive);
        }
        Poll::Ready(event.map(|event| Ok(Frame::data(event))))
    }
}
