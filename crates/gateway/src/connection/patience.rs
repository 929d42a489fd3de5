//! Two time-outs where hyper has one: short while a request's headers arrive, long between requests.
//!
//! hyper starts one timer when it begins to wait for a request, and it covers the idle time before the first byte too.
//! A load balancer keeps idle connections for a minute and would lose requests in connections that are closed after
//! ten seconds. So the timer given to hyper starts long, and becomes short with the first byte; the first request of a
//! connection has the short one from the start.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBufCursor, Sleep, Timer, Write};
use tokio::time::Sleep as TokioSleep;

/// hyper's timer for one connection. hyper uses it for the wait for headers only.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    idle: Duration,
    watch: Arc<Watch>,
}

/// What the timer has to know about the connection.
#[derive(Debug)]
struct Watch {
    /// No request has been waited for yet.
    new: AtomicBool,
    /// Bytes have arrived since the wait began. True from the start for a new connection: that it was opened is its
    /// first sign.
    heard: AtomicBool,
}

impl Patience {
    /// The timer of a new connection.
    pub(super) fn new(idle: Duration) -> Self {
        let watch = Watch { new: AtomicBool::new(true), heard: AtomicBool::new(true) };
        Self { idle, watch: Arc::new(watch) }
    }
}

impl Timer for Patience {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        if !self.watch.new.swap(false, Ordering::Relaxed) {
            self.watch.heard.store(false, Ordering::Relaxed);
        }
        let sleep = Box::pin(tokio::time::sleep(self.idle.max(duration)));
        Box::pin(Wait { sleep, short: Some(duration), watch: Arc::clone(&self.watch) })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(Instant::now()))
    }
}

/// The wait for one request's headers.
struct Wait {
    sleep: Pin<Box<TokioSleep>>,
    /// The time from the first byte, until that has come.
    short: Option<Duration>,
    watch: Arc<Watch>,
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.watch.heard.load(Ordering::Relaxed)
            && let Some(short) = this.short.take()
        {
            this.sleep.as_mut().reset(tokio::time::Instant::now() + short);
        }
        this.sleep.as_mut().poll(cx)
    }
}

/// A connection that tells the timer when bytes arrive.
#[derive(Debug)]
pub(super) struct Watched<T> {
    io: T,
    watch: Arc<Watch>,
}

impl<T> Watched<T> {
    /// Lets `patience` know what arrives at `io`.
    pub(super) fn new(io: T, patience: &Patience) -> Self {
        Self { io, watch: Arc::clone(&patience.watch) }
    }

    /// The connection itself.
    pub(super) fn into_inner(self) -> T {
        self.io
    }
}

impl<T: Read + Unpin> Read for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if read.is_ready() {
            self.watch.heard.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<T: Write + Unpin> Write for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }
}
