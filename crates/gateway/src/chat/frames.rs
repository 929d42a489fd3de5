//! The events of a streamed completion as bytes. JSON has no line breaks of its own, so an event's data is one line.

use std::fmt::Write as _;

use bytes::{BufMut, Bytes, BytesMut};
use regrow_agent::{Ending, Reply};
use regrow_protocol::RunId;
use regrow_protocol::openai::{CallDelta, Chunk, ChunkChoice, Delta, FinishReason, UsageCounts};
use regrow_worker::Cursor;
use serde::Serialize;

use super::position::Position;
use super::{CompletionId, created};
use crate::refusal::Refusal;

/// Room for an event beside its text.
const FRAME: usize = 384;

/// A comment that keeps the proxies between from closing a silent stream.
pub(super) const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// The end of every stream that has said all it can.
const DONE: &[u8] = b"data: [DONE]\n\n";

/// What all events of one completion have in common.
#[derive(Debug)]
pub(super) struct Frames {
    run: RunId,
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
}

impl Frames {
    /// The events of a run's completion.
    pub(super) fn new(run: RunId, model: String, include_usage: bool) -> Self {
        Self { run, id: CompletionId(run).to_string(), created: created(run), model, include_usage }
    }

    /// The first event, which tells the role.
    pub(super) fn role(&self) -> Bytes {
        let delta = Delta { role: Some("assistant"), content: Some(""), tool_calls: None };
        self.single(Cursor::START, delta, 0)
    }

    /// More text; `cursor` stands after it.
    pub(super) fn text(&self, cursor: Cursor, text: &str) -> Bytes {
        self.single(cursor, Delta { content: Some(text), ..Delta::default() }, text.len())
    }

    /// The closing events: calls of the sender's tools, the reason of the end, the usage; or the error. The client has
    /// the first `seen` of them.
    pub(super) fn closing(&self, cursor: Cursor, reply: &Reply, seen: usize) -> Bytes {
        let mut out = BytesMut::with_capacity(FRAME * 3);
        match &reply.ending {
            Ending::Done => self.closing_chunks(&mut out, cursor, reply, seen),
            Ending::Failed(failure) => error_event(&mut out, &Refusal::from(failure)),
            Ending::Aborted => error_event(&mut out, &Refusal::aborted()),
        }
        out.put_slice(DONE);
        out.freeze()
    }

    fn closing_chunks(&self, out: &mut BytesMut, cursor: Cursor, reply: &Reply, seen: usize) {
        let mut closing = 0;
        let mut add = |choices: &[ChunkChoice<'_>], usage: Option<UsageCounts>| {
            closing += 1;
            if closing > seen {
                self.write(out, Position { run: self.run, cursor, closing }, choices, usage);
            }
        };
        for (index, call) in reply.tool_calls.iter().enumerate() {
            let calls = Some([CallDelta::new(index, call)]);
            let delta = Delta { tool_calls: calls, ..Delta::default() };
            add(&[ChunkChoice { index: 0, delta, finish_reason: None }], None);
        }
        let finish_reason = Some(FinishReason::from(reply.stop));
        add(&[ChunkChoice { index: 0, delta: Delta::default(), finish_reason }], None);
        if self.include_usage {
            add(&[], Some(reply.usage.into()));
        }
    }

    fn single(&self, cursor: Cursor, delta: Delta<'_>, text: usize) -> Bytes {
        // Escapes rarely double a text; where they do, the buffer grows.
        let mut out = BytesMut::with_capacity(FRAME + text + text / 8);
        let choice = ChunkChoice { index: 0, delta, finish_reason: None };
        self.write(&mut out, Position { run: self.run, cursor, closing: 0 }, &[choice], None);
        out.freeze()
    }

    fn write(
        &self,
        out: &mut BytesMut,
        position: Position,
        choices: &[ChunkChoice<'_>],
        usage: Option<UsageCounts>,
    ) {
        // Writing to a buffer in memory does not fail.
        let _ = writeln!(out, "id: {position}");
        let chunk = Chunk {
            id: &self.id,
            object: "chat.completion.chunk",
            created: self.created,
            model: &self.model,
            choices,
            usage: self.include_usage.then_some(usage),
        };
        data(out, &chunk);
    }
}

/// The end of a stream that cannot go on as it was.
pub(super) fn failed(refusal: &Refusal) -> Bytes {
    let mut out = BytesMut::with_capacity(FRAME);
    error_event(&mut out, refusal);
    out.put_slice(DONE);
    out.freeze()
}

/// The end of a stream that can be resumed on another replica: it has no `[DONE]`.
pub(super) fn draining() -> Bytes {
    let mut out = BytesMut::with_capacity(FRAME);
    out.put_slice(b": draining, resume with Last-Event-ID\n\n");
    error_event(&mut out, &Refusal::draining());
    out.freeze()
}

/// An error has no id, so that a client resumes from the last event of the completion itself.
fn error_event(out: &mut BytesMut, refusal: &Refusal) {
    data(out, &refusal.body());
}

fn data(out: &mut BytesMut, value: &impl Serialize) {
    out.put_slice(b"data: ");
    if let Err(error) = serde_json::to_writer((&mut *out).writer(), value) {
        // The types written here have string keys and finite numbers.
        tracing::error!(%error, "an event could not be written");
    }
    out.put_slice(b"\n\n");
}
