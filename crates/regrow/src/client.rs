//! A client of running gateways: one message in, one reply out, over as many replicas as it takes.
//!
//! Every message carries an idempotency key, so when a replica is lost in the middle of a reply, asking the next one
//! with the same key and the last event's id continues it: nothing is run twice, nothing is shown twice. A replica that
//! refuses for the moment (503) leaves it to the next one; a refusal that holds everywhere (429) is waited out.

mod find;
mod pause;
mod stream;

use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, timeout};

use crate::cli::{Common, Target};
use crate::state::State;
use pause::Pause;

pub(crate) use find::local;

/// How long replicas may all be away before a message is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long they may be when none was reached yet: most likely none was started.
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(1);

/// A connection that lasted this long was worth something, even if no text came.
const SETTLED: Duration = Duration::from_secs(1);

/// A silence longer than this means that the replica is gone; gateways send a comment every 10 s.
const SILENCE: Duration = Duration::from_secs(25);

/// A client. Its copies share their connections.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    urls: Vec<String>,
    token: Option<String>,
    /// Which address is asked next.
    at: usize,
}

/// What to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) message: &'a str,
    pub(crate) agent: Option<&'a str>,
    pub(crate) session_key: &'a str,
    pub(crate) key: &'a str,
}

/// What happens while a reply comes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event<'a> {
    /// A gateway answers for the message: this run has its reply. Again after each loss.
    Accepted {
        /// The run's id.
        run: &'a str,
    },
    /// More text.
    Text(&'a str),
    /// There is no connection any more, or never was; another replica is asked.
    Lost,
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

/// What has been read of a reply.
#[derive(Debug, Default)]
struct Reading {
    answer: Answer,
    last_event: Option<String>,
    /// When the gateway that is read from answered; nothing if it has not.
    since: Option<Instant>,
    /// Somebody is there, even if nothing was answered.
    reached: bool,
}

/// How one attempt ended.
enum Ended {
    /// With the whole reply.
    Whole,
    /// Before it; another replica may have the rest.
    Lost(String),
    /// The gateway has said when to come back.
    Later { why: String, after: Duration, everywhere: bool },
}

impl Client {
    /// Finds the gateways to talk to.
    pub(crate) async fn new(common: &Common, target: &Target) -> anyhow::Result<Self> {
        let state = State::open(common)?;
        let token = find::token(&state, target)?;
        let urls = if target.url.is_empty() { find::known(&state).await } else { target.url.clone() };
        Self::of(urls, token, true)
    }

    /// A client of these gateways. `keep_alive`: a connection may serve several messages.
    pub(crate) fn of(urls: Vec<String>, token: Option<String>, keep_alive: bool) -> anyhow::Result<Self> {
        let mut http = reqwest::Client::builder().no_proxy().connect_timeout(Duration::from_secs(2));
        if !keep_alive {
            http = http.pool_max_idle_per_host(0);
        }
        Ok(Self { http: http.build()?, urls, token, at: 0 })
    }

    /// Asks, and tells what happens.
    pub(crate) async fn ask(
        &mut self,
        question: &Question<'_>,
        mut on_event: impl FnMut(Event<'_>),
    ) -> anyhow::Result<Answer> {
        let mut reading = Reading::default();
        let mut pause = Pause::default();
        let mut refusals = 0;
        let mut last_word = Instant::now();
        loop {
            let before = reading.answer.text.len();
            let ended = self.attempt(question, &mut reading, &mut on_event).await?;
            let settled = reading.since.take().is_some_and(|since| since.elapsed() > SETTLED);
            if reading.answer.text.len() > before || settled {
                last_word = Instant::now();
                pause = Pause::default();
            }
            let (why, after) = match ended {
                Ended::Whole => return Ok(reading.answer),
                Ended::Lost(why) => {
                    refusals = 0;
                    (why, Duration::ZERO)
                }
                Ended::Later { why, after, everywhere } => {
                    refusals += 1;
                    let all = everywhere || refusals % self.urls.len() == 0;
                    (why, if all { after } else { Duration::ZERO })
                }
            };
            on_event(Event::Lost);
            self.check_patience(&why, last_word.elapsed(), refusals > 0 || reading.reached)?;
            self.at = (self.at + 1) % self.urls.len();
            tokio::time::sleep(pause.next().max(after)).await;
        }
    }

    /// The error is the end of the patience. Every address is tried before.
    fn check_patience(&self, why: &str, away: Duration, reached: bool) -> anyhow::Result<()> {
        let urls = self.urls.join(", ");
        if away > PATIENCE {
            let seconds = PATIENCE.as_secs();
            bail!("{why}; asked {urls} for {seconds} s. Is one running? Start it with: regrow");
        }
        if !reached && away > PATIENCE_AT_FIRST && self.at + 1 == self.urls.len() {
            bail!("{why}. No gateway answers at {urls}; start one with: regrow");
        }
        Ok(())
    }

    async fn attempt(
        &self,
        question: &Question<'_>,
        reading: &mut Reading,
        on_event: &mut impl FnMut(Event<'_>),
    ) -> anyhow::Result<Ended> {
        let request = self.request(question, reading.last_event.as_deref());
        let response = match timeout(SILENCE, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Ok(Ended::Lost(stream::plain(&error))),
            Err(_) => {
                reading.reached = true;
                return Ok(Ended::Lost("the gateway does not answer".to_owned()));
            }
        };
        if !response.status().is_success() {
            return stream::refused(response).await;
        }
        let header =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
        let answer = &mut reading.answer;
        answer.continued += u32::from(!answer.run.is_empty());
        answer.run = header("x-regrow-run-id");
        answer.session_key = header("x-openclaw-session-key");
        (reading.since, reading.reached) = (Some(Instant::now()), true);
        on_event(Event::Accepted { run: &reading.answer.run });
        stream::read(response, reading, on_event).await
    }

    fn request(&self, question: &Question<'_>, last_event: Option<&str>) -> reqwest::RequestBuilder {
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
        if let Some(id) = last_event {
            request = request.header("last-event-id", id);
        }
        request
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// It is stopped: connections come about, and nothing is answered. The time passes by itself as long as nothing comes.
    #[tokio::test(start_paused = true)]
    async fn a_gateway_that_never_answers_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut client = Client::of(vec![url], None, true).unwrap();
        let question = Question { message: "Hello", agent: None, session_key: "s", key: "k" };
        let asked = timeout(PATIENCE * 10, client.ask(&question, |_| {})).await;
        let error = asked.expect("the patience ends").unwrap_err().to_string();
        assert!(error.starts_with("the gateway does not answer"), "{error}");
    }
}
