//! Completions in one piece. Nothing is sent before the end: a status can only be told once.

use std::sync::Arc;

use http::{Response, StatusCode};
use regrow_agent::{Ending, Reply};
use regrow_protocol::openai::{Answer, Calls, Choice, Completion};
use regrow_worker::{Cursor, Ticket, Update};
use serde::Serialize;

use super::abandon::Abandon;
use super::{ANY_MODEL, CompletionId, created};
use crate::app::App;
use crate::body::Body;
use crate::engine::{Engine, Updates};
use crate::refusal::Refusal;
use crate::respond;

/// Waits for the end of a run and answers with its completion, or with why there is none.
pub(super) async fn wait<E: Engine>(
    app: &App<E>,
    ticket: &Ticket,
    model: &str,
    mut abandon: Abandon<E>,
    can_repeat: bool,
) -> Response<Body> {
    let ended = tokio::select! {
        biased;
        ended = end_of(&app.engine, ticket) => ended,
        () = app.cut.cancelled() => Err(Refusal::draining()),
    };
    abandon.settled();
    match ended {
        Ok(reply) => completion(ticket, &reply, model),
        Err(refusal) if can_repeat => refusal.response(),
        Err(refusal) => refusal.after_acceptance().response(),
    }
}

/// The completion of a run that has ended, or 202 with its state.
pub(super) async fn peek<E: Engine>(app: &App<E>, ticket: &Ticket) -> Result<Response<Body>, Refusal> {
    #[derive(Serialize)]
    struct Pending<'a> {
        id: &'a str,
        object: &'static str,
        created: u64,
        status: &'static str,
    }
    if let Some(reply) = app.engine.reply(ticket).await? {
        return Ok(completion(ticket, &reply, ANY_MODEL));
    }
    let id = CompletionId(ticket.run).to_string();
    let created = created(ticket.run);
    let pending = Pending { id: &id, object: "chat.completion", created, status: "in_progress" };
    Ok(respond::json(StatusCode::ACCEPTED, &pending))
}

/// Follows a run to its end. The reply holds all of the text, so what came before is passed over, and a run that says
/// something else after a retry or a takeover is followed afresh.
async fn end_of(engine: &impl Engine, ticket: &Ticket) -> Result<Arc<Reply>, Refusal> {
    let mut follow = engine.follow(ticket, Cursor::START);
    loop {
        match follow.next().await? {
            Some(Update::Text(_)) => {}
            Some(Update::Diverged) => follow = engine.follow(ticket, Cursor::START),
            Some(Update::Ended(reply)) => return Ok(reply),
            None => return Err(Refusal::not_kept()),
        }
    }
}

fn completion(ticket: &Ticket, reply: &Reply, model: &str) -> Response<Body> {
    match &reply.ending {
        Ending::Done => {}
        Ending::Failed(failure) => return Refusal::from(failure).response(),
        Ending::Aborted => return Refusal::aborted().response(),
    }
    let only_calls = reply.text.is_empty() && !reply.tool_calls.is_empty();
    let message = Answer {
        role: "assistant",
        content: (!only_calls).then_some(&reply.text),
        tool_calls: Calls(&reply.tool_calls),
    };
    let id = CompletionId(ticket.run).to_string();
    let completion = Completion {
        id: &id,
        object: "chat.completion",
        created: created(ticket.run),
        model,
        choices: [Choice { index: 0, message, finish_reason: reply.stop.into() }],
        usage: reply.usage.into(),
    };
    respond::json(StatusCode::OK, &completion)
}
