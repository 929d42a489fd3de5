//! What a provider's error means for the chain. Providers disagree about the shape of an error body, so it is read
//! leniently; what cannot be read is quoted.

use std::time::Duration;

use serde_json::Value;

use crate::Cause;
use crate::provider::CallError;

/// Codes that say in so many words that the conversation does not fit.
const CONTEXT_CODES: [&str; 3] =
    ["context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded"];

/// Phrases by which providers without such a code say the same.
const CONTEXT_PHRASES: [&str; 8] = [
    "context_length_exceeded",
    "context length",
    "context window",
    "context size",
    "context limit",
    "prompt is too long",
    "input is too long",
    "prompt too long",
];

/// An error as a provider reports it, in a body or inside a stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// What it says; never empty.
    message: String,
    /// Its code and its type, for whichever says something known.
    codes: Vec<String>,
}

impl Report {
    /// Reads the body of an error response.
    pub(crate) fn of_body(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::of_value(&value),
            Err(_) => Self { message: words(&String::from_utf8_lossy(body)), codes: Vec::new() },
        }
    }

    /// Reads `{"error": {…}}`, `{"error": "…"}` or the error itself.
    pub(crate) fn of_value(value: &Value) -> Self {
        let error = value.get("error").filter(|error| !error.is_null()).unwrap_or(value);
        let message =
            ["message", "detail"].iter().find_map(|key| error.get(key)?.as_str()).or_else(|| error.as_str());
        let message = message.map_or_else(|| words(&error.to_string()), words);
        let codes = ["code", "type"].iter().filter_map(|key| match error.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        Self { message, codes: codes.collect() }
    }

    /// What the error means as the body of a response with `status`.
    pub(crate) fn with_status(self, status: u16, retry_after: Option<Duration>) -> CallError {
        let message = self.message.clone();
        match status {
            400 | 422 | 500 if self.is_context() => CallError::ContextTooLong { message },
            // Too many bytes: shortening the conversation helps with it as it does with too many tokens.
            413 => CallError::ContextTooLong { message },
            // A spent quota comes as 429 too, but does not return by waiting.
            429 if self.has_code("insufficient_quota") => CallError::Refused { status, message },
            429 => CallError::Transient { cause: Cause::RateLimited, message, retry_after },
            408 | 409 | 425 | 500..=599 => {
                CallError::Transient { cause: Cause::Unavailable, message, retry_after }
            }
            _ => CallError::Refused { status, message },
        }
    }

    /// What the error means inside a stream, which began with a status that promised better.
    pub(crate) fn in_stream(self) -> CallError {
        let status = self.codes.iter().find_map(|code| match code.as_str() {
            "invalid_request_error" => Some(400),
            "authentication_error" => Some(401),
            "permission_error" => Some(403),
            "not_found_error" => Some(404),
            "request_too_large" => Some(413),
            "rate_limit_error" | "rate_limit_exceeded" | "insufficient_quota" => Some(429),
            "overloaded_error" => Some(529),
            code => code.parse().ok().filter(|status| (400..600).contains(status)),
        });
        match status {
            None if self.is_context() => CallError::ContextTooLong { message: self.message },
            // A server that had begun to answer and says nothing about the request has a problem of its own.
            _ => self.with_status(status.unwrap_or(500), None),
        }
    }

    fn is_context(&self) -> bool {
        let message = self.message.to_lowercase();
        CONTEXT_CODES.iter().any(|code| self.has_code(code))
            || CONTEXT_PHRASES.iter().any(|phrase| message.contains(phrase))
    }

    fn has_code(&self, code: &str) -> bool {
        self.codes.iter().any(|have| have == code)
    }
}

/// A message in words, even where there is none.
fn words(text: &str) -> String {
    match text.trim() {
        "" => "no message".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(error: &CallError) -> &'static str {
        match error {
            CallError::Transient { cause: Cause::RateLimited, .. } => "rate limited",
            CallError::Transient { .. } => "transient",
            CallError::Refused { .. } => "refused",
            CallError::ContextTooLong { .. } => "context",
            _ => "other",
        }
    }

    #[test]
    fn statuses_and_bodies_decide() {
        let context = r#"{"error":{"message":"This model's maximum context length is 8192 tokens","type":"invalid_request_error"}}"#;
        for (status, body, want) in [
            (400, r#"{"error":{"message":"bad","code":null}}"#, "refused"),
            (400, context, "context"),
            (400, r#"{"error":{"message":"no","code":"context_length_exceeded"}}"#, "context"),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}"#,
                "context",
            ),
            (429, context, "rate limited"),
            (401, context, "refused"),
            (413, "", "context"),
            (429, r#"{"error":{"message":"pay","code":"insufficient_quota"}}"#, "refused"),
            (404, "not found", "refused"),
            (408, "", "transient"),
            (409, "", "transient"),
            (425, "", "transient"),
            (500, "<html>", "transient"),
            (503, "", "transient"),
            (
                529,
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                "transient",
            ),
            (302, "", "refused"),
        ] {
            let error = Report::of_body(body.as_bytes()).with_status(status, None);
            assert_eq!(kind(&error), want, "{status} {body}");
        }
    }

    #[test]
    fn errors_in_a_stream_are_told_apart_by_their_codes() {
        for (error, want) in [
            (r#"{"type":"overloaded_error","message":"Overloaded"}"#, "transient"),
            (r#"{"type":"api_error","message":"Internal"}"#, "transient"),
            (r#"{"type":"rate_limit_error","message":"slow down"}"#, "rate limited"),
            (r#"{"type":"authentication_error","message":"who"}"#, "refused"),
            (r#"{"type":"invalid_request_error","message":"prompt is too long"}"#, "context"),
            (r#"{"code":502,"message":"upstream"}"#, "transient"),
            (r#"{"code":"400","message":"bad"}"#, "refused"),
            (r#"{"message":"the context window is full"}"#, "context"),
            (r#""something""#, "transient"),
        ] {
            let value: Value = serde_json::from_str(error).unwrap();
            assert_eq!(kind(&Report::of_value(&value).in_stream()), want, "{error}");
        }
    }

    #[test]
    fn messages_are_found() {
        for (body, want) in [
            (r#"{"error":{"message":"a"}}"#, "a"),
            (r#"{"error":"b"}"#, "b"),
            (r#"{"detail":"c"}"#, "c"),
            (r#"{"object":"error","message":"d","code":400}"#, "d"),
            (r#"{"odd":1}"#, r#"{"odd":1}"#),
            ("plain", "plain"),
            ("", "no message"),
        ] {
            assert_eq!(Report::of_body(body.as_bytes()).message, want);
        }
    }
}
