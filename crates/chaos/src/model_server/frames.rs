//! Frames: an answer as bytes, made before the first is sent, so that sending costs nothing but the writes.

use bytes::Bytes;
use serde_json::Value;

use super::script::{Answer, ToolCall};

/// What a dialect needs to know beside the answer.
pub(super) struct Header<'a> {
    /// The number of the call; ids of answers are made from it.
    pub(super) number: usize,
    /// The model's name as the caller wrote it.
    pub(super) model: &'a str,
    /// Prompt tokens to report.
    pub(super) prompt_tokens: usize,
    /// The stream shall report usage.
    pub(super) usage: bool,
}

/// A streamed answer.
pub(super) struct Frames {
    /// What comes before the first token.
    pub(super) head: Bytes,
    /// One frame for each token.
    pub(super) tokens: Vec<Bytes>,
    /// What ends the stream.
    pub(super) tail: Bytes,
}

impl Frames {
    /// A whole answer in one piece.
    pub(super) fn single(body: &Value) -> Self {
        Self { head: Bytes::new(), tokens: vec![Bytes::from(body.to_string())], tail: Bytes::new() }
    }

    /// All bytes as one, for answers without a pace.
    pub(super) fn joined(&self) -> Bytes {
        let parts = || std::iter::once(&self.head).chain(&self.tokens).chain(std::iter::once(&self.tail));
        let mut all = Vec::with_capacity(parts().map(Bytes::len).sum());
        parts().for_each(|part| all.extend_from_slice(part));
        all.into()
    }
}

/// How many tokens the answer counts as.
pub(super) fn completion_tokens(answer: &Answer) -> usize {
    answer.tokens.len() + 2 * answer.calls.len()
}

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The arguments of a call in two pieces, because that is how models stream them.
pub(super) fn halves(call: &ToolCall) -> (&str, &str) {
    let middle = (call.args.len() / 2..=call.args.len()).find(|at| call.args.is_char_boundary(*at));
    call.args.split_at(middle.unwrap_or(0))
}
