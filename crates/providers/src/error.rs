//! What can go wrong with a call, told apart by what the caller does next. No message contains a key or a header.

use std::fmt;
use std::time::Duration;

/// Why no model answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The name is not `provider/model` with a provider that exists: correct the configuration or the request.
    #[error("there is no model `{name}`: a model is named `provider/model`, by a configured provider")]
    UnknownModel {
        /// The name that was asked for; empty when no name was given.
        name: String,
    },
    /// The conversation does not fit the model: shorten it and ask again.
    #[error("the conversation is too long for `{model}`: {message}")]
    ContextTooLong {
        /// The model that said so.
        model: String,
        /// What it said.
        message: String,
    },
    /// The provider will refuse the same call again: correct the key, the model's name or the request.
    #[error("`{model}` refused the call with status {status}: {message}")]
    Refused {
        /// The model that refused.
        model: String,
        /// The HTTP status.
        status: u16,
        /// What the provider said.
        message: String,
    },
    /// Every model of the chain failed in a way that may pass: tell the user now, or ask again later.
    #[error("no model answered in {attempts} attempts; the last failure: {last}")]
    Exhausted {
        /// Attempts made over all models.
        attempts: u32,
        /// The last of the failures that may pass.
        last: Failure,
    },
    /// The model did not stop: its answer was thrown away at the limit. Asking again costs as much again.
    #[error("the answer of `{model}` is larger than {limit} bytes and was dropped")]
    AnswerTooLarge {
        /// The model that ran on.
        model: String,
        /// The limit for text, tool arguments and reasoning together.
        limit: usize,
    },
    /// A provider cannot be called from here: correct the configuration or the machine (its CA certificates, for one).
    #[error("the provider `{provider}` cannot be called: {message}")]
    Misconfigured {
        /// The provider's id.
        provider: String,
        /// What is wrong.
        message: String,
    },
}

impl Error {
    /// The same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Exhausted { .. })
    }
}

/// A failure that may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The model that failed.
    pub model: String,
    /// What kind of failure it was.
    pub cause: Cause,
    /// What is known about it, in words.
    pub message: String,
    /// When the provider wants to be asked again, by its own word.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}: {}", self.model, self.cause, self.message)
    }
}

/// The kinds of failure that may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No connection could be made.
    Unreachable,
    /// One of the time limits ran out.
    TimedOut,
    /// The provider asks for fewer calls.
    RateLimited,
    /// The provider says that it has a problem.
    Unavailable,
    /// The answer ended before its end.
    Cut,
    /// The answer is not in the provider's dialect.
    Malformed,
    /// Not asked, because it failed several times in a row a moment ago and another model could be asked instead.
    CircuitOpen,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "cannot be reached",
            Self::TimedOut => "took too long",
            Self::RateLimited => "is limiting calls",
            Self::Unavailable => "is unavailable",
            Self::Cut => "was cut off",
            Self::Malformed => "sent something unreadable",
            Self::CircuitOpen => "was passed over",
        })
    }
}
