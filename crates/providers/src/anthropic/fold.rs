//! Folds events into an answer. Blocks that only this API understands (signed reasoning, for one) make the turn be kept
//! in the API's own form as well, to be sent back verbatim; turns without such blocks are not kept twice.

use regrow_protocol::{RawTurn, StopReason, ToolCall};
use serde_json::{Value, json};

use super::API;
use super::event::{Counts, Event, Piece, Whole};
use crate::arguments::object_text;
use crate::classify::Report;
use crate::exchange::{Fold, Phase};
use crate::provider::CallError;
use crate::size::{MAX_CALLS, Size};
use crate::{Completion, Delta, OnDelta};

/// An answer that is being folded.
#[derive(Debug, Default)]
pub(super) struct Answer {
    blocks: Vec<Block>,
    stop: Option<StopReason>,
    counts: Counts,
    size: Size,
    ended: bool,
}

/// A block by the server's number for it.
#[derive(Debug)]
struct Block {
    index: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Text(String),
    Thinking {
        thinking: String,
        signature: String,
    },
    /// `start` is the input that came with the block's start, where a server does not stream it.
    ToolUse {
        id: String,
        name: String,
        json: String,
        start: Option<Value>,
    },
    /// Redacted reasoning, and whatever else the API may send: complete at its start.
    Other(Value),
}

impl Fold for Answer {
    fn event(&mut self, data: &[u8], on_delta: OnDelta<'_>) -> Result<(), CallError> {
        let event: Event<'_> = serde_json::from_slice(data).map_err(|error| CallError::malformed(&error))?;
        let usage =
            event.message.as_ref().and_then(|message| message.usage.as_ref()).or(event.usage.as_ref());
        match event.r#type.as_ref() {
            "message_start" | "message_delta" => {
                usage.into_iter().for_each(|usage| self.counts.update(usage));
                let reason = event.delta.as_ref().and_then(|delta| delta.stop_reason.as_ref());
                self.stop = reason.map(|reason| stop_reason(&reason.0)).or(self.stop);
                Ok(())
            }
            "content_block_start" => match event.content_block {
                Some(block) => self.start(event.index.unwrap_or_default(), block, on_delta),
                None => Ok(()),
            },
            "content_block_delta" => match &event.delta {
                Some(piece) => self.piece(event.index.unwrap_or_default(), piece, on_delta),
                None => Ok(()),
            },
            "message_stop" => {
                self.ended = true;
                Ok(())
            }
            "error" => Err(Report::of_value(&event.error.unwrap_or_default()).in_stream()),
            // Pings, the ends of blocks, and kinds that came later than this code.
            _ => Ok(()),
        }
    }

    fn whole(&mut self, body: &[u8], on_delta: OnDelta<'_>) -> Result<(), CallError> {
        let whole: Whole = serde_json::from_slice(body).map_err(|error| CallError::malformed(&error))?;
        if let Some(error) = whole.error.filter(|error| !error.is_null()) {
            return Err(Report::of_value(&error).in_stream());
        }
        if whole.content.is_empty() && whole.stop_reason.is_none() {
            return Err(CallError::cut());
        }
        for (index, block) in (0..).zip(whole.content) {
            self.start(index, block, on_delta)?;
        }
        whole.usage.iter().for_each(|usage| self.counts.update(usage));
        self.stop = whole.stop_reason.as_deref().map(stop_reason);
        self.ended = true;
        Ok(())
    }

    fn phase(&self) -> Phase {
        match (self.ended, self.stop) {
            (true, _) => Phase::Ended,
            (false, Some(_)) => Phase::Settled,
            (false, None) => Phase::Open,
        }
    }
}

impl Answer {
    fn start(&mut self, index: u64, block: Value, on_delta: OnDelta<'_>) -> Result<(), CallError> {
        if self.blocks.len() >= MAX_CALLS {
            return Err(CallError::AnswerTooLarge);
        }
        let content = Content::of(block);
        match &content {
            Content::Text(text) => {
                self.size.grow(text)?;
                emit(text, on_delta);
            }
            Content::Other(value) => self.size.grow(&value.to_string())?,
            Content::Thinking { thinking, signature } => {
                [thinking, signature].into_iter().try_for_each(|text| self.size.grow(text))?
            }
            Content::ToolUse { id, name, start, .. } => {
                let input = start.as_ref().map(Value::to_string).unwrap_or_default();
                [id, name, &input].into_iter().try_for_each(|text| self.size.grow(text))?;
            }
        }
        self.blocks.push(Block { index, content });
        Ok(())
    }

    fn piece(&mut self, index: u64, piece: &Piece<'_>, on_delta: OnDelta<'_>) -> Result<(), CallError> {
        let Some(block) = self.blocks.iter_mut().rfind(|block| block.index == index) else { return Ok(()) };
        let pieces = [&piece.text, &piece.partial_json, &piece.thinking, &piece.signature];
        pieces.into_iter().flatten().try_for_each(|text| self.size.grow(&text.0))?;
        match (&mut block.content, piece) {
            (Content::Text(text), Piece { text: Some(more), .. }) => {
                text.push_str(&more.0);
                emit(&more.0, on_delta);
            }
            (Content::ToolUse { json, .. }, Piece { partial_json: Some(more), .. }) => json.push_str(&more.0),
            (Content::Thinking { thinking, .. }, Piece { thinking: Some(more), .. }) => {
                thinking.push_str(&more.0)
            }
            (Content::Thinking { signature, .. }, Piece { signature: Some(more), .. }) => {
                signature.push_str(&more.0)
            }
            _ => {}
        }
        Ok(())
    }

    /// The whole answer of the model called `model`.
    pub(super) fn finish(self, model: &str) -> Completion {
        let foreign = |block: &Block| matches!(block.content, Content::Thinking { .. } | Content::Other(_));
        let raw = self.blocks.iter().any(foreign).then(|| RawTurn {
            api: API.to_owned(),
            content: self.blocks.iter().filter_map(|block| block.content.raw()).collect(),
        });
        let (mut text, mut tool_calls) = (String::new(), Vec::new());
        for block in self.blocks {
            match block.content {
                Content::Text(more) => text.push_str(&more),
                Content::ToolUse { id, name, json, start } => {
                    tool_calls.push(ToolCall { id, name, arguments: input_text(json, start.as_ref()) });
                }
                Content::Thinking { .. } | Content::Other(_) => {}
            }
        }
        let stop = self.stop.unwrap_or(StopReason::Stop);
        Completion { text, tool_calls, stop, usage: self.counts.usage(), raw, model: model.to_owned() }
    }
}

impl Content {
    /// The content of a block as its start tells it.
    fn of(mut block: Value) -> Self {
        let mut take = |key: &str| match block.get_mut(key).map(Value::take) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        match take("type").as_str() {
            "text" => Self::Text(take("text")),
            "thinking" => Self::Thinking { thinking: take("thinking"), signature: take("signature") },
            "tool_use" => {
                let (id, name) = (take("id"), take("name"));
                Self::ToolUse {
                    id,
                    name,
                    json: String::new(),
                    start: block.get_mut("input").map(Value::take),
                }
            }
            kind => {
                block["type"] = kind.into();
                Self::Other(block)
            }
        }
    }

    /// The block as it is sent back; none for a blank text, which the API sends but does not take.
    fn raw(&self) -> Option<Value> {
        Some(match self {
            Self::Text(text) if text.trim().is_empty() => return None,
            Self::Text(text) => json!({ "type": "text", "text": text }),
            Self::Thinking { thinking, signature } => {
                json!({ "type": "thinking", "thinking": thinking, "signature": signature })
            }
            Self::ToolUse { id, name, json, start } => {
                let text = input_text(json.clone(), start.as_ref());
                let input: Value = serde_json::from_str(&object_text(&text)).unwrap_or_default();
                json!({ "type": "tool_use", "id": id, "name": name, "input": input })
            }
            Self::Other(block) => block.clone(),
        })
    }
}

/// A tool call's arguments as the model wrote them.
fn input_text(json: String, start: Option<&Value>) -> String {
    match start {
        _ if !json.trim().is_empty() => json,
        Some(input) if !input.is_null() => input.to_string(),
        _ => "{}".to_owned(),
    }
}

fn emit(text: &str, on_delta: OnDelta<'_>) {
    if !text.is_empty() {
        on_delta(Delta::Text(text));
    }
}

fn stop_reason(reason: &str) -> StopReason {
    match reason {
        "tool_use" => StopReason::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => StopReason::Length,
        "refusal" => StopReason::ContentFilter,
        _ => StopReason::Stop,
    }
}
