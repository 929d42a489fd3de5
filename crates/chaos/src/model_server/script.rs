//! The model's mind: a pure function from what is asked, and how often it was asked before, to what is answered.
//!
//! The answer tells from the outside what the model saw, so that a checker needs no look inside: which user messages,
//! in which order, and which tool results.

use std::time::Duration;

use super::asked::Asked;
use super::directive::Directives;

/// The most characters of a tool result that an answer repeats.
const RESULT_CHARS: usize = 200;

/// What to do with one call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Answer with an error status.
    Refuse { status: u16, retry_after: Option<u32> },
    /// Answer as a model does.
    Answer(Answer),
}

/// An answer and the way it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The text in streamed pieces; empty when tools are called.
    pub(super) tokens: Vec<String>,
    /// The tools to call.
    pub(super) calls: Vec<ToolCall>,
    /// Time before the first byte.
    pub(super) first: Duration,
    /// Time between two tokens.
    pub(super) delay: Duration,
    /// How it ends.
    pub(super) end: End,
}

/// One tool call of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ToolCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) args: String,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As it should.
    Complete,
    /// The connection is closed after so many tokens; after half of them if none are given.
    Cut { after: Option<usize> },
    /// Nothing more comes after so many tokens, and the connection stays open.
    Hang { after: usize },
}

impl Answer {
    /// The whole text.
    pub(super) fn text(&self) -> String {
        self.tokens.concat()
    }
}

/// Decides the answer to the call that follows `earlier` other calls for the same message id.
pub(super) fn plan(asked: &Asked, earlier: u32) -> Plan {
    let script = &asked.script;
    if earlier < script.fail {
        let status = if script.status == 0 { 500 } else { script.status };
        return Plan::Refuse { status, retry_after: script.retry_after };
    }
    let calls = tool_calls(asked);
    let tokens = if calls.is_empty() { tokens(&text(asked, earlier), script.tokens) } else { Vec::new() };
    let end = end(script, earlier - script.fail);
    Plan::Answer(Answer { tokens, calls, first: script.first, delay: script.delay, end })
}

fn end(script: &Directives, served: u32) -> End {
    if served < script.cut {
        End::Cut { after: script.after }
    } else if served - script.cut < script.hang {
        End::Hang { after: script.after.unwrap_or(0) }
    } else {
        End::Complete
    }
}

fn tool_calls(asked: &Asked) -> Vec<ToolCall> {
    if asked.rounds >= asked.script.rounds.max(1) {
        return Vec::new();
    }
    let message = asked.script.id.as_deref().unwrap_or("-");
    let wanted =
        asked.script.tools.iter().filter(|tool| asked.script.force || asked.offered.contains(&tool.name));
    wanted
        .enumerate()
        .map(|(index, tool)| ToolCall {
            id: format!("call_{message}_{}_{index}", asked.rounds),
            name: tool.name.clone(),
            args: tool.args.clone(),
        })
        .collect()
}

fn text(asked: &Asked, earlier: u32) -> String {
    let id = asked.script.id.as_deref().unwrap_or("-");
    let mut text = format!("reply to {id}: turns={} seen={}", asked.turns, asked.seen);
    if asked.script.vary {
        text.push_str(&format!(" call={earlier}"));
    }
    let missing = |name: &String| !asked.offered.contains(name);
    for tool in asked.script.tools.iter().map(|tool| &tool.name).filter(|name| missing(name)) {
        text.push_str(&format!(" not-offered={tool}"));
    }
    for result in &asked.results {
        let short: String = result.chars().take(RESULT_CHARS).collect();
        text.push_str(&format!(" result={}", short.replace(['\r', '\n'], " ")));
    }
    text
}

/// Splits `text` after its spaces, and adds numbered words until there are `least` tokens.
fn tokens(text: &str, least: usize) -> Vec<String> {
    let mut tokens: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
    tokens.extend((tokens.len()..least).map(|index| format!(" w{}", index + 1)));
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Asked {
        let script = Directives::parse(text).unwrap();
        Asked { turns: 2, seen: "a,b".into(), offered: vec!["read".into()], script, ..Asked::default() }
    }

    fn answer(asked: &Asked, earlier: u32) -> Answer {
        match plan(asked, earlier) {
            Plan::Answer(answer) => answer,
            Plan::Refuse { status, .. } => panic!("refused with {status}"),
        }
    }

    #[test]
    fn says_what_it_saw() {
        assert_eq!(answer(&asked("[[id=b]]"), 0).text(), "reply to b: turns=2 seen=a,b");
        assert_eq!(answer(&asked("[[id=b vary]]"), 3).text(), "reply to b: turns=2 seen=a,b call=3");
        let padded = answer(&asked("[[id=b tokens=7]]"), 0);
        assert_eq!((padded.tokens.len(), padded.text()), (7, "reply to b: turns=2 seen=a,b w6 w7".into()));
    }

    #[test]
    fn refuses_then_cuts_then_hangs_then_answers() {
        let asked = asked("[[id=b fail=2 status=429 retry_after=1 cut=1 hang=1]]");
        let refusal = Plan::Refuse { status: 429, retry_after: Some(1) };
        assert_eq!(plan(&asked, 0), refusal);
        assert_eq!(plan(&asked, 1), refusal);
        let ends = [2, 3, 4].map(|earlier| answer(&asked, earlier).end);
        assert_eq!(ends, [End::Cut { after: None }, End::Hang { after: 0 }, End::Complete]);
    }

    #[test]
    fn calls_offered_tools_once_and_then_reports_their_results() {
        let mut asked = asked(r#"[[id=b tool=read args={"path":"x"} tool=other]]"#);
        let call = ToolCall { id: "call_b_0_0".into(), name: "read".into(), args: r#"{"path":"x"}"#.into() };
        assert_eq!(answer(&asked, 0).calls, [call]);
        asked.rounds = 1;
        asked.results = vec!["line 1\nline 2".into()];
        let after = answer(&asked, 1);
        assert_eq!(after.calls, []);
        assert_eq!(after.text(), "reply to b: turns=2 seen=a,b not-offered=other result=line 1 line 2");
    }

    #[test]
    fn rounds_and_force_are_obeyed() {
        let mut asked = asked("[[id=b tool=other force rounds=2]]");
        asked.rounds = 1;
        assert_eq!(answer(&asked, 1).calls[0].id, "call_b_1_0");
        asked.rounds = 2;
        assert_eq!(answer(&asked, 2).calls, []);
    }
}
