//! An event stream as an `EventSource` sees it: with the ids of its events, so that it can be resumed.

use regrow_chaos::client::Turn;
use serde_json::{Value, json};

use crate::scene::{Scene, soon};

/// A stream that is being read.
pub(crate) struct Stream {
    response: reqwest::Response,
    buffer: String,
    pub(crate) text: String,
    /// The id of the last event that had one.
    pub(crate) last_id: Option<String>,
    /// The completion's id.
    pub(crate) completion: Option<String>,
    /// The first event told the role, as the stream of a completion that is seen from its start does.
    pub(crate) has_role: bool,
    pub(crate) error: Option<Value>,
    pub(crate) finish_reason: Option<String>,
    pub(crate) done: bool,
}

impl Stream {
    /// Sends a turn, after an event if there is one.
    pub(crate) async fn open(scene: &Scene, replica: usize, turn: &Turn, after: Option<&str>) -> Self {
        let url = format!("{}/chat/completions", scene.cluster.base_url(replica).unwrap());
        let body = json!({"model": "openclaw", "messages": turn.messages, "stream": true});
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = http.post(url).bearer_auth(scene.cluster.token()).json(&body);
        let headers = [
            ("x-openclaw-session-key", turn.session.as_deref()),
            ("idempotency-key", turn.idempotency_key.as_deref()),
            ("last-event-id", after),
        ];
        for (name, value) in headers.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            request = request.header(name, value);
        }
        let response = soon(request.send()).await.unwrap();
        assert_eq!(response.status(), 200, "{:?}", soon(response.text()).await);
        Self {
            response,
            buffer: String::new(),
            text: String::new(),
            last_id: None,
            completion: None,
            has_role: false,
            error: None,
            finish_reason: None,
            done: false,
        }
    }

    /// Reads until there are so many bytes of text.
    pub(crate) async fn read_text(&mut self, bytes: usize) {
        while self.text.len() < bytes {
            assert!(self.read().await, "the stream ended after {:?}", self.text);
        }
    }

    /// Reads to the end, whatever it is.
    pub(crate) async fn finish(&mut self) {
        while self.read().await {}
    }

    async fn read(&mut self) -> bool {
        let Ok(Some(piece)) = soon(self.response.chunk()).await else { return false };
        self.buffer.push_str(std::str::from_utf8(&piece).unwrap());
        while let Some(end) = self.buffer.find("\n\n") {
            let event: String = self.buffer.drain(..end + 2).collect();
            event.lines().for_each(|line| self.take(line));
        }
        true
    }

    fn take(&mut self, line: &str) {
        if let Some(id) = line.strip_prefix("id: ") {
            self.last_id = Some(id.to_owned());
        }
        match line.strip_prefix("data: ") {
            Some("[DONE]") => self.done = true,
            Some(data) => self.take_chunk(&serde_json::from_str(data).unwrap()),
            None => {}
        }
    }

    fn take_chunk(&mut self, chunk: &Value) {
        let owned = |value: &Value| value.as_str().map(str::to_owned);
        if chunk["error"].is_object() {
            self.error = Some(chunk["error"].clone());
            return;
        }
        self.completion = owned(&chunk["id"]);
        let choice = &chunk["choices"][0];
        self.has_role |= choice["delta"]["role"] == "assistant";
        self.text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        if let Some(reason) = owned(&choice["finish_reason"]) {
            self.finish_reason = Some(reason);
        }
    }
}
