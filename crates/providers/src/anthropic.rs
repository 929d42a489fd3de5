//! Anthropic messages: `POST {base}/v1/messages`.

mod body;
mod event;
mod fold;
mod turns;

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::endpoint::{Endpoint, join};
use crate::provider::{Call, CallError, Provider};
use crate::{Completion, OnDelta, ProviderOptions, exchange};

/// The name of this API in a `RawTurn`.
const API: &str = "anthropic-messages";

/// The version of the interface that is spoken here.
const VERSION: &str = "2023-06-01";

/// A provider that speaks this dialect.
pub(crate) struct Anthropic {
    endpoint: Endpoint,
}

impl Anthropic {
    /// The provider that `options` describe; the error says what is wrong with them.
    pub(crate) fn new(options: &ProviderOptions) -> Result<Self, String> {
        let base = options.base_url.trim_end_matches('/');
        let url = join(base.strip_suffix("/v1").unwrap_or(base), "/v1/messages")?;
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static(VERSION),
        )]);
        let endpoint = Endpoint::new(url, options, ("x-api-key", ""), headers)?;
        Ok(Self { endpoint })
    }
}

#[async_trait]
impl Provider for Anthropic {
    async fn stream(&self, call: &Call<'_>, on_delta: OnDelta<'_>) -> Result<Completion, CallError> {
        let body = call.body(|| body::encode(call))?;
        let mut fold = fold::Answer::default();
        exchange::run(&self.endpoint, body, &mut fold, on_delta).await?;
        Ok(fold.finish(&call.info.name))
    }
}
