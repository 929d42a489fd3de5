//! Which request goes where, and what holds for every one of them: a panic is one request's failure, and every
//! response carries the security headers.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt;
use http::{Method, Request, Response};
use hyper::body::Incoming;

use crate::app::App;
use crate::body::Body;
use crate::engine::Engine;
use crate::refusal::Refusal;
use crate::rules::Rule;
use crate::{chat, models, peer, probes, respond, trace};

/// Where stored completions are found.
const COMPLETIONS: &str = "/v1/chat/completions";

/// One of them, as traces name it.
const COMPLETION: &str = "/v1/chat/completions/{id}";

/// Answers a request.
pub(crate) async fn handle<E: Engine>(
    app: &App<E>,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Response<Body> {
    let answered = AssertUnwindSafe(route(app, request, peer)).catch_unwind().await;
    let answered = answered.unwrap_or_else(|_| {
        // The panic hook has logged where it was.
        tracing::error!("a request handler panicked");
        Err(Refusal::internal())
    });
    let mut response = answered.unwrap_or_else(|refusal| refusal.response());
    respond::secure(response.headers_mut());
    response
}

async fn route<E: Engine>(
    app: &App<E>,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<Body>, Refusal> {
    match request.uri().path() {
        "/health" | "/healthz" => Ok(probes::live(request.method())),
        "/startup" | "/startupz" => Ok(probes::started(app, &request)),
        "/ready" | "/readyz" => Ok(probes::ready(app, &request)),
        path if path.starts_with("/v1/") => {
            let rule = app.rules.now();
            rule.gate.admit(request.headers(), peer, Instant::now())?;
            api(app, &rule, request).await
        }
        path if path.starts_with(peer::PREFIX) => peer::live(app, &request),
        _ => Err(Refusal::not_found("Not found.")),
    }
}

async fn api<E: Engine>(
    app: &App<E>,
    rule: &Rule,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let path = request.uri().path();
    if !rule.chat_completions {
        return Err(unknown(path));
    }
    if path == COMPLETIONS {
        return match *request.method() {
            Method::POST => {
                trace::within(trace::of(&request, COMPLETIONS), chat::create(app, rule, request)).await
            }
            _ => Ok(respond::method_not_allowed("POST")),
        };
    }
    if let Some(id) = path.strip_prefix(COMPLETIONS).and_then(|rest| rest.strip_prefix('/')) {
        let span = || trace::of(&request, COMPLETION);
        return match *request.method() {
            Method::GET => trace::within(span(), chat::retrieve(app, id, &request)).await,
            Method::DELETE => trace::within(span(), chat::abort(app, id)).await,
            _ => Ok(respond::method_not_allowed("GET, DELETE")),
        };
    }
    match (path, request.method()) {
        ("/v1/models", &(Method::GET | Method::HEAD)) => Ok(rule.roster.list()),
        ("/v1/models", _) => Ok(respond::method_not_allowed("GET, HEAD")),
        _ => match path.strip_prefix(models::PREFIX) {
            Some(id) if matches!(*request.method(), Method::GET | Method::HEAD) => rule.roster.show(id),
            Some(_) => Ok(respond::method_not_allowed("GET, HEAD")),
            None => Err(unknown(path)),
        },
    }
}

fn unknown(path: &str) -> Refusal {
    Refusal::not_found(format!("There is no `{path}` here."))
}
