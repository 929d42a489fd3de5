//! Bodies of responses: in one piece, or pulled piece by piece. Nothing is buffered here beyond the piece in hand.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

/// The body of a response.
pub(crate) enum Body {
    /// In one piece, of a length that is told ahead. Empty once it was given.
    Whole(Bytes),
    /// Events of a run.
    Events(Pin<Box<dyn HttpBody<Data = Bytes, Error = Infallible> + Send>>),
    /// Lines for a peer.
    Lines(BoxStream<'static, Bytes>),
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Events(events) => events.as_mut().poll_frame(cx),
            Self::Lines(lines) => {
                lines.as_mut().poll_next(cx).map(|line| line.map(|line| Ok(Frame::data(line))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Events(_) | Self::Lines(_) => SizeHint::default(),
        }
    }
}
