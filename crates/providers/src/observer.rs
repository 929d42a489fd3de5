//! Telling somebody of every attempt to get an answer of a model, whatever became of it.

use std::time::Duration;

use regrow_protocol::Usage;

use crate::provider::CallError;
use crate::{Cause, Completion};

/// Is told of attempts. It must not take long: the run waits for it.
pub trait Observer: Send + Sync {
    /// An attempt has ended. One that is cancelled is not told.
    fn attempted(&self, attempt: &Attempt<'_>);
}

/// One request to a provider and what became of it.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The provider's id.
    pub provider: &'a str,
    /// `ok`, or the kind of failure in one word.
    pub outcome: &'static str,
    /// From the request to the end of the answer, or to the failure.
    pub took: Duration,
    /// The tokens of an answer.
    pub usage: Option<Usage>,
}

impl<'a> Attempt<'a> {
    /// All outcomes.
    pub const OUTCOMES: [&'static str; 11] = [
        "ok",
        "unreachable",
        "timed_out",
        "rate_limited",
        "unavailable",
        "cut",
        "malformed",
        "refused",
        "context_too_long",
        "answer_too_large",
        "misconfigured",
    ];

    pub(crate) fn of(model: &'a str, took: Duration, made: &Result<Completion, CallError>) -> Self {
        Self {
            provider: model.split('/').next().unwrap_or_default(),
            outcome: made.as_ref().map_or_else(outcome, |_| "ok"),
            took,
            usage: made.as_ref().ok().map(|completion| completion.usage),
        }
    }
}

/// The kind of a failure in one word.
pub(crate) fn outcome(error: &CallError) -> &'static str {
    match error {
        CallError::Transient { cause, .. } => match cause {
            Cause::Unreachable => "unreachable",
            Cause::TimedOut => "timed_out",
            Cause::RateLimited => "rate_limited",
            // A model that is passed over is not asked.
            Cause::Unavailable | Cause::CircuitOpen => "unavailable",
            Cause::Cut => "cut",
            Cause::Malformed => "malformed",
        },
        CallError::Refused { .. } => "refused",
        CallError::ContextTooLong { .. } => "context_too_long",
        CallError::AnswerTooLarge => "answer_too_large",
        CallError::Misconfigured { .. } => "misconfigured",
    }
}
