//! OpenAI chat completions, as OpenAI and the many compatible servers speak them: `POST {base}/chat/completions`.

mod body;
mod chunk;
mod fold;

use async_trait::async_trait;
use reqwest::header::HeaderMap;

use crate::endpoint::{Endpoint, join};
use crate::provider::{Call, CallError, Provider};
use crate::{Completion, OnDelta, ProviderOptions, exchange};

/// A provider that speaks this dialect.
pub(crate) struct OpenAi {
    endpoint: Endpoint,
    limit: body::TokenLimit,
}

impl OpenAi {
    /// The provider that `options` describe; the error says what is wrong with them.
    pub(crate) fn new(options: &ProviderOptions) -> Result<Self, String> {
        let url = join(&options.base_url, "/chat/completions")?;
        let limit = body::TokenLimit::at(url.host_str().unwrap_or_default());
        let endpoint = Endpoint::new(url, options, ("authorization", "Bearer "), HeaderMap::new())?;
        Ok(Self { endpoint, limit })
    }
}

#[async_trait]
impl Provider for OpenAi {
    async fn stream(&self, call: &Call<'_>, on_delta: OnDelta<'_>) -> Result<Completion, CallError> {
        let body = call.body(|| body::encode(call, self.limit))?;
        let mut fold = fold::Answer::default();
        exchange::run(&self.endpoint, body, &mut fold, on_delta).await?;
        Ok(fold.finish(&call.info.name))
    }
}
