//! The live text of a run for a replica whose clients follow it, authenticated by a token that only replicas of one store
//! can make.
//!
//! It makes streams fast, never right: a peer that gets nothing here reads the log.

use futures_util::StreamExt;
use http::{Method, Request, Response};
use regrow_protocol::RunId;

use crate::app::App;
use crate::auth::same_secret;
use crate::body::Body;
use crate::engine::Engine;
use crate::refusal::Refusal;
use crate::{header, respond};

/// Where peers ask.
pub(crate) const PREFIX: &str = "/internal/live/";

/// `GET /internal/live/{run}`: lines of JSON until the run ends here; 404 if it is not driven here.
pub(crate) fn live<E: Engine, B>(app: &App<E>, request: &Request<B>) -> Result<Response<Body>, Refusal> {
    let run = request.uri().path().strip_prefix(PREFIX).and_then(|run| run.parse::<RunId>().ok());
    let shown = header::bearer(request.headers());
    let admitted = |run: &RunId| shown.is_some_and(|token| same_secret(&app.engine.peer_token(*run), token));
    let run = run.filter(admitted).ok_or_else(Refusal::unauthorized)?;
    if request.method() != Method::GET {
        return Ok(respond::method_not_allowed("GET"));
    }
    let lines =
        app.engine.live_lines(run).ok_or_else(|| Refusal::not_found("This run is not driven here."))?;
    // A peer that loses the lines looks for the run's new owner.
    let lines = lines.take_until(app.cut.clone().cancelled_owned()).boxed();
    Ok(respond::pulled(Body::Lines(lines), "application/x-ndjson"))
}
