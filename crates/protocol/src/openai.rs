//! OpenAI's chat-completions bodies, as this gateway reads and writes them.
//!
//! Requests are read leniently (unknown fields are ignored) but precisely: every refusal names the place in the body.
//! Replies and chunks borrow what they carry, so that writing one copies its text once, into the output.

mod chat_request;
mod completion;
mod content;
mod document;
mod error;
mod invalid;
mod messages;
mod models;
mod place;
mod tools;
mod value;

pub use chat_request::ChatRequest;
pub use completion::{
    Answer, CallDelta, CallFunction, Calls, Choice, Chunk, ChunkChoice, Completion, Delta, FinishReason,
    UsageCounts,
};
pub use document::Document;
pub use error::{ErrorBody, ErrorDetail};
pub use invalid::Invalid;
pub use models::{Model, ModelList};
