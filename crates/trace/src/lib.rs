//! The spans of a message's trace: what they are called, whose children they are and what they tell, after OpenTelemetry's
//! conventions for HTTP and GenAI. No span carries what people, models or tools say.
//!
//! They are spans of `tracing` under a target of their own, [`TARGET`], which only the exporter listens to. Without one,
//! each function here looks at one flag and returns a span that does nothing. What a span tells beyond its beginning is
//! added to it later; one that is dropped ends, and one that dies with its process was never there.

mod chat;
mod handed_on;
mod request;
mod root;
mod run;
mod tool;

pub use chat::{answered, chat, failed};
pub use handed_on::handed_on;
pub use request::{accepted, request, responded};
pub use root::wanted;
pub use run::{Attempt, Takeover, ended, invoke_agent, taken_over};
pub use tool::{execute_tool, executed};

/// The target of all spans here.
pub const TARGET: &str = "regrow::trace";
