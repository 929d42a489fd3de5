//! Folds chunks into an answer. Tool calls arrive in fragments, several calls at once, told apart by an index that not
//! every server sends; the fold keeps what the model wrote and gives ids where the server gave none.

use std::borrow::Cow;

use regrow_protocol::{StopReason, ToolCall, Usage};
use serde_json::value::RawValue;

use super::chunk::{Choice, Chunk, Fragment, Piece, Text};
use crate::classify::Report;
use crate::exchange::{Fold, Phase};
use crate::provider::CallError;
use crate::size::{MAX_CALLS, Size};
use crate::{Completion, Delta, OnDelta};

/// An answer that is being folded.
#[derive(Debug, Default)]
pub(super) struct Answer {
    text: String,
    calls: Vec<OpenCall>,
    stop: Option<StopReason>,
    usage: Usage,
    size: Size,
    done: bool,
}

/// A tool call whose fragments are still arriving.
#[derive(Debug)]
struct OpenCall {
    /// The server's number for it; none where it does not number them.
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl Fold for Answer {
    fn event(&mut self, data: &[u8], on_delta: OnDelta<'_>) -> Result<(), CallError> {
        if data.trim_ascii() == b"[DONE]" {
            self.done = true;
            return Ok(());
        }
        let chunk: Chunk<'_> = serde_json::from_slice(data).map_err(|error| CallError::malformed(&error))?;
        if let Some(error) = chunk.error.filter(|error| error.get() != "null") {
            let value = serde_json::from_str(error.get()).map_err(|error| CallError::malformed(&error))?;
            return Err(Report::of_value(&value).in_stream());
        }
        if let Some(usage) = chunk.usage {
            self.usage = usage.into();
        }
        // Only one answer is ever asked for; further ones are not ours.
        let first = |choice: &&Choice<'_>| choice.index.unwrap_or_default() == 0;
        chunk.choices.iter().flatten().filter(first).try_for_each(|choice| self.choice(choice, on_delta))
    }

    fn whole(&mut self, body: &[u8], on_delta: OnDelta<'_>) -> Result<(), CallError> {
        self.event(body, on_delta)?;
        self.done = true;
        if self.text.is_empty() && self.calls.is_empty() && self.stop.is_none() {
            Err(CallError::cut())
        } else {
            Ok(())
        }
    }

    fn phase(&self) -> Phase {
        match (self.done, self.stop) {
            (true, _) => Phase::Ended,
            (false, Some(_)) => Phase::Settled,
            (false, None) => Phase::Open,
        }
    }
}

impl Answer {
    fn choice(&mut self, choice: &Choice<'_>, on_delta: OnDelta<'_>) -> Result<(), CallError> {
        if let Some(piece) = choice.delta.as_ref().or(choice.message.as_ref()) {
            self.piece(piece, on_delta)?;
        }
        if let Some(reason) = &choice.finish_reason {
            self.stop = Some(stop_reason(reason.as_str()));
        }
        Ok(())
    }

    fn piece(&mut self, piece: &Piece<'_>, on_delta: OnDelta<'_>) -> Result<(), CallError> {
        for text in [&piece.content, &piece.refusal].into_iter().flatten().map(Text::as_str) {
            if !text.is_empty() {
                self.size.grow(text)?;
                self.text.push_str(text);
                on_delta(Delta::Text(text));
            }
        }
        piece.tool_calls.iter().flatten().try_for_each(|fragment| self.fragment(fragment))
    }

    fn fragment(&mut self, fragment: &Fragment<'_>) -> Result<(), CallError> {
        let id = fragment.id.as_ref().map_or("", Text::as_str);
        let function = fragment.function.as_ref();
        let name = function.and_then(|function| function.name.as_ref()).map_or("", Text::as_str);
        let arguments = function.and_then(|function| function.arguments).map_or(Cow::Borrowed(""), arguments);
        [id, name, &arguments].into_iter().try_for_each(|text| self.size.grow(text))?;
        let call = self.call(fragment.index, id, name)?;
        if call.id.is_empty() {
            call.id.push_str(id);
        }
        if call.name.is_empty() {
            call.name.push_str(name);
        }
        call.arguments.push_str(&arguments);
        Ok(())
    }

    /// The call that a fragment belongs to: the latest one with its index, or a new one.
    fn call(&mut self, index: Option<u64>, id: &str, name: &str) -> Result<&mut OpenCall, CallError> {
        let known = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index),
            None => self.calls.len().checked_sub(1),
        };
        let position = match known {
            Some(position) if !self.calls[position].is_followed_by(index, id, name) => position,
            _ if self.calls.len() >= MAX_CALLS => return Err(CallError::AnswerTooLarge),
            _ => {
                self.calls.push(OpenCall {
                    index,
                    id: String::new(),
                    name: String::new(),
                    arguments: String::new(),
                });
                self.calls.len() - 1
            }
        };
        Ok(&mut self.calls[position])
    }

    /// The whole answer of the model called `model`.
    pub(super) fn finish(self, model: &str) -> Completion {
        let mut tool_calls: Vec<ToolCall> = Vec::with_capacity(self.calls.len());
        for (position, call) in self.calls.into_iter().enumerate() {
            let taken = call.id.is_empty() || tool_calls.iter().any(|earlier| earlier.id == call.id);
            let id = if taken { format!("call_{position}") } else { call.id };
            let arguments = if call.arguments.trim().is_empty() { "{}".to_owned() } else { call.arguments };
            tool_calls.push(ToolCall { id, name: call.name, arguments });
        }
        let stop = match self.stop.unwrap_or(StopReason::Stop) {
            // Some servers say `stop` whatever the model did, and some `tool_calls` without any.
            StopReason::Stop | StopReason::ToolCalls if tool_calls.is_empty() => StopReason::Stop,
            StopReason::Stop => StopReason::ToolCalls,
            stop => stop,
        };
        let (text, usage) = (self.text, self.usage);
        Completion { text, tool_calls, stop, usage, raw: None, model: model.to_owned() }
    }
}

impl OpenCall {
    /// Whether a fragment with the same index (or with none) starts another call. Servers that send whole calls give
    /// each of them the same index or no index at all, but each has its name.
    fn is_followed_by(&self, index: Option<u64>, id: &str, name: &str) -> bool {
        let other_id = !id.is_empty() && !self.id.is_empty() && id != self.id;
        let unnumbered = index.is_none() && !self.name.is_empty() && (id.is_empty() || id != self.id);
        !name.is_empty() && (other_id || unnumbered)
    }
}

/// The text of a fragment of arguments.
fn arguments(raw: &RawValue) -> Cow<'_, str> {
    match raw.get() {
        "null" => Cow::Borrowed(""),
        text if text.starts_with('"') => serde_json::from_str::<&str>(text)
            .map(Cow::Borrowed)
            .or_else(|_| serde_json::from_str(text).map(Cow::Owned))
            .unwrap_or_default(),
        object => Cow::Borrowed(object),
    }
}

fn stop_reason(reason: &str) -> StopReason {
    match reason {
        "tool_calls" | "function_call" => StopReason::ToolCalls,
        "length" | "max_tokens" => StopReason::Length,
        "content_filter" => StopReason::ContentFilter,
        _ => StopReason::Stop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(events: &[&str]) -> (Answer, Result<(), CallError>, String) {
        let (mut answer, mut streamed) = (Answer::default(), String::new());
        let mut on_delta = |delta: Delta<'_>| match delta {
            Delta::Text(text) => streamed.push_str(text),
            Delta::Restart => unreachable!("a fold never restarts"),
        };
        let folded = events.iter().try_for_each(|event| answer.event(event.as_bytes(), &mut on_delta));
        (answer, folded, streamed)
    }

    /// Calls as `id name arguments`.
    fn calls(fragments: &[&str]) -> Vec<String> {
        let events: Vec<String> = fragments
            .iter()
            .map(|calls| format!(r#"{{"choices":[{{"delta":{{"content":null,"tool_calls":[{calls}]}}}}]}}"#))
            .collect();
        let (answer, folded, _) = fold(&events.iter().map(String::as_str).collect::<Vec<_>>());
        folded.unwrap();
        let completion = answer.finish("p/m");
        assert_eq!(completion.stop, StopReason::ToolCalls);
        completion
            .tool_calls
            .iter()
            .map(|call| format!("{} {} {}", call.id, call.name, call.arguments))
            .collect()
    }

    #[test]
    fn tool_calls_are_folded_as_servers_send_them() {
        for (how, fragments, want) in [
            (
                "in parallel, by index",
                vec![
                    r#"{"index":0,"id":"a","function":{"name":"f","arguments":""}}"#,
                    r#"{"index":1,"id":"b","function":{"name":"g","arguments":"{"}},{"index":0,"function":{"arguments":"{\"x\":"}}"#,
                    r#"{"index":1,"function":{"arguments":"}"}},{"index":0,"function":{"arguments":"1}"}}"#,
                ],
                vec![r#"a f {"x":1}"#, "b g {}"],
            ),
            (
                "whole, all with the same index",
                vec![
                    r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":0,"id":"b","function":{"name":"f","arguments":"[]"}}"#,
                ],
                vec!["a f {}", "b f []"],
            ),
            (
                "whole, without index and id",
                vec![
                    r#"{"function":{"name":"f","arguments":"{}"}},{"function":{"name":"g","arguments":null}}"#,
                ],
                vec!["call_0 f {}", "call_1 g {}"],
            ),
            (
                "without index, in fragments",
                vec![
                    r#"{"id":"a","function":{"name":"f","arguments":"{"}}"#,
                    r#"{"function":{"arguments":"}"}}"#,
                ],
                vec!["a f {}"],
            ),
            (
                "id and name repeated in each fragment",
                vec![
                    r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}"#,
                    r#"{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}"#,
                ],
                vec!["a f {}"],
            ),
            (
                "with arguments as an object and the same id twice",
                vec![
                    r#"{"index":3,"id":"a","function":{"name":"f","arguments":{"x":[1]}}}"#,
                    r#"{"index":9,"id":"a","function":{"name":"g"}}"#,
                ],
                vec![r#"a f {"x":[1]}"#, "call_1 g {}"],
            ),
        ] {
            assert_eq!(calls(&fragments), want, "{how}");
        }
    }

    #[test]
    fn text_comes_in_every_known_shape() {
        let (answer, folded, streamed) = fold(&[
            r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning_content":"hm"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a\n\u00fc"}},{"index":1,"delta":{"content":"other"}}]}"#,
            r#"{"choices":[{"delta":{"content":[{"type":"thinking","thinking":[]},{"type":"text","text":"b"}]}}],"usage":null,"error":null}"#,
            r#"{"choices":[{"delta":{"refusal":"c"},"finish_reason":"content_filter"}]}"#,
            r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":5}}}"#,
            "[DONE]",
        ]);
        folded.unwrap();
        assert_eq!(answer.phase(), Phase::Ended);
        let completion = answer.finish("p/m");
        assert_eq!((completion.text.as_str(), streamed.as_str()), ("a\nübc", "a\nübc"));
        assert_eq!(completion.stop, StopReason::ContentFilter);
        assert_eq!(completion.usage, Usage { input: 9, output: 4, cache_read: 5, cache_write: 0 });
    }

    #[test]
    fn finish_reasons_are_mapped() {
        for (reason, want) in [
            ("stop", StopReason::Stop),
            ("length", StopReason::Length),
            ("content_filter", StopReason::ContentFilter),
            ("tool_calls", StopReason::Stop),
            ("whatever", StopReason::Stop),
        ] {
            let (answer, folded, _) = fold(&[&format!(
                r#"{{"choices":[{{"delta":{{"content":"x"}},"finish_reason":"{reason}"}}]}}"#
            )]);
            folded.unwrap();
            assert_eq!(answer.phase(), Phase::Settled);
            assert_eq!(answer.finish("p/m").stop, want, "{reason}, without tool calls");
        }
    }

    #[test]
    fn what_is_too_large_fails_for_good() {
        let text = "x".repeat(900_000);
        let event = format!(r#"{{"choices":[{{"delta":{{"content":"{text}"}}}}]}}"#);
        assert_eq!(fold(&[event.as_str(); 18]).1, Ok(()));
        assert_eq!(fold(&[event.as_str(); 19]).1, Err(CallError::AnswerTooLarge));
        let call = r#"{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f"}}]}}]}"#;
        assert_eq!(fold(&[call; MAX_CALLS]).1, Ok(()));
        assert_eq!(fold(&[call; MAX_CALLS + 1]).1, Err(CallError::AnswerTooLarge));
    }
}
