//! Where a provider is and how it is reached: URL, headers, HTTP client, and the secrets that must not leak into
//! messages.

use std::sync::OnceLock;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, Url, redirect};
use secrecy::{ExposeSecret, SecretString};

use crate::provider::CallError;
use crate::{ProviderOptions, Timeouts};

/// Header values shorter than this are not looked for in messages: they are no secrets, and would blank out words.
const MIN_SECRET: usize = 8;

/// The most characters of a message that callers get.
const MAX_MESSAGE: usize = 2000;

/// One provider's endpoint.
pub(crate) struct Endpoint {
    url: Url,
    headers: HeaderMap,
    secrets: Vec<SecretString>,
    timeouts: Timeouts,
    /// Made at the first call: where the machine has no CA certificates, that call fails and not the program's start.
    client: OnceLock<Client>,
}

impl Endpoint {
    /// An endpoint at `url`; `headers` are the dialect's own, `key` names the header and its value's prefix.
    pub(crate) fn new(
        url: Url,
        options: &ProviderOptions,
        key: (&'static str, &str),
        mut headers: HeaderMap,
    ) -> Result<Self, String> {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        let mut secrets = Vec::new();
        if let Some(secret) = &options.api_key {
            let (name, prefix) = key;
            headers.insert(name, sensitive(&format!("{prefix}{}", secret.expose_secret()), "the API key")?);
            secrets.push(secret.clone());
        }
        for (name, value) in &options.headers {
            let header: HeaderName = name.parse().map_err(|_| format!("`{name}` is not a header name"))?;
            headers.insert(header, sensitive(value, name)?);
            if value.len() >= MIN_SECRET {
                secrets.push(value.as_str().into());
            }
        }
        secrets.extend(url.password().map(Into::into));
        secrets.retain(|secret: &SecretString| !secret.expose_secret().is_empty());
        Ok(Self { url, headers, secrets, timeouts: options.timeouts, client: OnceLock::new() })
    }

    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// A request with `body`, ready to be sent.
    pub(crate) fn post(&self, body: Bytes) -> Result<RequestBuilder, CallError> {
        Ok(self.client()?.post(self.url.clone()).headers(self.headers.clone()).body(body))
    }

    fn client(&self) -> Result<&Client, CallError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = build(&self.url, &self.timeouts)
            .map_err(|error| CallError::Misconfigured { message: describe(&error) })?;
        Ok(self.client.get_or_init(|| client))
    }

    /// `error` as callers may see it: without any secret that the provider or a library repeated, and not too long.
    pub(crate) fn presentable(&self, mut error: CallError) -> CallError {
        if let CallError::Transient { message, .. }
        | CallError::Refused { message, .. }
        | CallError::ContextTooLong { message }
        | CallError::Misconfigured { message } = &mut error
        {
            for secret in self.secrets.iter().map(ExposeSecret::expose_secret) {
                if message.contains(secret) {
                    *message = message.replace(secret, "[redacted]");
                }
            }
            // Only now, because a secret that was cut in half would not be found.
            if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
                message.truncate(end);
            }
        }
        error
    }
}

fn sensitive(value: &str, what: &str) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::from_str(value).map_err(|_| format!("{what} contains characters no header may"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn build(url: &Url, timeouts: &Timeouts) -> Result<Client, reqwest::Error> {
    let mut builder = Client::builder()
        .user_agent(concat!("regrow/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(timeouts.connect)
        // Kept connections cost memory only while calls end faster than they start; the idle time-out takes them.
        .pool_max_idle_per_host(1024)
        .tcp_nodelay(true)
        // A compressed stream is buffered by whoever compresses it, and arrives in lumps.
        .gzip(false)
        // A redirect would carry the key and the conversation to a place that nobody configured.
        .redirect(redirect::Policy::none());
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    if url.scheme() == "http" {
        // Without TLS no certificates are needed, so a machine that has none can still call a local model.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// An error with its causes, in one line.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// `base` with `path` appended, whether or not it ends with `/`. Only HTTP URLs are endpoints.
pub(crate) fn join(base: &str, path: &str) -> Result<Url, String> {
    // The URL itself stays out of the message: it may contain a password.
    let mut url: Url = base.parse().map_err(|error| format!("its base URL cannot be read: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("its base URL must start with http:// or https://".to_owned());
    }
    let joined = format!("{}{path}", url.path().trim_end_matches('/'));
    url.set_path(&joined);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_joined_and_judged() {
        let joined = |base| join(base, "/chat/completions").map(String::from);
        assert_eq!(joined("http://h/v1"), Ok("http://h/v1/chat/completions".to_owned()));
        assert_eq!(joined("http://h/v1/"), Ok("http://h/v1/chat/completions".to_owned()));
        assert_eq!(joined("https://h?v=1"), Ok("https://h/chat/completions?v=1".to_owned()));
        assert!(joined("ftp://h").is_err());
        assert!(joined("h/v1").is_err());
    }

    #[test]
    fn loopback_is_recognised() {
        for (url, want) in [
            ("http://127.0.0.1:1/", true),
            ("http://[::1]/", true),
            ("http://LOCALHOST/", true),
            ("http://10.0.0.1/", false),
            ("http://localhost.example/", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), want, "{url}");
        }
    }
}
