//! An event of the stream as it comes over the wire, borrowed from the buffer it was read into. One flat shape for all
//! kinds of events, so that each is parsed in one pass; unknown kinds and fields are ignored.

use std::borrow::Cow;

use regrow_protocol::Usage;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, default)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(borrow, default)]
    pub(super) delta: Option<Piece<'a>>,
    #[serde(default)]
    pub(super) content_block: Option<Value>,
    #[serde(default)]
    pub(super) message: Option<Start>,
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
    #[serde(default)]
    pub(super) error: Option<Value>,
}

/// What `message_start` tells of the message.
#[derive(Deserialize)]
pub(super) struct Start {
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
}

/// A whole message, where a server does not stream.
#[derive(Deserialize)]
pub(super) struct Whole {
    #[serde(default)]
    pub(super) content: Vec<Value>,
    #[serde(default)]
    pub(super) stop_reason: Option<String>,
    #[serde(default)]
    pub(super) usage: Option<WireUsage>,
    #[serde(default)]
    pub(super) error: Option<Value>,
}

/// A piece of a block or of the message.
#[derive(Deserialize)]
pub(super) struct Piece<'a> {
    #[serde(borrow, default)]
    pub(super) text: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) partial_json: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) thinking: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) signature: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) stop_reason: Option<Str<'a>>,
}

/// A string, borrowed where it contains no escapes; serde would not borrow an optional `Cow` itself.
#[derive(Deserialize)]
pub(super) struct Str<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Token counts. Input comes at the start, output at the end; some servers repeat the input there.
#[derive(Deserialize)]
pub(super) struct WireUsage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
}

/// Token counts as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Counts {
    uncached: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
}

impl Counts {
    /// Later counts replace earlier ones: all of them are totals.
    pub(super) fn update(&mut self, wire: &WireUsage) {
        self.uncached = wire.input_tokens.unwrap_or(self.uncached);
        self.output = wire.output_tokens.unwrap_or(self.output);
        self.cache_read = wire.cache_read_input_tokens.unwrap_or(self.cache_read);
        self.cache_write = wire.cache_creation_input_tokens.unwrap_or(self.cache_write);
    }

    /// The counts with cached tokens as a part of the input, which this API counts apart.
    pub(super) fn usage(&self) -> Usage {
        let input = self.uncached.saturating_add(self.cache_read).saturating_add(self.cache_write);
        Usage { input, output: self.output, cache_read: self.cache_read, cache_write: self.cache_write }
    }
}
