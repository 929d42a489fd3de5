//! The routes of the model server, and the way of one call through script, frames and pace.

use std::future::pending;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State as Shared};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::asked::Asked;
use super::frames::{Frames, Header};
use super::ledger::{Effect, Ledger, Reporter, State};
use super::script::{Answer, End, Plan, plan};
use super::{anthropic, openai, pace};

/// The largest request body; larger ones are refused with 413.
const MAX_BODY: usize = 64 << 20;

/// Which API a call speaks.
#[derive(Debug, Clone, Copy)]
enum Dialect {
    OpenAi,
    Anthropic,
}

pub(super) fn router(ledger: Arc<Ledger>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat_completions))
        .route("/v1/messages", post(messages))
        .route("/v1/models", get(models))
        .route("/__calls", get(calls))
        .route("/__effects", post(effect))
        .route("/__reset", post(reset))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(ledger)
}

async fn chat_completions(Shared(ledger): Shared<Arc<Ledger>>, body: Bytes) -> Response {
    answer(Dialect::OpenAi, &ledger, &body).await
}

async fn messages(Shared(ledger): Shared<Arc<Ledger>>, body: Bytes) -> Response {
    answer(Dialect::Anthropic, &ledger, &body).await
}

async fn models() -> Json<Value> {
    Json(json!({"object": "list", "data": [
        {"id": "fake-1", "object": "model", "created": 0, "owned_by": "regrow-chaos"}]}))
}

async fn calls(Shared(ledger): Shared<Arc<Ledger>>) -> Json<Value> {
    Json(json!({"calls": ledger.calls(), "unrecorded": ledger.unrecorded()}))
}

async fn effect(Shared(ledger): Shared<Arc<Ledger>>, Json(effect): Json<Effect>) -> StatusCode {
    ledger.note_effect(effect);
    StatusCode::NO_CONTENT
}

async fn reset(Shared(ledger): Shared<Arc<Ledger>>) -> StatusCode {
    ledger.reset();
    StatusCode::NO_CONTENT
}

async fn answer(dialect: Dialect, ledger: &Arc<Ledger>, body: &[u8]) -> Response {
    let asked = match Asked::read(body) {
        Ok(asked) => asked,
        Err(message) => return refusal(dialect, StatusCode::BAD_REQUEST, &message),
    };
    let Some((mut reporter, earlier)) = ledger.open(&asked) else {
        return refusal(dialect, StatusCode::INSUFFICIENT_STORAGE, "the ledger is full: POST /__reset");
    };
    match plan(&asked, earlier) {
        Plan::Refuse { status, retry_after } => {
            reporter.end(State::Refused);
            scripted_refusal(dialect, status, retry_after)
        }
        Plan::Answer(answer) => {
            if asked.script.id.is_some() {
                reporter.says(&answer.text());
            }
            send(dialect, &asked, &answer, reporter).await
        }
    }
}

/// Waits for the first byte's time, or for ever, and then sends. A client that leaves meanwhile drops the future.
async fn send(dialect: Dialect, asked: &Asked, answer: &Answer, reporter: Reporter) -> Response {
    if answer.end == (End::Hang { after: 0 }) {
        pending::<()>().await;
    }
    if !answer.first.is_zero() {
        sleep(answer.first).await;
    }
    let header = Header {
        number: reporter.number(),
        model: &asked.model,
        prompt_tokens: asked.prompt_tokens,
        usage: asked.usage,
    };
    let (frames, content_type) = match (dialect, asked.stream) {
        (Dialect::OpenAi, true) => (openai::stream(&header, answer), "text/event-stream"),
        (Dialect::Anthropic, true) => (anthropic::stream(&header, answer), "text/event-stream"),
        (Dialect::OpenAi, false) => (Frames::single(&openai::whole(&header, answer)), "application/json"),
        (Dialect::Anthropic, false) => {
            (Frames::single(&anthropic::whole(&header, answer)), "application/json")
        }
    };
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
    (headers, pace::body(frames, answer, reporter)).into_response()
}

fn scripted_refusal(dialect: Dialect, status: u16, retry_after: Option<u32>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut headers = HeaderMap::new();
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    (headers, refusal(dialect, status, "refused as the script said")).into_response()
}

fn refusal(dialect: Dialect, status: StatusCode, message: &str) -> Response {
    let kind = match status {
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_client_error() => "invalid_request_error",
        _ => "api_error",
    };
    let body = match dialect {
        Dialect::OpenAi => json!({"error": {"message": message, "type": kind, "code": null, "param": null}}),
        Dialect::Anthropic => json!({"type": "error", "error": {"type": kind, "message": message}}),
    };
    (status, Json(body)).into_response()
}
