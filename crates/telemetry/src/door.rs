//! The door for those who watch: `GET /metrics` and `GET /internal/autoscale`, on a port of its own without
//! authentication. What is told here contains no word of any conversation and no secret, but it is not for the public:
//! keep the port inside.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use regrow_store::Store;
use regrow_worker::Worker;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::load::Looks;
use crate::{Metrics, lag};

/// Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Connections at once; further ones wait.
const CONNECTIONS: usize = 64;

/// How long a request's head may take.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// The pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

struct Door {
    metrics: Metrics,
    worker: Worker,
    looks: Looks,
}

/// Serves for as long as it is polled.
pub async fn serve(listener: TcpListener, metrics: Metrics, worker: Worker, store: Arc<dyn Store>) {
    let door = Arc::new(Door { metrics: metrics.clone(), worker, looks: Looks::new(store) });
    tokio::join!(lag::watch(metrics), accept(listener, door));
}

async fn accept(listener: TcpListener, door: Arc<Door>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let door = Arc::clone(&door);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(&door, request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .serve_connection(TokioIo::new(stream), service);
            // Whoever hangs up has what it wanted.
            let _ = connection.await;
            drop(place);
        });
    }
}

async fn answer(door: &Door, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    Ok(match (request.method(), path) {
        (&Method::GET | &Method::HEAD, "/metrics") => door.metrics().await,
        (&Method::GET | &Method::HEAD, "/internal/autoscale") => door.autoscale().await,
        (_, "/metrics" | "/internal/autoscale") => say(StatusCode::METHOD_NOT_ALLOWED, "only GET"),
        _ => say(StatusCode::NOT_FOUND, "here are /metrics and /internal/autoscale"),
    })
}

impl Door {
    async fn metrics(&self) -> Response<Full<Bytes>> {
        let load = self.looks.load().await.ok();
        match self.metrics.text(&self.worker, load.as_ref()) {
            Ok(text) => respond(StatusCode::OK, TEXT, text.into()),
            Err(error) => say(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    /// A scaler that gets no answer keeps the number of replicas as it is, which is right while the store is away.
    async fn autoscale(&self) -> Response<Full<Bytes>> {
        let load = match self.looks.load().await {
            Ok(load) => load,
            Err(error) => {
                return say(StatusCode::SERVICE_UNAVAILABLE, &format!("the load is unknown: {error}"));
            }
        };
        match serde_json::to_vec(&load) {
            Ok(json) => respond(StatusCode::OK, "application/json", json.into()),
            Err(error) => say(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }
}

fn say(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", format!("{text}\n").into())
}

fn respond(status: StatusCode, media: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}
