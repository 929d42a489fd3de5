//! Why an agent's tools cannot be put together. Failures of calls are not here: they are outputs for the model.

/// Why a toolbox cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client of `web_fetch` does not start, usually because the system has no CA certificates. Found at
    /// start, so that a broken image is not found out in the middle of a conversation.
    #[error("`web_fetch` has no HTTP client: {0}")]
    HttpClient(#[source] reqwest::Error),
}
