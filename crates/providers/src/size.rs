//! The limit on one answer, so that a model that does not stop cannot fill the memory of a replica.

use crate::provider::CallError;

/// The most bytes of an answer: text, tool arguments and reasoning together. Beyond it the call fails for good.
pub(crate) const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The most tool calls (or blocks) of an answer.
pub(crate) const MAX_CALLS: usize = 512;

/// How large an answer has grown.
#[derive(Debug, Default)]
pub(crate) struct Size(usize);

impl Size {
    /// Counts `text`, which is about to be kept.
    pub(crate) fn grow(&mut self, text: &str) -> Result<(), CallError> {
        self.0 += text.len();
        if self.0 > MAX_ANSWER { Err(CallError::AnswerTooLarge) } else { Ok(()) }
    }
}
