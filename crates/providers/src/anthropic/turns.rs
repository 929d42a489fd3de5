//! The conversation in the form that this API insists on: instructions apart, turns of user and assistant in strict
//! alternation, each a list of blocks, tool results first. Blank texts are refused by the API, so they are left out.

use std::borrow::Cow;

use regrow_protocol::{Message, Part, RawTurn, ToolCall};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::API;
use crate::arguments;
use crate::request::NO_IMAGES;

/// Stands where a conversation would begin with the assistant's turn, which the API refuses.
const EARLIER: &str = "(The conversation up to here is not shown.)";

/// A turn of the conversation.
#[derive(Serialize)]
pub(super) struct Turn<'a> {
    role: Role,
    pub(super) content: Vec<Block<'a>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    User,
    Assistant,
}

/// A block of a turn: one of ours, or one that the API sent and wants back as it was.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Block<'a> {
    Raw(&'a Value),
    Ours {
        #[serde(flatten)]
        content: Content<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Cache>,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Content<'a> {
    Text {
        text: &'a str,
    },
    Image {
        source: Source<'a>,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Cow<'a, RawValue>,
    },
    ToolResult {
        tool_use_id: &'a str,
        content: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
}

#[derive(Serialize)]
pub(super) struct Source<'a> {
    r#type: &'static str,
    media_type: &'a str,
    data: &'a str,
}

/// Marks the end of a prefix that the API is to cache.
#[derive(Serialize)]
pub(super) struct Cache {
    r#type: &'static str,
}

impl<'a> Block<'a> {
    /// Lets the API cache everything up to this block. Blocks that it sent are not touched: they may be signed.
    pub(super) fn mark(&mut self) {
        if let Self::Ours { cache_control, .. } = self {
            *cache_control = Some(Cache { r#type: "ephemeral" });
        }
    }

    fn text(text: &'a str) -> Option<Self> {
        (!text.trim().is_empty()).then_some(Self::ours(Content::Text { text }))
    }

    fn ours(content: Content<'a>) -> Self {
        Self::Ours { content, cache_control: None }
    }

    fn is_result(&self) -> bool {
        matches!(self, Self::Ours { content: Content::ToolResult { .. }, .. })
    }
}

/// The instructions, wherever they stand in the conversation.
pub(super) fn system<'a>(messages: impl Iterator<Item = &'a Message>) -> Vec<Block<'a>> {
    let texts = messages.filter_map(|message| match message {
        Message::System { text } => Block::text(text),
        _ => None,
    });
    texts.collect()
}

/// The turns; never empty, the first one is the user's.
pub(super) fn alternate<'a>(messages: impl Iterator<Item = &'a Message>, images: bool) -> Vec<Turn<'a>> {
    let mut turns: Vec<Turn<'a>> = Vec::new();
    for message in messages {
        let Some((role, blocks)) = blocks(message, images) else { continue };
        for block in blocks {
            if turns.is_empty() && role == Role::Assistant {
                turns.push(Turn { role: Role::User, content: Block::text(EARLIER).into_iter().collect() });
            }
            push(&mut turns, role, block);
        }
    }
    if turns.is_empty() {
        turns.push(Turn { role: Role::User, content: Block::text(EARLIER).into_iter().collect() });
    }
    turns
}

/// Adds a block to the turn it belongs to; results go before everything else of their turn.
fn push<'a>(turns: &mut Vec<Turn<'a>>, role: Role, block: Block<'a>) {
    match turns.last_mut() {
        Some(turn) if turn.role == role => {
            let results = turn.content.iter().take_while(|block| block.is_result()).count();
            let position = if block.is_result() { results } else { turn.content.len() };
            turn.content.insert(position, block);
        }
        _ => turns.push(Turn { role, content: vec![block] }),
    }
}

/// Whose turn a message belongs to, and its blocks; none for instructions.
fn blocks(message: &Message, images: bool) -> Option<(Role, Vec<Block<'_>>)> {
    Some(match message {
        Message::System { .. } => return None,
        Message::User { parts } => {
            (Role::User, parts.iter().filter_map(|part| part_block(part, images)).collect())
        }
        Message::Tool { call_id, content, is_error } => {
            let result = Content::ToolResult { tool_use_id: call_id, content, is_error: *is_error };
            (Role::User, vec![Block::ours(result)])
        }
        Message::Assistant { text, tool_calls, raw } => {
            let replayed = raw.as_ref().and_then(replay);
            (Role::Assistant, replayed.unwrap_or_else(|| assistant(text, tool_calls)))
        }
    })
}

fn part_block(part: &Part, images: bool) -> Option<Block<'_>> {
    match part {
        Part::Text { text } => Block::text(text),
        Part::Image { .. } if !images => Block::text(NO_IMAGES),
        Part::Image { media_type, data } => {
            Some(Block::ours(Content::Image { source: Source { r#type: "base64", media_type, data } }))
        }
    }
}

/// The blocks of a turn that this API made itself.
fn replay(raw: &RawTurn) -> Option<Vec<Block<'_>>> {
    let blocks = raw.content.as_array().filter(|_| raw.api == API)?;
    Some(blocks.iter().map(Block::Raw).collect())
}

fn assistant<'a>(text: &'a str, tool_calls: &'a [ToolCall]) -> Vec<Block<'a>> {
    let calls = tool_calls.iter().map(|call| {
        let input = arguments::object(&call.arguments);
        Block::ours(Content::ToolUse { id: &call.id, name: &call.name, input })
    });
    Block::text(text).into_iter().chain(calls).collect()
}
