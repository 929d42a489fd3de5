//! One connection, from its acceptance to the last byte that the client may still want to read.

mod linger;
mod patience;

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use regrow_worker::Readiness;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::Shutdown;
use crate::app::App;
use crate::engine::Engine;
use crate::router;
use linger::linger;
use patience::{Patience, Watched};

/// The most bytes of a request's line and headers; more gets 431.
const HEADER_BYTES: usize = 64 << 10;

/// Serves the requests of a connection until `shutdown` lets go of it, or `hard` drops it. One that was opened just before a
/// release and has not asked anything yet may still do so: its first response tells it to close.
pub(crate) async fn drive<E: Engine>(
    app: Arc<App<E>>,
    stream: TcpStream,
    peer: SocketAddr,
    shutdown: Shutdown,
    hard: CancellationToken,
) {
    let patience = Patience::new(app.limits.idle_timeout);
    let header_timeout = app.limits.header_timeout;
    let io = Watched::new(TokioIo::new(stream), &patience);
    let refused_early = Arc::new(AtomicBool::new(false));
    let has_asked = Arc::new(AtomicBool::new(false));
    let (refused, asked) = (Arc::clone(&refused_early), Arc::clone(&has_asked));
    let service = service_fn(move |request: Request<Incoming>| {
        asked.store(true, Ordering::Relaxed);
        let (app, refused) = (Arc::clone(&app), Arc::clone(&refused));
        // Boxed once here, so that a connection between two requests is small.
        Box::pin(async move {
            let has_body = !request.body().is_end_stream();
            let mut response = router::handle(&app, request, peer).await;
            // The client opens another connection for its next request, which leads to a replica that stays.
            if app.engine.readiness() == Readiness::Draining {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            refused.store(has_body && response.status().is_client_error(), Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        })
    });
    let mut connection = http1::Builder::new()
        .timer(patience)
        .header_read_timeout(header_timeout)
        .max_header_size(HEADER_BYTES)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(io, service);
    let (mut is_released, mut is_last) = (false, false);
    let served = loop {
        tokio::select! {
            served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break served,
            () = shutdown.release.cancelled(), if !is_released => {
                is_released = true;
                if !has_asked.load(Ordering::Relaxed) {
                    continue;
                }
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
            () = shutdown.drain.cancelled(), if !is_last => {
                (is_released, is_last) = (true, true);
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
            () = hard.cancelled() => return,
        }
    };
    let broken = served.is_err();
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "a connection broke");
    }
    if broken || refused_early.load(Ordering::Relaxed) {
        linger(connection.into_parts().io.into_inner().into_inner()).await;
    }
}

/// Turns a connection away that is one too many, without reading its request.
pub(crate) async fn turn_away(mut stream: TcpStream) {
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
        content-type: application/json\r\ncontent-length: 110\r\n\r\n\
        {\"error\":{\"message\":\"This replica has too many connections.\",\"type\":\"api_error\",\"code\":\"gateway_unavailable\"}}";
    if stream.write_all(ANSWER).await.is_ok() {
        linger(stream).await;
    }
}
