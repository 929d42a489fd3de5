//! The built-in tools of an agent: `read`, `write` and `edit` in its workspace, `web_fetch`, `session_status`.
//!
//! Each tool declares what a crash in the middle of a call means ([`Class`]), so that the replica that takes a run
//! over knows whether it may call again. A tool never fails its caller: whatever goes wrong is an [`Output`] that
//! the model reads.

mod arguments;
mod blocking;
mod edit;
mod error;
mod path_lock;
mod policy;
mod read;
mod refusal;
mod replace;
mod session_status;
mod tool;
mod toolbox;
mod web_fetch;
mod workspace;
mod write;

pub use error::Error;
pub use policy::{Policy, Profile};
pub use session_status::SessionStatus;
pub use tool::{Class, Context, Output, Tool};
pub use toolbox::Toolbox;
pub use web_fetch::WebOptions;
