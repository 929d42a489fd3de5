//! The refusal of a request body.

/// A request body is not what it should be. The caller has one decision: refuse it with these words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// What is wrong, in a sentence for the sender.
    pub message: String,
    /// Where, such as `messages[3].content`; `None` if it is the body as a whole.
    pub param: Option<String>,
}

impl Invalid {
    /// A refusal of the body as a whole.
    pub fn body(message: impl Into<String>) -> Self {
        Self { message: message.into(), param: None }
    }

    /// A refusal of one parameter.
    pub fn param(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { message: message.into(), param: Some(param.into()) }
    }
}
