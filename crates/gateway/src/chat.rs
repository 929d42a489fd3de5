//! `/v1/chat/completions`: a request becomes a submission, and the run's updates become a completion.

mod abandon;
mod address;
mod completion_id;
mod events;
mod frames;
mod key;
mod position;
mod submit;
mod whole;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use regrow_protocol::{RunId, SessionId, SessionKey};
use regrow_worker::{Cursor, Ticket};
use serde::Serialize;

use crate::app::App;
use crate::body::Body;
use crate::engine::Engine;
use crate::refusal::Refusal;
use crate::rules::Rule;
use crate::{read_body, respond, trace};
use abandon::Abandon;
use address::Address;
use completion_id::{CompletionId, created};
use events::Events;
use frames::Frames;
use position::Position;
use submit::Asked;

/// The id of the run, on every answer about one.
const RUN_ID: HeaderName = HeaderName::from_static("x-regrow-run-id");

/// Where a client that reconnects left off.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The model's name in answers to requests that do not name one.
const ANY_MODEL: &str = "openclaw";

/// How a reply is wanted.
#[derive(Debug, Clone)]
struct Wanted {
    model: String,
    stream: bool,
    include_usage: bool,
}

/// `POST`: accepts a message, or finds the run that it was accepted for, and answers with that run's reply.
pub(crate) async fn create<E: Engine>(
    app: &App<E>,
    rule: &Rule,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let (parts, body) = request.into_parts();
    let key = key::of(&parts.headers)?;
    let resume = position::of(&parts.headers)?;
    let body = read_body::read(&parts.headers, body, &app.limits, &app.body_room).await?;
    let Asked { request, digest, room } = submit::parse(body).await?;
    let address = address::of(&rule.roster, &*rule.model_known, &parts.headers, &request, key)?;
    let fingerprint = submit::fingerprint(digest, &address);
    let wanted =
        Wanted { model: request.model.clone(), stream: request.stream, include_usage: request.include_usage };
    let left_off = match resume {
        Some(position) if key.is_none() => attached(app, position, &address, fingerprint).await?,
        _ => None,
    };
    let session = (left_off.is_none() || address.named).then(|| address.session.clone());
    let ticket = match left_off {
        Some(ticket) => ticket,
        None => {
            let trace = regrow_trace::handed_on(|| trace::carried(&parts.headers));
            let inbound = submit::inbound(request, address.model, trace);
            submit::submit(app, address.session, inbound, key, fingerprint).await?
        }
    };
    regrow_trace::accepted(ticket.run, ticket.duplicate);
    // Accepted, so it is in the store; until then it counts as a body that is arriving.
    drop(room);
    // A position in another run's text is one that the client has kept too long.
    let resume = resume.filter(|position| position.run == ticket.run);
    let abandon = Abandon::new(app, ticket.run, key.is_none() && !ticket.duplicate);
    let mut response = answer(app, &ticket, wanted, resume, abandon, key.is_some()).await;
    if let Some(session) = session {
        mark_session(response.headers_mut(), &session);
    }
    if ticket.duplicate {
        response.headers_mut().insert("x-regrow-duplicate", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// `GET`: the completion of a run, which is waited for; with `?wait=false`, or its state. As a stream for clients that
/// accept event streams.
pub(crate) async fn retrieve<E: Engine, B>(
    app: &App<E>,
    id: &str,
    request: &Request<B>,
) -> Result<Response<Body>, Refusal> {
    let ticket = find(app, completion_id::parse(id)?).await?;
    let resume = position::of(request.headers())?;
    if resume.is_some_and(|position| position.run != ticket.run) {
        return Err(Refusal::invalid("`Last-Event-ID` is of another completion.", LAST_EVENT_ID.as_str()));
    }
    let query = request.uri().query().unwrap_or_default();
    let asks = |flag: &str| query.split('&').any(|part| part == flag);
    let stream = accepts_events(request.headers());
    if !stream && asks("wait=false") {
        let mut response = whole::peek(app, &ticket).await?;
        mark_run(response.headers_mut(), ticket.run);
        return Ok(response);
    }
    let wanted = Wanted { model: ANY_MODEL.to_owned(), stream, include_usage: asks("include_usage=true") };
    let abandon = Abandon::new(app, ticket.run, false);
    Ok(answer(app, &ticket, wanted, resume, abandon, true).await)
}

/// `DELETE`: asks that a run be aborted. It ends soon, unless it has ended already.
pub(crate) async fn abort<E: Engine>(app: &App<E>, id: &str) -> Result<Response<Body>, Refusal> {
    #[derive(Serialize)]
    struct Aborting<'a> {
        id: &'a str,
        object: &'static str,
        status: &'static str,
    }
    let ticket = find(app, completion_id::parse(id)?).await?;
    app.engine.abort(ticket.run).await?;
    let id = CompletionId(ticket.run).to_string();
    let aborting = Aborting { id: &id, object: "chat.completion", status: "aborting" };
    Ok(respond::json(StatusCode::ACCEPTED, &aborting))
}

/// The answer to an accepted message. `can_repeat`: asking again leads to the same run.
async fn answer<E: Engine>(
    app: &App<E>,
    ticket: &Ticket,
    wanted: Wanted,
    resume: Option<Position>,
    abandon: Abandon<E>,
    can_repeat: bool,
) -> Response<Body> {
    let mut response = if wanted.stream {
        let from = resume.map_or(Cursor::START, |position| position.cursor);
        let follow = app.engine.follow(ticket, from);
        let frames = Frames::new(ticket.run, wanted.model, wanted.include_usage);
        let cut = app.cut.clone().cancelled_owned();
        let events = Events::new(follow, frames, resume, app.limits.keep_alive, cut, abandon);
        respond::pulled(Body::Events(Box::pin(events)), "text/event-stream")
    } else {
        whole::wait(app, ticket, &wanted.model, abandon, can_repeat).await
    };
    mark_run(response.headers_mut(), ticket.run);
    response
}

/// The run that a client without a key was following when it lost its connection: the one of its last event, if that
/// answers this very request. Otherwise the request is a new message, and the client has kept the event too long.
async fn attached<E: Engine>(
    app: &App<E>,
    position: Position,
    address: &Address,
    fingerprint: u64,
) -> Result<Option<Ticket>, Refusal> {
    let ticket = app.engine.ticket(position.run).await?;
    let same_session = |ticket: &Ticket| !address.named || ticket.session == SessionId::of(&address.session);
    let ticket = ticket.filter(|ticket| ticket.fingerprint == fingerprint && same_session(ticket));
    Ok(ticket.map(|ticket| Ticket { duplicate: true, ..ticket }))
}

async fn find<E: Engine>(app: &App<E>, run: RunId) -> Result<Ticket, Refusal> {
    let ticket = app.engine.ticket(run).await?;
    ticket.ok_or_else(|| {
        let id = CompletionId(run);
        Refusal::not_found(format!("There is no completion `{id}`, or it is not kept any longer."))
    })
}

fn accepts_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted.filter_map(|value| value.to_str().ok()).any(|value| value.contains("text/event-stream"))
}

fn mark_run(headers: &mut HeaderMap, run: RunId) {
    // An id is ASCII, so this holds.
    if let Ok(value) = HeaderValue::try_from(run.to_string()) {
        headers.insert(RUN_ID, value);
    }
}

fn mark_session(headers: &mut HeaderMap, session: &SessionKey) {
    // A session key has no control characters, so this holds.
    if let Ok(value) = HeaderValue::from_bytes(session.as_str().as_bytes()) {
        headers.insert(address::SESSION_KEY, value);
    }
}
