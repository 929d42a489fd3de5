//! What a tool is: a description for the model, a class for the takeover, and a call that always answers.

use std::path::Path;

use async_trait::async_trait;
use regrow_protocol::ToolSpec;
use serde_json::Value;

use crate::SessionStatus;
use crate::refusal::Refusal;

/// What a takeover does with a call that started and has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It changes nothing: run it again.
    Pure,
    /// Run it again with the same key: it has its effect once.
    Keyed,
    /// Never repeated: its outcome is unknown, and the model is told so.
    Unsafe,
}

/// Where and for whom a tool is called.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The agent's workspace directory, which exists. File tools reach nothing outside it.
    pub workspace: &'a Path,
    /// The agent's private directory for records of calls, created on demand. A takeover must see the same one.
    pub state_dir: &'a Path,
    /// `<run id>:<position of the answer>:<call id>`, the same for every attempt of this call, on whichever replica.
    pub key: &'a str,
    /// An earlier attempt of this call may have started.
    pub rerun: bool,
    /// The facts that `session_status` tells.
    pub status: &'a SessionStatus,
}

/// What a call returns to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Text for the model to read.
    pub content: String,
    /// The call did not do what it was asked to.
    pub is_error: bool,
}

impl Output {
    /// The result of a call that worked.
    pub fn ok(content: impl Into<String>) -> Self {
        Self { content: content.into(), is_error: false }
    }

    /// A sentence about what went wrong and what to do instead.
    pub fn error(content: impl Into<String>) -> Self {
        Self { content: content.into(), is_error: true }
    }
}

impl From<Result<String, Refusal>> for Output {
    fn from(result: Result<String, Refusal>) -> Self {
        match result {
            Ok(content) => Self::ok(content),
            Err(Refusal(sentence)) => Self::error(sentence),
        }
    }
}

/// A tool of an agent.
#[async_trait]
pub trait Tool: Send + Sync {
    /// Its name, description and parameters, for the model.
    fn spec(&self) -> &ToolSpec;

    /// What a takeover does with a call of it that has no result.
    fn class(&self) -> Class;

    /// Does the work. A call that is dropped may still finish in the background; its effect is whole or absent.
    async fn call(&self, context: &Context<'_>, arguments: Value) -> Output;
}
