//! The error of a tool call: a sentence that tells the model what is wrong and what is expected.

use std::io;

/// A sentence for the model to read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) String);

impl Refusal {
    /// The operating system refused to `verb` the file `name`.
    pub(crate) fn io(verb: &str, name: &str, error: &io::Error) -> Self {
        Self(format!("cannot {verb} `{name}`: {error}"))
    }
}
