//! The boundary between the chain of models and the dialects: one call in, one completion or one classified error out.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::catalogue::ModelInfo;
use crate::{Cause, Completion, ModelRequest, OnDelta};

/// One provider in its dialect. Dropping the future cancels the call.
#[async_trait]
pub(crate) trait Provider: Send + Sync {
    /// Makes one attempt.
    async fn stream(&self, call: &Call<'_>, on_delta: OnDelta<'_>) -> Result<Completion, CallError>;
}

/// One call of one model, the same over all its attempts.
pub(crate) struct Call<'a> {
    /// The model, with its full name.
    pub(crate) info: ModelInfo,
    /// The model's id at its provider.
    pub(crate) id: &'a str,
    /// What is asked.
    pub(crate) request: &'a ModelRequest<'a>,
    /// The serialised request, made by the first attempt and sent again by the others.
    body: OnceLock<Bytes>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(info: ModelInfo, id: &'a str, request: &'a ModelRequest<'a>) -> Self {
        Self { info, id, request, body: OnceLock::new() }
    }

    /// The request's bytes, made by `encode` when they are wanted for the first time.
    pub(crate) fn body<E>(&self, encode: impl FnOnce() -> Result<Vec<u8>, E>) -> Result<Bytes, E> {
        if let Some(body) = self.body.get() {
            return Ok(body.clone());
        }
        let body = Bytes::from(encode()?);
        Ok(self.body.get_or_init(|| body).clone())
    }
}

/// Why an attempt failed, told apart by what the chain does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallError {
    /// It may pass: try again.
    Transient { cause: Cause, message: String, retry_after: Option<Duration> },
    /// It will not pass with this model.
    Refused { status: u16, message: String },
    /// The conversation does not fit.
    ContextTooLong { message: String },
    /// The answer grew over its limit.
    AnswerTooLarge,
    /// The call cannot be made from here.
    Misconfigured { message: String },
}

impl CallError {
    /// A failure that may pass, without a word from the provider about when.
    pub(crate) fn transient(cause: Cause, message: impl Into<String>) -> Self {
        Self::Transient { cause, message: message.into(), retry_after: None }
    }

    /// An answer that ended before its end.
    pub(crate) fn cut() -> Self {
        Self::transient(Cause::Cut, "the stream ended before the answer was complete")
    }

    /// An answer that is not in the dialect.
    pub(crate) fn malformed(error: &serde_json::Error) -> Self {
        Self::transient(Cause::Malformed, format!("unexpected JSON: {error}"))
    }
}
