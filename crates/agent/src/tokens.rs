//! An estimate of tokens where no provider has counted: four bytes each, which is close for English and errs on the
//! large side for most other text.

use regrow_protocol::{Message, Part};

/// Bytes per token.
const BYTES_PER_TOKEN: usize = 4;

/// Tokens that a message costs beside its text.
const MESSAGE_OVERHEAD: usize = 4;

/// What an image costs at common resolutions.
const IMAGE_TOKENS: usize = 1_200;

/// Tokens of a piece of text.
pub(crate) fn of_text(text: &str) -> usize {
    text.len().div_ceil(BYTES_PER_TOKEN)
}

/// Tokens of a message.
pub(crate) fn of_message(message: &Message) -> usize {
    let content = match message {
        Message::System { text } => of_text(text),
        Message::User { parts } => parts.iter().map(of_part).sum(),
        Message::Assistant { text, tool_calls, .. } => {
            let calls: usize = tool_calls.iter().map(|c| of_text(&c.name) + of_text(&c.arguments) + 8).sum();
            of_text(text) + calls
        }
        Message::Tool { content, .. } => of_text(content),
    };
    content + MESSAGE_OVERHEAD
}

fn of_part(part: &Part) -> usize {
    match part {
        Part::Text { text } => of_text(text),
        Part::Image { .. } => IMAGE_TOKENS,
    }
}
