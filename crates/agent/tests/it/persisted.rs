//! What is persisted reads back, is written the same by every build of this version, and tolerates what newer ones add.

use regrow_agent::{Ending, Entry, Failure, FailureKind, Final, Inbound, ToolOutcome};
use regrow_protocol::{
    EntryKind, Message, Part, RawTurn, Sampling, StopReason, ToolChoice, ToolSpec, TraceContext, Usage,
};
use serde_json::json;

use crate::scene::{USAGE, asks, assistant, consumed, done, result, started, summary, tool};

/// Every kind of entry with what is written of it. These strings are in databases: they never change.
fn written() -> Vec<(Entry, &'static str)> {
    let image = Part::Image { media_type: "image/png".to_owned(), data: "AAAA".to_owned() };
    let parts = vec![Part::Text { text: "a".to_owned() }, image];
    let raw = Some(RawTurn { api: "x".to_owned(), content: json!([{ "n": 0.1 }]) });
    let with_raw = Message::Assistant { text: "b".to_owned(), tool_calls: Vec::new(), raw };
    let error = Message::Tool { call_id: "1".to_owned(), content: "?".to_owned(), is_error: true };
    let failure = Failure { reason: FailureKind::Limit, message: "m".to_owned() };
    vec![
        (
            consumed(vec![Message::System { text: "i".to_owned() }, Message::User { parts }, tool("1", "r")]),
            r#"{"kind":"user","inbox_seq":1,"messages":[{"role":"system","text":"i"},{"role":"user","parts":[{"type":"text","text":"a"},{"type":"image","media_type":"image/png","data":"AAAA"}]},{"role":"tool","call_id":"1","content":"r"}]}"#,
        ),
        (
            asks("", &["1:pure"]),
            r#"{"kind":"assistant","message":{"role":"assistant","text":"","tool_calls":[{"id":"1","name":"pure","arguments":"{}"}]},"model":"p/step","usage":{"input":10,"output":5,"cache_read":2,"cache_write":1}}"#,
        ),
        (started("1"), r#"{"kind":"tool_started","call_id":"1"}"#),
        (
            result("1", "r"),
            r#"{"kind":"tool_result","message":{"role":"tool","call_id":"1","content":"r"},"outcome":"completed"}"#,
        ),
        (
            Entry::ToolResult { message: error.clone(), outcome: ToolOutcome::Unknown },
            r#"{"kind":"tool_result","message":{"role":"tool","call_id":"1","content":"?","is_error":true},"outcome":"unknown"}"#,
        ),
        (
            Entry::ToolResult { message: error, outcome: ToolOutcome::Refused },
            r#"{"kind":"tool_result","message":{"role":"tool","call_id":"1","content":"?","is_error":true},"outcome":"refused"}"#,
        ),
        (
            summary("s", 3),
            r#"{"kind":"compaction","summary":"s","through":3,"usage":{"input":10,"output":5,"cache_read":2,"cache_write":1}}"#,
        ),
        (
            Entry::Final(done(Some(with_raw), StopReason::Stop)),
            r#"{"kind":"final","ending":{"ending":"done"},"message":{"role":"assistant","text":"b","raw":{"api":"x","content":[{"n":0.1}]}},"stop":"stop","model":"p/last","usage":{"input":10,"output":5,"cache_read":2,"cache_write":1}}"#,
        ),
        (
            Entry::Final(done(Some(assistant("", &["1:client"])), StopReason::ToolCalls)),
            r#"{"kind":"final","ending":{"ending":"done"},"message":{"role":"assistant","text":"","tool_calls":[{"id":"1","name":"client","arguments":"{}"}]},"stop":"tool_calls","model":"p/last","usage":{"input":10,"output":5,"cache_read":2,"cache_write":1}}"#,
        ),
        (
            Entry::Final(Final { ending: Ending::Failed(failure), ..Final::aborted("") }),
            r#"{"kind":"final","ending":{"ending":"failed","reason":"limit","message":"m"},"stop":"stop","model":"","usage":{"input":0,"output":0,"cache_read":0,"cache_write":0}}"#,
        ),
        (
            Entry::Final(Final::aborted("so")),
            r#"{"kind":"final","ending":{"ending":"aborted"},"message":{"role":"assistant","text":"so"},"stop":"stop","model":"","usage":{"input":0,"output":0,"cache_read":0,"cache_write":0}}"#,
        ),
        (Entry::Reset, r#"{"kind":"reset"}"#),
    ]
}

#[test]
fn entries_are_written_as_ever_and_read_back() {
    for (entry, json) in written() {
        assert_eq!(serde_json::to_string(&entry).unwrap(), json);
        assert_eq!(serde_json::from_str::<Entry>(json).unwrap(), entry);
        assert_eq!(serde_json::from_slice::<Entry>(json.as_bytes()).unwrap(), entry);
    }
}

#[test]
fn each_entry_has_a_kind_under_which_it_is_found_again() {
    for (entry, json) in written() {
        let kind = entry.kind();
        assert_eq!(EntryKind::from_code(kind.code()), kind, "{json}");
        assert!(!matches!(kind, EntryKind::Unknown(_)), "{json}");
    }
}

/// Adds a field to every object.
fn extended(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, extended(value)));
            fields.chain([("of_a_newer_release".to_owned(), json!({ "x": [1] }))]).collect()
        }
        serde_json::Value::Array(values) => values.into_iter().map(extended).collect(),
        other => other,
    }
}

#[test]
fn fields_of_newer_releases_are_ignored() {
    for (entry, json) in written().into_iter().filter(|(_, json)| !json.contains("\"raw\"")) {
        let newer = extended(serde_json::from_str(json).unwrap());
        assert_eq!(serde_json::from_value::<Entry>(newer).unwrap(), entry, "{json}");
    }
    let inbound = Inbound { messages: vec![Message::user("a")], ..Inbound::default() };
    let newer = extended(serde_json::to_value(&inbound).unwrap());
    assert_eq!(serde_json::from_value::<Inbound>(newer).unwrap(), inbound);
}

#[test]
fn fields_that_came_later_may_be_absent() {
    let last: Entry =
        serde_json::from_str(r#"{"kind":"final","ending":{"ending":"done"},"stop":"stop"}"#).unwrap();
    let wanted = Final { ending: Ending::Done, ..Final::aborted("") };
    assert_eq!(last, Entry::Final(wanted));
    let usage: Usage = serde_json::from_str(r#"{"input":1,"output":2}"#).unwrap();
    assert_eq!(usage, Usage { input: 1, output: 2, ..Usage::default() });
    let inbound: Inbound = serde_json::from_str(r#"{"messages":[]}"#).unwrap();
    assert_eq!(inbound, Inbound::default());
}

#[test]
fn unknown_states_read_as_safe_ones() {
    let failed = r#"{"ending":"failed","reason":"of_a_newer_release","message":"m"}"#;
    let failure = Failure { reason: FailureKind::Internal, message: "m".to_owned() };
    assert_eq!(serde_json::from_str::<Ending>(failed).unwrap(), Ending::Failed(failure));
    let outcome: ToolOutcome = serde_json::from_str(r#""of_a_newer_release""#).unwrap();
    assert_eq!(outcome, ToolOutcome::Unknown);
    assert!(serde_json::from_str::<Entry>(r#"{"kind":"of_a_newer_release"}"#).is_err());
}

#[test]
fn failures_have_stable_names() {
    for (kind, name) in [
        (FailureKind::ModelRefused, "model_refused"),
        (FailureKind::ModelUnavailable, "model_unavailable"),
        (FailureKind::ContextTooLong, "context_too_long"),
        (FailureKind::Limit, "limit"),
        (FailureKind::Crashed, "crashed"),
        (FailureKind::Internal, "internal"),
    ] {
        assert_eq!(serde_json::to_value(kind).unwrap(), name);
        assert_eq!(kind.as_str(), name);
        assert_eq!(serde_json::from_value::<FailureKind>(json!(name)).unwrap(), kind);
    }
}

#[test]
fn an_inbound_message_is_written_as_ever_and_reads_back() {
    let sampling = Sampling { max_tokens: Some(5), temperature: Some(0.5), ..Sampling::default() };
    let tool = ToolSpec {
        name: "t".to_owned(),
        description: "d".to_owned(),
        parameters: json!({ "type": "object" }),
        strict: true,
    };
    let whole = Inbound {
        messages: vec![Message::user("a")],
        tools: vec![tool],
        tool_choice: ToolChoice::Named("t".to_owned()),
        sampling,
        model: Some("p/m".to_owned()),
        trace: TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
    };
    let least = Inbound { messages: vec![Message::assistant("a")], ..Inbound::default() };
    for (inbound, json) in [
        (
            whole,
            r#"{"messages":[{"role":"user","parts":[{"type":"text","text":"a"}]}],"tools":[{"name":"t","description":"d","parameters":{"type":"object"},"strict":true}],"tool_choice":{"named":"t"},"sampling":{"max_tokens":5,"temperature":0.5},"model":"p/m","trace":{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}"#,
        ),
        (least, r#"{"messages":[{"role":"assistant","text":"a"}],"tool_choice":"auto","sampling":{}}"#),
    ] {
        assert_eq!(serde_json::to_string(&inbound).unwrap(), json);
        assert_eq!(serde_json::from_str::<Inbound>(json).unwrap(), inbound);
    }
}

#[test]
fn usage_adds_up() {
    let mut usage = USAGE;
    usage += USAGE;
    assert_eq!((usage, usage.total()), (Usage { input: 20, output: 10, cache_read: 4, cache_write: 2 }, 30));
}
