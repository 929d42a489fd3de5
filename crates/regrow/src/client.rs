//! A client of running gateways: one message in, one reply out, over as many replicas as it takes.
//!
//! Every message carries an idempotency key, so when a replica is lost in the middle of a reply, asking the next one
//! with the same key and the last event's id continues it: nothing is run twice, nothing is shown twice.

use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::cli::{Common, Target};
use crate::state::State;
use crate::wiring;

/// How long replicas may all be away before a message is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The pause before the next replica is asked.
const PAUSE: Duration = Duration::from_millis(200);

/// A silence longer than this means that the replica is gone; gateways send a comment every 10 s.
const SILENCE: Duration = Duration::from_secs(25);

/// The most bytes of one event.
const EVENT_BYTES: usize = 16 << 20;

/// A client.
pub(crate) struct Client {
    http: reqwest::Client,
    urls: Vec<String>,
    token: Option<String>,
    /// Which address answered last.
    at: usize,
}

/// What to ask.
pub(crate) struct Question<'a> {
    pub(crate) message: &'a str,
    pub(crate) agent: Option<&'a str>,
    pub(crate) session_key: &'a str,
    pub(crate) key: &'a str,
}

/// What was answered.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) run: String,
    pub(crate) session_key: String,
    pub(crate) text: String,
    /// How often another replica continued the reply.
    pub(crate) continued: u32,
}

/// The parts of a chunk that a terminal shows.
#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    error: Option<Failure>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
}

#[derive(Debug, Default, Deserialize)]
struct Delta {
    content: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    error: Failure,
}

#[derive(Debug, Deserialize)]
struct Failure {
    message: String,
    code: Option<String>,
}

/// How one connection ended.
enum Ended {
    /// With the whole reply.
    Whole,
    /// Before it; another replica may have the rest.
    Lost(String),
}

impl Client {
    /// Finds the gateways to talk to.
    pub(crate) async fn new(common: &Common, target: &Target) -> anyhow::Result<Self> {
        let state = State::open(common)?;
        let http = reqwest::Client::builder().no_proxy().connect_timeout(Duration::from_secs(2)).build()?;
        let configured = &state.config.gateway.auth;
        let token = target.token.clone().or_else(|| match configured.effective() {
            crate::config::Auth::Token(s) | crate::config::Auth::Password(s) => Some(s.expose().to_owned()),
            crate::config::Auth::None => None,
        });
        let token = match token {
            Some(token) => Some(token),
            None => state.present_token()?,
        };
        let urls = if target.url.is_empty() { known(&state).await } else { target.url.clone() };
        Ok(Self { http, urls, token, at: 0 })
    }

    /// Asks, and passes the text on as it comes.
    pub(crate) async fn ask(
        &mut self,
        question: &Question<'_>,
        mut on_text: impl FnMut(&str),
    ) -> anyhow::Result<Answer> {
        let mut answer = Answer::default();
        let mut last_event = None;
        let mut last_word = tokio::time::Instant::now();
        loop {
            let before = answer.text.len();
            match self.once(question, &mut answer, &mut last_event, &mut on_text).await? {
                Ended::Whole => return Ok(answer),
                Ended::Lost(why) => {
                    if answer.text.len() > before {
                        last_word = tokio::time::Instant::now();
                    }
                    if last_word.elapsed() > PATIENCE {
                        bail!(
                            "{why}; asked {} for {} s. Is one running? Start it with: regrow",
                            self.urls.join(", "),
                            PATIENCE.as_secs()
                        );
                    }
                    if answer.run.is_empty()
                        && self.at + 1 >= self.urls.len()
                        && last_word.elapsed() > PAUSE * 5
                    {
                        bail!(
                            "{why}. No gateway answers at {}; start one with: regrow",
                            self.urls.join(", ")
                        );
                    }
                    answer.continued += u32::from(!answer.run.is_empty());
                    self.at = (self.at + 1) % self.urls.len();
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn once(
        &self,
        question: &Question<'_>,
        answer: &mut Answer,
        last_event: &mut Option<String>,
        on_text: &mut impl FnMut(&str),
    ) -> anyhow::Result<Ended> {
        let model = question.agent.map_or_else(|| "openclaw".to_owned(), |agent| format!("openclaw/{agent}"));
        let body = serde_json::json!({
            "model": model, "stream": true, "messages": [{"role": "user", "content": question.message}],
        });
        let mut request = self
            .http
            .post(format!("{}/v1/chat/completions", self.urls[self.at].trim_end_matches('/')))
            .header("x-openclaw-session-key", question.session_key)
            .header("idempotency-key", question.key)
            .json(&body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(id) = last_event.as_deref() {
            request = request.header("last-event-id", id);
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Ok(Ended::Lost(plain(&error))),
        };
        let status = response.status();
        if status.as_u16() == 503 {
            return Ok(Ended::Lost("the gateway is not ready".to_owned()));
        }
        if !status.is_success() {
            let text = response.text().await.unwrap_or_default();
            let why = serde_json::from_str::<Refusal>(&text).map_or(text, |refusal| refusal.error.message);
            bail!("the gateway refused the message ({status}): {why}");
        }
        let header =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
        answer.run = header("x-regrow-run-id");
        answer.session_key = header("x-openclaw-session-key");
        let mut buffer = Vec::new();
        loop {
            let chunk = match tokio::time::timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return Ok(Ended::Lost("the stream ended early".to_owned())),
                Ok(Err(error)) => return Ok(Ended::Lost(plain(&error))),
                Err(_) => return Ok(Ended::Lost("the gateway fell silent".to_owned())),
            };
            buffer.extend_from_slice(&chunk);
            while let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
                let event: Vec<u8> = buffer.drain(..end + 2).collect();
                if let Some(ended) = take(&event, answer, last_event, on_text)? {
                    return Ok(ended);
                }
            }
            if buffer.len() > EVENT_BYTES {
                bail!("the gateway sent an event of more than {} MiB", EVENT_BYTES >> 20);
            }
        }
    }
}

/// Takes one event; says so if it was the last.
fn take(
    event: &[u8],
    answer: &mut Answer,
    last_event: &mut Option<String>,
    on_text: &mut impl FnMut(&str),
) -> anyhow::Result<Option<Ended>> {
    let event = String::from_utf8_lossy(event);
    for line in event.lines() {
        if let Some(id) = line.strip_prefix("id: ") {
            *last_event = Some(id.to_owned());
        }
        let Some(data) = line.strip_prefix("data: ") else { continue };
        if data == "[DONE]" {
            return Ok(Some(Ended::Whole));
        }
        let chunk: Chunk =
            serde_json::from_str(data).context("the gateway sent something that is not a chunk")?;
        if let Some(failure) = chunk.error {
            match failure.code.as_deref() {
                Some("replica_draining") => return Ok(Some(Ended::Lost(failure.message))),
                _ => bail!("{}", failure.message),
            }
        }
        for text in chunk.choices.into_iter().filter_map(|choice| choice.delta.content) {
            on_text(&text);
            answer.text.push_str(&text);
        }
    }
    Ok(None)
}

/// An error of the connection without its address, which the caller names.
fn plain(error: &reqwest::Error) -> String {
    if error.is_connect() { "no connection".to_owned() } else { "the connection was lost".to_owned() }
}

/// The configured address, and every replica that the store knows.
async fn known(state: &State) -> Vec<String> {
    let mut urls = vec![format!("http://{}", local(state.config.gateway.listen_address()))];
    let present = state.store().is_ok_and(|crate::store_url::StoreUrl::Sqlite(path)| path.exists());
    if present && let Ok(store) = wiring::store(state) {
        for replica in store.list_replicas().await.unwrap_or_default() {
            let url = format!("http://{}", replica.address);
            if !replica.address.is_empty() && !urls.contains(&url) {
                urls.push(url);
            }
        }
    }
    urls
}

/// An address to connect to for one to listen on.
pub(crate) fn local(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}
