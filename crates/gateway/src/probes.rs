//! OpenClaw's probes, without authentication. Liveness is about this process alone: a store that is away must not get
//! healthy replicas restarted.

use http::{Method, Request, Response, StatusCode};
use regrow_worker::Readiness;
use serde::Serialize;

use crate::app::App;
use crate::body::Body;
use crate::engine::Engine;
use crate::respond;

#[derive(Serialize)]
struct Status {
    ok: bool,
    status: &'static str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    detail: Option<Detail>,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing: Option<[String; 1]>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    detail: Option<Detail>,
}

/// What is told to callers with a right secret only.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    version: &'static str,
    uptime_ms: u64,
}

/// The process answers.
pub(crate) fn live(method: &Method) -> Response<Body> {
    if !is_read(method) {
        return respond::method_not_allowed("GET, HEAD");
    }
    respond::json(StatusCode::OK, &Status { ok: true, status: "live", detail: None })
}

/// The replica has joined, and is not about to leave.
pub(crate) fn started<E: Engine, B>(app: &App<E>, request: &Request<B>) -> Response<Body> {
    if !is_read(request.method()) {
        return respond::method_not_allowed("GET, HEAD");
    }
    let (code, status) = match app.engine.readiness() {
        Readiness::Ready | Readiness::NotReady(_) => (StatusCode::OK, "started"),
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    respond::json(code, &Status { ok: code == StatusCode::OK, status, detail: detail(app, request) })
}

/// The replica can accept and commit work now.
pub(crate) fn ready<E: Engine, B>(app: &App<E>, request: &Request<B>) -> Response<Body> {
    if !is_read(request.method()) {
        return respond::method_not_allowed("GET, HEAD");
    }
    let failing = match app.engine.readiness() {
        Readiness::Ready => None,
        Readiness::NotReady(reason) => Some([reason]),
        Readiness::Starting => Some(["starting".to_owned()]),
        Readiness::Draining => Some(["draining".to_owned()]),
    };
    let code = if failing.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    respond::json(code, &Ready { ready: failing.is_none(), failing, detail: detail(app, request) })
}

fn detail<E: Engine, B>(app: &App<E>, request: &Request<B>) -> Option<Detail> {
    app.rules.now().gate.recognises(request.headers()).then(|| {
        let uptime = app.started.elapsed().as_millis();
        Detail { version: app.version, uptime_ms: u64::try_from(uptime).unwrap_or(u64::MAX) }
    })
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
