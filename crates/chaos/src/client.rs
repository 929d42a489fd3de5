//! A small OpenAI client for tests and load: it sends a turn, and reports everything that a user could notice.
//!
//! A refusal or a broken stream is a result, not an error, because these are what tests ask about. Only a request that
//! got no response at all is an [`Error`]. It sets no time-outs: the caller does.

mod live;
mod sse;

use std::time::{Duration, Instant};

use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

pub use live::Live;

/// Why there was no response.
pub type Error = reqwest::Error;

/// A client of one gateway. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base_url: String,
    token: String,
}

/// What is sent in one request.
#[derive(Debug, Clone, Default)]
pub struct Turn {
    /// The messages in OpenAI's form.
    pub messages: Vec<Value>,
    /// Answer as a stream.
    pub stream: bool,
    /// The model; `openclaw` if empty.
    pub model: String,
    /// The header `x-openclaw-session-key`.
    pub session: Option<String>,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// Further fields of the body, such as `tools` or `user`.
    pub fields: Map<String, Value>,
}

/// All that came back.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The response headers.
    pub headers: HeaderMap,
    /// The completion's id.
    pub id: Option<String>,
    /// The answered text.
    pub text: String,
    /// The id of the last event of a stream that had one.
    pub last_event_id: Option<String>,
    /// The tools that the model asked this client to call.
    pub tool_calls: Vec<ToolCall>,
    /// Why the model stopped.
    pub finish_reason: Option<String>,
    /// Token counts, as sent.
    pub usage: Option<Value>,
    /// The error object of the body or of the stream.
    pub error: Option<Value>,
    /// The response came to its proper end: a whole body, or a stream with `[DONE]`.
    pub complete: bool,
    /// What broke the response off, if something did.
    pub broken: Option<String>,
    /// From sending to the first piece of text or of a tool call.
    pub first_token: Option<Duration>,
    /// From sending to the end.
    pub total: Duration,
}

/// A tool call that the client was asked to make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolCall {
    /// Its id, to be sent back with the result.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as JSON text.
    pub arguments: String,
}

impl Turn {
    /// A turn of one user message.
    pub fn user(text: impl Into<String>) -> Self {
        Self { messages: vec![json!({"role": "user", "content": text.into()})], ..Self::default() }
    }

    /// The same turn, streamed.
    #[must_use]
    pub fn streamed(mut self) -> Self {
        self.stream = true;
        self
    }

    /// The same turn in the session of this key.
    #[must_use]
    pub fn in_session(mut self, key: impl Into<String>) -> Self {
        self.session = Some(key.into());
        self
    }

    /// The same turn under an idempotency key.
    #[must_use]
    pub fn once(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    fn body(&self) -> Value {
        let model = if self.model.is_empty() { "openclaw" } else { &self.model };
        let mut body = json!({"model": model, "messages": self.messages, "stream": self.stream});
        if let Some(body) = body.as_object_mut() {
            body.extend(self.fields.clone());
        }
        body
    }
}

impl Reply {
    /// The run's id as the gateway tells it.
    pub fn run_id(&self) -> Option<&str> {
        self.header("x-regrow-run-id")
    }

    /// A response header, if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The code of the error, if there is one.
    pub fn error_code(&self) -> Option<&str> {
        self.error.as_ref()?["code"].as_str()
    }

    /// Whether a whole answer came back, without an error.
    pub fn is_ok(&self) -> bool {
        self.status == 200 && self.complete && self.error.is_none()
    }
}

impl Client {
    /// A client of the gateway at `base_url` (with `/v1`). The error is a system without CA certificates.
    pub fn new(base_url: impl Into<String>, token: impl Into<String>) -> Result<Self, Error> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { http, base_url: base_url.into(), token: token.into() })
    }

    /// Sends a turn and reads the response to its end.
    pub async fn send(&self, turn: &Turn) -> Result<Reply, Error> {
        Ok(self.open(turn).await?.finish().await)
    }

    /// Sends a turn and returns as soon as the response's headers are there.
    pub async fn open(&self, turn: &Turn) -> Result<Live, Error> {
        let mut request = self
            .http
            .post(format!("{}/chat/completions", self.base_url))
            .bearer_auth(&self.token)
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(turn.body().to_string());
        if let Some(session) = &turn.session {
            request = request.header("x-openclaw-session-key", session);
        }
        if let Some(key) = &turn.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        for (name, value) in &turn.headers {
            request = request.header(name, value);
        }
        // The clock starts behind the writing of the body, which is this client's own work.
        let begun = Instant::now();
        Ok(Live::new(request.send().await?, begun))
    }

    /// Asks that a run be aborted; returns the status.
    pub async fn abort(&self, run: &str) -> Result<u16, Error> {
        let request = self.http.delete(format!("{}/chat/completions/{run}", self.base_url));
        Ok(request.bearer_auth(&self.token).send().await?.status().as_u16())
    }

    /// Gets a path below the gateway's root, such as `/readyz`; the body is `null` if it is not JSON.
    pub async fn get(&self, path: &str) -> Result<(u16, Value), Error> {
        let root = self.base_url.trim_end_matches("/v1");
        let response = self.http.get(format!("{root}{path}")).bearer_auth(&self.token).send().await?;
        let status = response.status().as_u16();
        let body = response.bytes().await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}
