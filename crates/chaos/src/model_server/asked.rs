//! What a request asks: both dialects read into one shape, borrowing from the body and parsing no more than needed,
//! because the model server must not be what a benchmark measures.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::directive::{self, Directives};
use super::ledger::digest;

/// What the model server knows about one request. A malformed script or body is the error, answered with 400.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The model's name as the caller wrote it.
    pub(super) model: String,
    /// The caller wants a stream.
    pub(super) stream: bool,
    /// The caller wants usage in its stream.
    pub(super) usage: bool,
    /// The directives of the last user message.
    pub(super) script: Directives,
    /// How many user messages the request holds.
    pub(super) turns: usize,
    /// The ids of all user messages in order, separated by commas.
    pub(super) seen: String,
    /// Of each of these messages, a digest of the answer that the request says it had; 0 if it had none, and the digest of
    /// no answer if it had several. Read only when the last user message has an id.
    pub(super) heard: Vec<u64>,
    /// How many times the model has called tools since the last user message.
    pub(super) rounds: usize,
    /// The tool results since the last user message.
    pub(super) results: Vec<String>,
    /// The names of the tools that the request offers; read only when the script calls tools.
    pub(super) offered: Vec<String>,
    /// Prompt tokens, estimated from the size of the body.
    pub(super) prompt_tokens: usize,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    model: Cow<'a, str>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: StreamOptions,
    #[serde(borrow)]
    messages: Vec<RawMessage<'a>>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<&'a RawValue>,
}

/// A part of a message's content: `text` in both dialects, `tool_use` and `tool_result` in Anthropic's.
#[derive(Deserialize)]
struct RawPart<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
}

/// A tool as OpenAI's dialect (`function.name`) or Anthropic's (`name`) offers it.
#[derive(Deserialize)]
struct RawTool {
    name: Option<String>,
    function: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Asked {
    /// Reads the body of a request in either dialect.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
        let raw: Body<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut asked = Self {
            model: raw.model.into_owned(),
            stream: raw.stream,
            usage: raw.stream_options.include_usage,
            prompt_tokens: body.len() / 4,
            ..Self::default()
        };
        let mut last_user = String::new();
        for message in &raw.messages {
            if let Some(text) = asked.note(message)? {
                last_user = text;
            }
        }
        asked.script = Directives::parse(&last_user)?;
        if asked.script.id.is_some() {
            asked.heard = heard(&raw.messages)?;
        }
        if !asked.script.tools.is_empty() {
            asked.offered = offered(raw.tools)?;
        }
        Ok(asked)
    }

    /// Counts one message in; returns its text if it is a user's.
    fn note(&mut self, message: &RawMessage<'_>) -> Result<Option<String>, String> {
        match &*message.role {
            "assistant" => self.rounds += usize::from(calls_tools(message)?),
            "tool" => self.results.push(content_text(message.content)?),
            "user" => return self.note_user(message),
            _ => {}
        }
        Ok(None)
    }

    fn note_user(&mut self, message: &RawMessage<'_>) -> Result<Option<String>, String> {
        let mut results = Vec::new();
        for part in parts(message.content)?.iter().filter(|part| part.kind == "tool_result") {
            results.push(content_text(part.content)?);
        }
        let text = content_text(message.content)?;
        if text.is_empty() && !results.is_empty() {
            self.results.append(&mut results);
            return Ok(None);
        }
        self.turns += 1;
        self.rounds = 0;
        self.results.clear();
        for id in directive::ids(&text) {
            let comma = if self.seen.is_empty() { "" } else { "," };
            self.seen.extend([comma, id]);
        }
        Ok(Some(text))
    }
}

/// A digest of each message's answer; a message is a user's that names an id.
fn heard(messages: &[RawMessage<'_>]) -> Result<Vec<u64>, String> {
    let mut heard = Vec::new();
    for message in messages {
        let text = content_text(message.content)?;
        match &*message.role {
            "user" => heard.extend(directive::ids(&text).map(|_| 0)),
            "assistant" if !text.is_empty() => {
                if let Some(last) = heard.last_mut() {
                    *last = if *last == 0 { digest(&text) } else { digest(&format!("{last} {text}")) };
                }
            }
            _ => {}
        }
    }
    Ok(heard)
}

fn calls_tools(message: &RawMessage<'_>) -> Result<bool, String> {
    let listed = message.tool_calls.is_some_and(|calls| calls.get().starts_with('[') && calls.get() != "[]");
    Ok(listed || parts(message.content)?.iter().any(|part| part.kind == "tool_use"))
}

/// The parts of a content list; none for plain text.
fn parts<'a>(content: Option<&'a RawValue>) -> Result<Vec<RawPart<'a>>, String> {
    match content.map(RawValue::get) {
        Some(list) if list.starts_with('[') => serde_json::from_str(list).map_err(|error| error.to_string()),
        _ => Ok(Vec::new()),
    }
}

/// The text of a content, be it a string or a list of parts.
fn content_text(content: Option<&RawValue>) -> Result<String, String> {
    match content.map(RawValue::get) {
        Some(text) if text.starts_with('"') => serde_json::from_str(text).map_err(|error| error.to_string()),
        _ => {
            let parts = parts(content)?;
            let texts: Vec<&str> = parts
                .iter()
                .filter(|part| part.kind == "text")
                .filter_map(|part| part.text.as_deref())
                .collect();
            Ok(texts.join("\n"))
        }
    }
}

fn offered(tools: Option<&RawValue>) -> Result<Vec<String>, String> {
    let tools: Option<Vec<RawTool>> =
        tools.map(|raw| serde_json::from_str(raw.get())).transpose().map_err(|error| error.to_string())?;
    let name = |tool: RawTool| tool.name.or(tool.function.map(|function| function.name));
    Ok(tools.into_iter().flatten().filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: &Value) -> Asked {
        Asked::read(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn openai_history_is_counted_from_the_last_user_message() {
        let asked =
            read(&json!({"model": "fake-1", "stream": true, "stream_options": {"include_usage": true},
            "tools": [{"type": "function", "function": {"name": "read"}}],
            "messages": [
                {"role": "system", "content": "[[id=never]]"},
                {"role": "user", "content": "[[id=a]] \"quoted\""},
                {"role": "assistant", "content": "reply"},
                {"role": "user", "content": [{"type": "text", "text": "[[id=b tool=read]]"}]},
                {"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]},
                {"role": "tool", "tool_call_id": "1", "content": "file"},
            ]}));
        assert_eq!((asked.turns, asked.seen.as_str(), asked.rounds), (2, "a,b", 1));
        assert_eq!((asked.results, asked.offered), (vec!["file".to_owned()], vec!["read".to_owned()]));
        assert_eq!(asked.heard, [digest("reply"), 0]);
        assert!(asked.stream && asked.usage);
        assert_eq!(asked.script.id.as_deref(), Some("b"));
    }

    #[test]
    fn an_answer_that_stands_there_twice_is_another_one() {
        let user = |id| json!({"role": "user", "content": format!("[[id={id}]]")});
        let reply = json!({"role": "assistant", "content": "reply"});
        let once = read(&json!({"messages": [user("a"), reply, user("b")]}));
        let twice = read(&json!({"messages": [user("a"), reply, reply, user("b")]}));
        assert_eq!(once.heard, [digest("reply"), 0]);
        assert_ne!(twice.heard, once.heard);
    }

    #[test]
    fn anthropic_tool_results_are_no_user_messages() {
        let asked = read(
            &json!({"model": "m", "system": "[[id=never]]", "tools": [{"name": "now"}], "messages": [
                {"role": "user", "content": "[[id=a tool=now]]"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "now", "input": {}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1",
                    "content": [{"type": "text", "text": "noon"}]}]},
            ]}),
        );
        assert_eq!((asked.turns, asked.seen.as_str(), asked.rounds), (1, "a", 1));
        assert_eq!((asked.results, asked.offered), (vec!["noon".to_owned()], vec!["now".to_owned()]));
    }

    #[test]
    fn broken_bodies_are_errors() {
        for body in ["", "{}", r#"{"messages":[{"role":"user","content":"[[oops]]"}]}"#] {
            assert!(Asked::read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
