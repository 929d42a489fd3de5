//! What the demo model says: a pure function of the request.
//!
//! `/tool NAME {json}` on a line of its own in the last message calls that tool, several lines call several tools at
//! once; `/long N` answers with N words. Everything else is echoed.

use std::borrow::Cow;
use std::fmt::Write;

use regrow_protocol::{Message, ToolCall, ToolChoice};

use crate::ModelRequest;

/// The most characters of a text that are repeated.
const MAX_ECHO: usize = 2000;

/// The most words of a long answer.
const MAX_WORDS: usize = 100_000;

const WHO: &str = "I am Regrow's built-in demo model, so I only echo.";

/// The demo model's answer.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) tool_calls: Vec<ToolCall>,
}

impl Answer {
    fn text(text: String) -> Self {
        Self { text, tool_calls: Vec::new() }
    }
}

/// The answer to `request`.
pub(super) fn answer(request: &ModelRequest<'_>) -> Answer {
    let messages: Vec<&Message> = request.messages.iter().collect();
    let number = messages.iter().filter(|message| matches!(message, Message::User { .. })).count();
    if let Some(report) = report(number, &messages) {
        return Answer::text(report);
    }
    let asked = last_user(&messages).unwrap_or_default();
    if let Some(count) = asked.lines().find_map(long) {
        return Answer::text(numbered_words(count));
    }
    let wanted: Vec<(&str, &str)> = asked.lines().filter_map(tool).collect();
    let known = |name: &str| request.tools.iter().any(|tool| tool.name == name);
    let may_call = request.tool_choice != ToolChoice::None;
    let calls: Vec<ToolCall> = (1..)
        .zip(wanted.iter().filter(|(name, _)| may_call && known(name)))
        .map(|(position, (name, arguments))| call(number, position, name, arguments))
        .collect();
    if !calls.is_empty() {
        return Answer { text: String::new(), tool_calls: calls };
    }
    Answer::text(echo(number, &asked, &wanted))
}

/// The words of the conversation.
pub(super) fn input_words(request: &ModelRequest<'_>) -> u64 {
    request.messages.iter().map(|message| super::words(&message.text())).sum()
}

fn call(message: usize, position: usize, name: &str, arguments: &str) -> ToolCall {
    let arguments = if arguments.is_empty() { "{}" } else { arguments };
    ToolCall {
        id: format!("demo_{message}_{position}"),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
    }
}

fn echo(number: usize, asked: &str, wanted: &[(&str, &str)]) -> String {
    let mut text =
        format!("{WHO} This is message {number} of our conversation. You said: {}", excerpt(asked));
    for (name, _) in wanted {
        // Writing to a string cannot fail.
        let _ = write!(text, "\nI have no tool called {} here.", excerpt(name));
    }
    text
}

/// The tools' results, if the conversation ends with some.
fn report(number: usize, messages: &[&Message]) -> Option<String> {
    let results = messages.iter().rposition(|message| !matches!(message, Message::Tool { .. }));
    let results = &messages[results.map_or(0, |position| position + 1)..];
    if results.is_empty() {
        return None;
    }
    let mut text = format!(
        "I am Regrow's built-in demo model. This is message {number} of our conversation. The tools answered:"
    );
    for message in results {
        if let Message::Tool { call_id, content, is_error } = message {
            let name = tool_name(messages, call_id).unwrap_or("unknown tool");
            let failed = if *is_error { " (failed)" } else { "" };
            let _ = write!(text, "\n- {name}{failed}: {}", excerpt(content));
        }
    }
    Some(text)
}

/// The name of the tool that was called as `call_id`.
fn tool_name<'a>(messages: &[&'a Message], call_id: &str) -> Option<&'a str> {
    messages.iter().rev().find_map(|message| match message {
        Message::Assistant { tool_calls, .. } => {
            tool_calls.iter().find(|call| call.id == call_id).map(|call| call.name.as_str())
        }
        _ => None,
    })
}

/// The text of the last user message, with a word for each image.
fn last_user(messages: &[&Message]) -> Option<String> {
    messages.iter().rev().find_map(|message| match message {
        Message::User { parts } => {
            let texts: Vec<&str> = parts.iter().map(|part| part.as_text().unwrap_or("[image]")).collect();
            Some(texts.join("\n"))
        }
        _ => None,
    })
}

/// `/tool NAME {json}`: the name, and the arguments or nothing.
fn tool(line: &str) -> Option<(&str, &str)> {
    let rest = line.trim().strip_prefix("/tool ")?.trim_start();
    let (name, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    (!name.is_empty()).then_some((name, arguments.trim()))
}

/// `/long N`.
fn long(line: &str) -> Option<usize> {
    line.trim().strip_prefix("/long ")?.trim().parse().ok()
}

fn numbered_words(count: usize) -> String {
    let words: Vec<String> = (1..=count.min(MAX_WORDS)).map(|n| format!("word{n}")).collect();
    words.join(" ")
}

/// At most `MAX_ECHO` characters of `text`.
fn excerpt(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_ECHO) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use regrow_protocol::{Part, ToolSpec};

    use super::*;

    fn spec(name: &str) -> ToolSpec {
        ToolSpec {
            name: name.to_owned(),
            description: String::new(),
            parameters: Default::default(),
            strict: false,
        }
    }

    fn asked(messages: Vec<Message>) -> Answer {
        asked_with(ToolChoice::Auto, messages)
    }

    /// The answer of a model that has the tools `clock` and `read`.
    fn asked_with(tool_choice: ToolChoice, messages: Vec<Message>) -> Answer {
        let messages: Vec<_> = messages.into_iter().map(Cow::Owned).collect();
        let tools = [spec("clock"), spec("read")];
        let (messages, tools) = (messages.into(), tools.iter().collect());
        answer(&ModelRequest { messages, tools, tool_choice, ..ModelRequest::default() })
    }

    #[test]
    fn echoes_and_counts() {
        let said = asked(vec![Message::user("a"), Message::assistant("b"), Message::user("hello\nyou")]);
        assert_eq!(said.text, format!("{WHO} This is message 2 of our conversation. You said: hello\nyou"));
        let long = asked(vec![Message::user("ü".repeat(9000))]).text;
        assert!(long.chars().count() < MAX_ECHO + 200);
    }

    #[test]
    fn calls_the_tools_it_is_told_to_call() {
        let text = "please\n/tool clock\n  /tool read {\"path\": \"a b\"}\n/tool none {}";
        let said = asked(vec![Message::user(text)]);
        let call = |id: &str, name: &str, arguments: &str| ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        };
        let want = vec![call("demo_1_1", "clock", "{}"), call("demo_1_2", "read", r#"{"path": "a b"}"#)];
        assert_eq!(said, Answer { text: String::new(), tool_calls: want });

        let forbidden = asked_with(ToolChoice::None, vec![Message::user(text)]);
        assert_eq!(forbidden.tool_calls, []);
        let unknown = asked(vec![Message::user("/tool none {}")]);
        assert!(unknown.tool_calls.is_empty() && unknown.text.contains("no tool called none"), "{unknown:?}");
    }

    #[test]
    fn reports_what_the_tools_said() {
        let first = vec![Message::user("/tool clock\n/tool read")];
        let calls = asked(first.clone()).tool_calls;
        let result = |position: usize, content: &str, is_error| Message::Tool {
            call_id: calls[position].id.clone(),
            content: content.to_owned(),
            is_error,
        };
        let mut messages = first;
        messages.push(Message::Assistant { text: String::new(), tool_calls: calls.clone(), raw: None });
        messages.extend([result(0, "noon", false), result(1, "no file", true)]);
        let said = asked(messages);
        assert_eq!(said.tool_calls, []);
        let want = "This is message 1 of our conversation. The tools answered:\n- clock: noon\n- read (failed): no file";
        assert!(said.text.ends_with(want), "{}", said.text);
    }

    #[test]
    fn speaks_at_length_when_asked() {
        let said = |text: &str| asked(vec![Message::user(text)]).text;
        assert_eq!(said("/long 3"), "word1 word2 word3");
        assert_eq!(said("/long 999999999").split(' ').count(), MAX_WORDS);
    }

    #[test]
    fn images_and_empty_conversations_are_fine() {
        let image = Part::Image { media_type: "image/png".to_owned(), data: String::new() };
        assert!(asked(vec![Message::User { parts: vec![image] }]).text.ends_with("You said: [image]"));
        assert!(asked(vec![]).text.contains("message 0"));
    }
}
