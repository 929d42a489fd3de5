//! OpenAI's shape of an error.

use serde::Serialize;

/// The body of a refusal, also the data of an error event in a stream.
#[derive(Debug, Serialize)]
pub struct ErrorBody<'a> {
    /// The error.
    pub error: ErrorDetail<'a>,
}

/// What went wrong.
#[derive(Debug, Serialize)]
pub struct ErrorDetail<'a> {
    /// A sentence for a person.
    pub message: &'a str,
    /// The class, such as `invalid_request_error`.
    pub r#type: &'a str,
    /// The parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<&'a str>,
    /// What a program can decide on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'a str>,
}
