//! The sender of a conversation, as chat-completions clients are: it knows what it said and what it was answered.

use regrow_agent::{Ending, Inbound, Reply};
use regrow_protocol::{Message, ToolCall};

use super::script::Turn;
use super::world::words;
use crate::scene;

#[derive(Debug, Default)]
pub(crate) struct Sender {
    history: Vec<Message>,
    /// Calls of its own tools that it was last asked for.
    calls: Vec<ToolCall>,
}

impl Sender {
    /// The message of this turn.
    pub(crate) fn send(&mut self, index: usize, turn: &Turn) -> Inbound {
        let new = self.new_messages(index, turn);
        let mut messages = Vec::new();
        if turn.instructions {
            messages.push(scene::system(&format!("instructions {index}.")));
        }
        if turn.whole_history {
            messages.extend(self.history.iter().cloned());
        }
        messages.extend(new.iter().cloned());
        self.history.extend(new);
        let mut tools = Vec::new();
        tools.extend(turn.offers_client.then(|| scene::spec("client")));
        tools.extend(turn.offers_pure.then(|| scene::spec("pure")));
        Inbound { messages, tools, ..Inbound::default() }
    }

    fn new_messages(&mut self, index: usize, turn: &Turn) -> Vec<Message> {
        let calls = std::mem::take(&mut self.calls);
        let answered = calls.iter().take(turn.answers_calls);
        let mut new: Vec<Message> =
            answered.map(|call| scene::tool(&call.id, &format!("sender's result {index}"))).collect();
        if turn.stray_result {
            new.insert(0, scene::tool("stray", "result of nothing"));
        }
        if new.is_empty() || turn.words > 0 {
            new.push(Message::user(words(&said_in(index), turn.words)));
        }
        new
    }

    /// Remembers a reply; of a failure there is nothing to remember.
    pub(crate) fn receive(&mut self, reply: &Reply) {
        if reply.ending == Ending::Done {
            let (text, tool_calls) = (reply.text.clone(), reply.tool_calls.clone());
            self.calls.clone_from(&tool_calls);
            self.history.push(Message::Assistant { text, tool_calls, raw: None });
        }
    }
}

/// How the sender's words of a turn begin.
pub(crate) fn said_in(turn: usize) -> String {
    format!("turn {turn}")
}
