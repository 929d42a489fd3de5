//! Reading what a gateway answers: the events of a reply, or a refusal. A connection that breaks is no error: the rest of
//! the reply is asked for elsewhere.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use tokio::time::timeout;

use super::{Ended, Event, Reading, SILENCE};

/// The most bytes of one event.
const EVENT_BYTES: usize = 16 << 20;

/// When to come back if a gateway that refuses for the moment does not say.
const SOON: Duration = Duration::from_secs(1);

/// The longest that a gateway may send somebody away.
const LONGEST: Duration = Duration::from_secs(10);

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

/// A refusal: for the moment, or an error.
pub(super) async fn refused(response: Response) -> anyhow::Result<Ended> {
    let status = response.status();
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let after = header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let is_final = header("x-should-retry") == Some("false");
    let text = response.text().await.unwrap_or_default();
    let why = serde_json::from_str::<Refusal>(&text).map_or(text, |refusal| refusal.error.message);
    let busy = status == StatusCode::TOO_MANY_REQUESTS;
    if is_final || !(busy || status == StatusCode::SERVICE_UNAVAILABLE) {
        bail!("the gateway refused the message ({status}): {why}");
    }
    Ok(Ended::Later { why, after: after.unwrap_or(SOON).min(LONGEST), everywhere: busy })
}

/// Reads a reply from where it was left off.
pub(super) async fn read(
    mut response: Response,
    reading: &mut Reading,
    on_event: &mut impl FnMut(Event<'_>),
) -> anyhow::Result<Ended> {
    let mut buffer = Vec::new();
    loop {
        let chunk = match timeout(SILENCE, response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => return Ok(Ended::Lost("the stream ended early".to_owned())),
            Ok(Err(error)) => return Ok(Ended::Lost(plain(&error))),
            Err(_) => return Ok(Ended::Lost("the gateway fell silent".to_owned())),
        };
        buffer.extend_from_slice(&chunk);
        while let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = buffer.drain(..end + 2).collect();
            if let Some(ended) = take(&event, reading, on_event)? {
                return Ok(ended);
            }
        }
        if buffer.len() > EVENT_BYTES {
            bail!("the gateway sent an event of more than {} MiB", EVENT_BYTES >> 20);
        }
    }
}

/// Takes one event; says so if it was the last.
fn take(
    event: &[u8],
    reading: &mut Reading,
    on_event: &mut impl FnMut(Event<'_>),
) -> anyhow::Result<Option<Ended>> {
    let event = String::from_utf8_lossy(event);
    for line in event.lines() {
        if let Some(id) = line.strip_prefix("id: ") {
            reading.last_event = Some(id.to_owned());
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
        let texts = chunk.choices.into_iter().filter_map(|choice| choice.delta.content);
        for text in texts.filter(|text| !text.is_empty()) {
            on_event(Event::Text(&text));
            reading.answer.text.push_str(&text);
        }
    }
    Ok(None)
}

/// An error of the connection without its address, which the caller names.
pub(super) fn plain(error: &reqwest::Error) -> String {
    if error.is_connect() { "no connection".to_owned() } else { "the connection was lost".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)], body: &'static str) -> Response {
        let builder = headers
            .iter()
            .fold(http_response(status), |builder, (name, value)| builder.header(*name, *value));
        Response::from(builder.body(body).unwrap())
    }

    fn http_response(status: u16) -> http::response::Builder {
        http::Response::builder().status(status)
    }

    #[tokio::test]
    async fn a_refusal_for_the_moment_says_when_to_come_back() {
        const BODY: &str = r#"{"error":{"message":"busy","code":"overloaded"}}"#;
        for (status, headers, want) in [
            (503, &[("retry-after", "2")][..], Some((2, false))),
            (503, &[], Some((1, false))),
            (429, &[("retry-after", "3")], Some((3, true))),
            (429, &[("retry-after", "999")], Some((10, true))),
            (429, &[("retry-after", "300"), ("x-should-retry", "false")], None),
            (400, &[], None),
        ] {
            let ended = refused(response(status, headers, BODY)).await;
            let got = match ended {
                Ok(Ended::Later { why, after, everywhere }) => {
                    assert_eq!(why, "busy");
                    Some((after.as_secs(), everywhere))
                }
                Ok(_) => panic!("a refusal is no loss"),
                Err(error) => {
                    assert!(error.to_string().ends_with(": busy"), "{error}");
                    None
                }
            };
            assert_eq!(got, want, "{status} {headers:?}");
        }
    }
}
