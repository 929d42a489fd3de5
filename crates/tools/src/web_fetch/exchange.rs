//! The HTTP side of `web_fetch`: a GET, its redirects one by one, and a body that is read up to a bound.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Client, ClientBuilder, Response, StatusCode, redirect};
use url::Url;

use super::resolver::PublicResolver;
use super::{WebOptions, address, body};
use crate::refusal::Refusal;

/// How long connecting may take; the whole call has its own limit.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Idle connections kept for the next page of the same host.
const MAX_IDLE_PER_HOST: usize = 2;

/// What kinds of content are asked for.
const ACCEPTED: &str =
    "text/html, text/markdown, text/plain, application/json, application/xml;q=0.9, */*;q=0.5";

/// Fetches pages within the limits of some options.
pub(super) struct Exchange {
    client: Client,
    allow_private: bool,
    max_redirects: usize,
    max_bytes: usize,
}

/// What a server answered in the end.
#[derive(Debug)]
pub(super) struct Reply {
    /// The address after all redirects.
    pub(super) url: Url,
    /// The status of the last answer.
    pub(super) status: StatusCode,
    /// Its `Content-Type`, empty if it has none.
    pub(super) content_type: String,
    /// Its body, decompressed, up to the bound.
    pub(super) body: Vec<u8>,
    /// The body is longer than the bound.
    pub(super) truncated: bool,
}

/// A client that goes where it is told and nowhere else: no proxies, because a proxy would resolve names itself, and
/// no redirects of its own, because each one must be checked.
pub(super) fn client(allow_private: bool) -> ClientBuilder {
    let builder = Client::builder()
        .user_agent(concat!("Regrow/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(MAX_IDLE_PER_HOST);
    if allow_private { builder } else { builder.dns_resolver(PublicResolver) }
}

impl Exchange {
    pub(super) fn new(client: Client, options: &WebOptions) -> Self {
        Self {
            client,
            allow_private: options.allow_private,
            max_redirects: options.max_redirects,
            max_bytes: options.max_bytes,
        }
    }

    /// Gets `url`, following redirects.
    pub(super) async fn get(&self, mut url: Url) -> Result<Reply, Refusal> {
        for _ in 0..=self.max_redirects {
            address::check(&url, self.allow_private)?;
            let request = self.client.get(url.clone()).header(ACCEPT, ACCEPTED);
            let response = request.send().await.map_err(|error| failed(&error))?;
            match redirect_of(&response, &url)? {
                Some(next) => url = next,
                None => return self.receive(url, response).await,
            }
        }
        Err(Refusal(format!("the page redirects more than {} times", self.max_redirects)))
    }

    async fn receive(&self, url: Url, mut response: Response) -> Result<Reply, Refusal> {
        let status = response.status();
        let content_type = header(&response, CONTENT_TYPE).unwrap_or_default().to_owned();
        body::check_type(status, &content_type, response.content_length())?;
        let mut body = Vec::new();
        let mut truncated = false;
        // Chunks come decompressed and small, so a body that unpacks to gigabytes ends at the bound as well.
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            let room = self.max_bytes - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                truncated = true;
                break;
            }
        }
        Ok(Reply { url, status, content_type, body, truncated })
    }
}

/// Where a redirect leads; nothing if the answer is none.
fn redirect_of(response: &Response, url: &Url) -> Result<Option<Url>, Refusal> {
    let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    match header(response, LOCATION) {
        Some(location) if redirects => match url.join(location) {
            Ok(next) => Ok(Some(next)),
            Err(error) => {
                Err(Refusal(format!("the page redirects to something that is no address: {error}")))
            }
        },
        _ => Ok(None),
    }
}

fn header(response: &Response, name: reqwest::header::HeaderName) -> Option<&str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

/// The innermost cause says most: a name without addresses, a refused connection, a broken certificate.
fn failed(error: &reqwest::Error) -> Refusal {
    let mut cause = error.source();
    let mut reason = "the request failed".to_owned();
    while let Some(error) = cause {
        reason = error.to_string();
        cause = error.source();
    }
    Refusal(format!("the page could not be fetched: {reason}"))
}
