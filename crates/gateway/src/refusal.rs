//! Every way in which the door says no, and its status: the one place where errors become HTTP.
//!
//! OpenAI's SDKs repeat requests by themselves after 408, 409, 429 and 5xx. That is right where repeating helps; where
//! it cannot (a run that has ended as failed gives the same failure again), `x-should-retry: false` stops them.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};
use regrow_agent::{Failure, FailureKind};
use regrow_protocol::openai::{ErrorBody, ErrorDetail, Invalid};
use regrow_worker::{StoreError, SubmitError};

use crate::body::Body;
use crate::respond;

/// When it is worth trying again where nobody knows better.
const SOON: Duration = Duration::from_secs(1);

/// A request that is not answered as it was asked.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    code: Option<&'static str>,
    param: Option<String>,
    message: Cow<'static, str>,
    retry_after: Option<Duration>,
    final_word: bool,
}

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            kind,
            code: None,
            param: None,
            message: message.into(),
            retry_after: None,
            final_word: false,
        }
    }

    fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    fn retry_after(self, after: Duration) -> Self {
        Self { retry_after: Some(after), ..self }
    }

    /// Repeating the request cannot change the answer.
    fn final_word(self) -> Self {
        Self { final_word: true, ..self }
    }

    /// 400 for a field or header.
    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>, param: impl Into<String>) -> Self {
        let refusal = Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message);
        Self { param: Some(param.into()), ..refusal }
    }

    /// 400 for a request that is malformed as a whole.
    pub(crate) fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// 401, in OpenClaw's words.
    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Unauthorized")
    }

    /// 429 for an address that guesses secrets.
    pub(crate) fn locked_out(left: Duration) -> Self {
        let message = "Too many failed authentication attempts. Please try again later.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message).retry_after(left).final_word()
    }

    /// 404.
    pub(crate) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message).code("not_found")
    }

    /// 404 for a run whose record was deleted after its time.
    pub(crate) fn not_kept() -> Self {
        Self::not_found("This completion is not kept any longer.")
    }

    /// 413.
    pub(crate) fn body_too_large(limit: usize) -> Self {
        let message = format!("The body is larger than {limit} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", message)
    }

    /// 408.
    pub(crate) fn body_too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", "The body did not arrive in time.")
    }

    /// 415.
    pub(crate) fn not_json() -> Self {
        let message = "The body must be `application/json`, without content encoding.";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid_request_error", message)
    }

    /// 429 when there is no room for another body.
    pub(crate) fn no_room() -> Self {
        let message = "The gateway is reading as many requests as it can hold.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message)
            .code("overloaded")
            .retry_after(SOON)
    }

    /// 500 for a defect of this program. What it was is in the log, not in the answer.
    pub(crate) fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "api_error", "Internal error").code("internal_error")
    }

    /// 503 while replicas come and go.
    pub(crate) fn draining() -> Self {
        let message = "This replica is shutting down. The run goes on: ask for it by its id, or repeat the request if \
                       it had an Idempotency-Key.";
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, "api_error", message);
        refusal.code("replica_draining").retry_after(SOON)
    }

    /// The same about a message that was accepted without an idempotency key: repeating it would start another run.
    pub(crate) fn after_acceptance(self) -> Self {
        Self { retry_after: None, ..self }.final_word()
    }

    /// 409 for a run that ended because its sender did not want it any more.
    pub(crate) fn aborted() -> Self {
        let message = "The run was aborted before it could answer.";
        Self::new(StatusCode::CONFLICT, "api_error", message).code("run_aborted").final_word()
    }

    /// The event of a stream whose text was replaced after a takeover.
    pub(crate) fn diverged() -> Self {
        let message = "The reply was regenerated after a takeover and differs from what was streamed. Ask again with \
                       the same Idempotency-Key, or for the completion by its id, to get it whole.";
        Self::new(StatusCode::CONFLICT, "api_error", message).code("stream_diverged")
    }

    /// The refusal in OpenAI's shape, also the data of an error event.
    pub(crate) fn body(&self) -> ErrorBody<'_> {
        let param = self.param.as_deref();
        ErrorBody { error: ErrorDetail { message: &self.message, r#type: self.kind, param, code: self.code } }
    }

    /// The refusal as a response.
    pub(crate) fn response(&self) -> Response<Body> {
        let mut response = respond::json(self.status, &self.body());
        let headers = response.headers_mut();
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        if self.final_word {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Seconds, rounded up, at least one: who comes back earlier would come in vain.
fn whole_seconds(duration: Duration) -> u64 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    seconds.max(1)
}

impl From<Invalid> for Refusal {
    fn from(invalid: Invalid) -> Self {
        match invalid.param {
            Some(param) => Self::invalid(invalid.message, param),
            None => Self::malformed(invalid.message),
        }
    }
}

impl From<SubmitError> for Refusal {
    fn from(error: SubmitError) -> Self {
        let message = format!("{error}.");
        let too_many = |code, after| {
            let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message.clone());
            refusal.code(code).retry_after(after)
        };
        match error {
            SubmitError::KeyReused => {
                let message = "This Idempotency-Key was used for a different request.";
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Self::new(status, "invalid_request_error", message).code("idempotency_key_reused")
            }
            SubmitError::UnknownAgent(_) => Self::invalid(message, "model"),
            SubmitError::QueueFull { retry_after, .. } => too_many("session_queue_full", retry_after),
            SubmitError::Overloaded { retry_after } => too_many("overloaded", retry_after),
            SubmitError::Draining => unavailable(message, SOON),
            SubmitError::Unavailable { retry_after } => unavailable(message, retry_after),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a request failed at the store");
        unavailable("The store is unavailable.".to_owned(), SOON)
    }
}

fn unavailable(message: String, retry_after: Duration) -> Refusal {
    let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "api_error", message);
    refusal.code("gateway_unavailable").retry_after(retry_after)
}

impl From<&Failure> for Refusal {
    /// A run that ended as failed. The failure is the durable answer to its message.
    fn from(failure: &Failure) -> Self {
        let (status, kind, code) = match failure.reason {
            FailureKind::ModelRefused => (StatusCode::BAD_GATEWAY, "api_error", "model_refused"),
            FailureKind::ModelUnavailable => (StatusCode::BAD_GATEWAY, "api_error", "model_unavailable"),
            FailureKind::ContextTooLong => {
                (StatusCode::BAD_REQUEST, "invalid_request_error", "context_length_exceeded")
            }
            FailureKind::Limit => (StatusCode::INTERNAL_SERVER_ERROR, "api_error", "run_limit_reached"),
            FailureKind::Crashed => (StatusCode::INTERNAL_SERVER_ERROR, "api_error", "run_crashed"),
            FailureKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "api_error", "internal_error"),
        };
        Self::new(status, kind, failure.message.clone()).code(code).final_word()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_codes_and_retries() {
        let submit = |error: SubmitError| Refusal::from(error);
        let failed = |reason| Refusal::from(&Failure { reason, message: "m".into() });
        let after = |millis| Duration::from_millis(millis);
        for (refusal, status, code, retry_after, should_retry) in [
            (submit(SubmitError::KeyReused), 422, "idempotency_key_reused", None, None),
            (
                submit(SubmitError::QueueFull { waiting: 3, retry_after: after(2_100) }),
                429,
                "session_queue_full",
                Some("3"),
                None,
            ),
            (submit(SubmitError::Overloaded { retry_after: after(1) }), 429, "overloaded", Some("1"), None),
            (submit(SubmitError::Draining), 503, "gateway_unavailable", Some("1"), None),
            (
                submit(SubmitError::Unavailable { retry_after: after(0) }),
                503,
                "gateway_unavailable",
                Some("1"),
                None,
            ),
            (failed(FailureKind::ModelRefused), 502, "model_refused", None, Some("false")),
            (failed(FailureKind::ModelUnavailable), 502, "model_unavailable", None, Some("false")),
            (failed(FailureKind::ContextTooLong), 400, "context_length_exceeded", None, Some("false")),
            (failed(FailureKind::Limit), 500, "run_limit_reached", None, Some("false")),
            (failed(FailureKind::Crashed), 500, "run_crashed", None, Some("false")),
            (failed(FailureKind::Internal), 500, "internal_error", None, Some("false")),
            (Refusal::aborted(), 409, "run_aborted", None, Some("false")),
            (Refusal::draining(), 503, "replica_draining", Some("1"), None),
            (Refusal::draining().after_acceptance(), 503, "replica_draining", None, Some("false")),
        ] {
            let response = refusal.response();
            let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!((response.status().as_u16(), refusal.body().error.code), (status, Some(code)));
            assert_eq!(
                (header("retry-after"), header("x-should-retry")),
                (retry_after, should_retry),
                "{code}"
            );
        }
    }
}
