//! The way to the collector: the program's own HTTP client, used from threads that have no event loop. It is also where it is
//! noticed, and told once, that the collector does not take what it gets.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Request, Response, Uri};
use opentelemetry_http::{HttpClient, HttpError, ResponseBodyTooLarge};
use tokio::runtime::Handle;

/// How long a collector has to take a batch.
const WITHIN: Duration = Duration::from_secs(10);

/// The most bytes of an answer that are read. A collector says little.
const MAX_ANSWER: usize = 64 << 10;

/// Sends the batches of one signal.
pub(super) struct Transport {
    signal: &'static str,
    http: reqwest::Client,
    runtime: Handle,
    is_away: Arc<AtomicBool>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("signal", &self.signal).finish_non_exhaustive()
    }
}

impl Transport {
    pub(super) fn new(signal: &'static str, runtime: Handle) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .timeout(WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(1)
            .build()?;
        Ok(Self { signal, http, runtime, is_away: Arc::default() })
    }

    /// Tells that the collector is away, or back, when that has changed.
    fn tell(&self, collector: &Uri, sent: &Result<Response<Bytes>, HttpError>) {
        let problem = match sent {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answers {}", response.status())),
            Err(error) => Some(causes(&**error)),
        };
        let was_away = self.is_away.swap(problem.is_some(), Ordering::Relaxed);
        // The whole URL may name a tenant.
        let (signal, collector) = (self.signal, collector.authority().map_or("", |at| at.as_str()));
        match problem {
            Some(error) if !was_away => tracing::warn!(
                signal,
                collector,
                error,
                "the OpenTelemetry collector does not take this; what does not fit the queue is lost until it does"
            ),
            None if was_away => {
                tracing::info!(signal, collector, "the OpenTelemetry collector takes this again");
            }
            _ => {}
        }
    }
}

#[async_trait]
impl HttpClient for Transport {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (http, collector) = (self.http.clone(), request.uri().clone());
        let sending = self.runtime.spawn(async move { send(&http, request).await });
        let sent = sending.await.unwrap_or_else(|stopped| Err(stopped.into()));
        self.tell(&collector, &sent);
        sent
    }
}

async fn send(http: &reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let mut answer = http.execute(request.try_into()?).await.map_err(reqwest::Error::without_url)?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(ResponseBodyTooLarge::new().into());
        }
        body.extend_from_slice(&chunk);
    }
    *response.body_mut() = body.freeze();
    Ok(response)
}

/// An error with what caused it.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
