//! Model APIs behind one narrow door: [`Models::complete`] asks a chain of models, one after the other, until one
//! answers, and streams the answer while it is being made.
//!
//! Two dialects are spoken over HTTP, OpenAI chat completions and Anthropic messages; a third provider, the demo
//! model, answers from inside the process. All of them are at-least-once: a call that was cut off may have been
//! answered, and paid for, already. Nothing here is persisted, and nothing here waits without a limit.
//!
//! The event-stream decoder is our own. The crate `sse-stream` decodes correctly, but it bounds neither the line nor
//! the event, so that a broken or hostile server could fill the memory of a replica; and it allocates for each event,
//! where a call needs to borrow the event's bytes only until they are folded into the answer.

mod anthropic;
mod arguments;
mod backoff;
mod breaker;
mod catalogue;
mod classify;
mod completion;
mod deadline;
mod demo;
mod endpoint;
mod error;
mod exchange;
mod failover;
mod observer;
mod openai;
mod options;
mod provider;
mod request;
mod retry_after;
mod size;
mod sse;

pub use catalogue::{ModelInfo, Models};
pub use completion::{Completion, Delta, OnDelta};
pub use error::{Cause, Error, Failure};
pub use observer::{Attempt, Observer};
pub use options::{Api, ModelOptions, Options, ProviderOptions, Retry, Timeouts};
pub use request::ModelRequest;
