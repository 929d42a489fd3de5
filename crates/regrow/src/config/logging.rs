//! `logging`: what the program says about itself, and how it looks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The log, which goes to the standard error stream.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoggingConfig {
    /// The least important lines that are written.
    pub level: LogLevel,
    /// How a line looks; unset means: for people on a terminal, JSON elsewhere.
    pub console_style: Option<ConsoleStyle>,
}

/// How important a line is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LogLevel {
    /// Nothing is written.
    Silent,
    /// The program ends.
    Fatal,
    /// Something failed.
    Error,
    /// Something is doubtful.
    Warn,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ConsoleStyle {
    /// For people, with colours.
    Pretty,
    /// For people, without colours and in short.
    Compact,
    /// For log collectors: one JSON object per line.
    Json,
}
