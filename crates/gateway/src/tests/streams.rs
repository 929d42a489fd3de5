//! Event streams: their bytes, and coming back to them.

use std::time::Duration;

use regrow_agent::{Ending, Failure, FailureKind, Reply};
use regrow_protocol::{RunId, StopReason, ToolCall};
use regrow_worker::Cursor;

use crate::testing::{Conversation, Door, done};

const BODY: &str = r#"{"model":"openclaw","user":"kim","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#;
const POST: &str = "POST /v1/chat/completions HTTP/1.1";

/// A stream that has told its role, and its run.
async fn begin(door: &Door, headers: &str) -> (Conversation, RunId) {
    let mut conversation = door.connect().await;
    conversation.request(&format!("{POST}\r\n{headers}"), BODY).await;
    let (run, _) = door.engine.submitted().await;
    conversation.until("\"role\":\"assistant\",\"content\":\"\"").await;
    (conversation, run)
}

fn after(text: &str) -> Cursor {
    let mut cursor = Cursor::START;
    cursor.advance(text);
    cursor
}

/// The reply that the tests stream: text and a call.
fn calling(text: &str) -> Reply {
    let call = ToolCall { id: "c1".into(), name: "f".into(), arguments: "{}".into() };
    Reply { tool_calls: vec![call], stop: StopReason::ToolCalls, ..done(text) }
}

/// The events of a whole stream, for comparison.
fn expected(run: RunId) -> Vec<String> {
    let seconds = u64::from_str_radix(&run.to_string().replace('-', "")[..12], 16).unwrap() / 1_000;
    let event = |cursor: Cursor, closing: &str, choices: &str, usage: &str| {
        format!(
            "id: {run}/{cursor}{closing}\ndata: {{\"id\":\"chatcmpl_{run}\",\"object\":\"chat.completion.chunk\",\
             \"created\":{seconds},\"model\":\"openclaw\",\"choices\":[{choices}],\"usage\":{usage}}}\n\n"
        )
    };
    let choice = |delta: &str, reason: &str| {
        format!("{{\"index\":0,\"delta\":{{{delta}}},\"finish_reason\":{reason}}}")
    };
    let call =
        r#""tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]"#;
    let usage = r#"{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}"#;
    let end = after("Grüezi\n\"du\"");
    vec![
        event(Cursor::START, "", &choice(r#""role":"assistant","content":"""#, "null"), "null"),
        event(after("Grüezi\n"), "", &choice(r#""content":"Grüezi\n""#, "null"), "null"),
        event(end, "", &choice(r#""content":"\"du\"""#, "null"), "null"),
        event(end, "/1", &choice(call, "null"), "null"),
        event(end, "/2", &choice("", "\"tool_calls\""), "null"),
        event(end, "/3", "", usage),
        "data: [DONE]\n\n".to_owned(),
    ]
}

#[tokio::test]
async fn a_stream_is_what_openai_gives_with_positions() {
    let door = Door::open().await;
    let mut conversation = door.connect().await;
    conversation.request(POST, BODY).await;
    let (run, _) = door.engine.submitted().await;
    let (answer, ()) = tokio::join!(conversation.answer(), async {
        door.engine.say(run, "Grüezi\n");
        door.engine.taken(run, "Grüezi\n").await;
        door.engine.end(run, calling("Grüezi\n\"du\""));
    });
    assert_eq!(answer.body, expected(run).concat());
    for (name, want) in
        [("content-type", "text/event-stream"), ("cache-control", "no-cache"), ("x-accel-buffering", "no")]
    {
        assert_eq!(answer.header(name), Some(want));
    }
    assert_eq!(answer.header("x-openclaw-session-key"), Some("agent:main:openai-user:kim"));
}

#[tokio::test]
async fn a_stream_resumes_at_every_event() {
    let door = Door::open().await;
    let (mut conversation, run) = begin(&door, "").await;
    door.engine.end(run, calling("Grüezi\n\"du\""));
    conversation.until("[DONE]").await;
    let events = expected(run);
    for (seen, event) in events.iter().enumerate().take(6) {
        let id = event.lines().next().unwrap().replace("id: ", "last-event-id: ");
        let rest = match seen {
            0 => {
                let whole = r#"Grüezi\n\"du\""#;
                events[2].replace(r#"\"du\""#, whole) + &events[3..].concat()
            }
            seen => events[seen + 1..].concat(),
        };
        let answer = door.chat(&id, BODY).await;
        assert_eq!((answer.status, &answer.body), (200, &rest), "after event {seen}");
        assert_eq!(answer.header("x-regrow-duplicate"), Some("true"));
        let head = format!("GET /v1/chat/completions/{run}?include_usage=true HTTP/1.1\r\n{id}");
        let answer = door.ask(&format!("{head}\r\naccept: text/event-stream"), "").await;
        assert_eq!(answer.header("content-type"), Some("text/event-stream"), "after event {seen}");
        assert_eq!(answer.body, rest, "after event {seen}");
    }
    assert_eq!(door.engine.events_so_far().await.len(), 0);
}

#[tokio::test]
async fn a_stream_is_resumed_by_the_same_request_and_by_nothing_else() {
    let door = Door::open().await;
    let (mut conversation, run) = begin(&door, "").await;
    door.engine.end(run, done("Hello"));
    conversation.until("[DONE]").await;
    let id = format!("last-event-id: {run}/{}", after("Hel"));
    let resumed = door.chat(&id, BODY).await;
    assert!(resumed.body.contains(r#""content":"lo""#) && !resumed.body.contains("Hel"));
    let unknown = format!("last-event-id: {}/{}", RunId::new(), Cursor::START);
    let keyed = format!("{id}\r\nidempotency-key: k1");
    let other_session = BODY.replace("kim", "lou");
    let other_message = BODY.replace("\"content\":\"", "\"content\":\"Other. ");
    assert_ne!(other_message, BODY);
    for (headers, body) in
        [(&id, other_session.as_str()), (&id, other_message.as_str()), (&unknown, BODY), (&keyed, BODY)]
    {
        let answered = async {
            let (new, _) = door.engine.submitted().await;
            door.engine.end(new, done("Hello"));
        };
        let (answer, ()) = tokio::join!(door.chat(headers, body), answered);
        assert!(answer.body.contains(r#""content":"Hello""#), "{headers} {body}: {}", answer.body);
        assert_eq!(answer.header("x-regrow-duplicate"), None);
    }
    let second = door.engine.begin("agent:main:openai-user:kim");
    let head = format!("GET /v1/chat/completions/{second} HTTP/1.1\r\n{id}\r\naccept: text/event-stream");
    assert_eq!(door.ask(&head, "").await.status, 400);
}

#[tokio::test]
async fn a_stream_that_cannot_go_on_says_why() {
    let door = Door::open().await;
    let failure = Failure { reason: FailureKind::ModelUnavailable, message: "All models failed.".into() };
    let failed = Reply { ending: Ending::Failed(failure), ..done("Hel") };
    let aborted = Reply { ending: Ending::Aborted, ..done("Hel") };
    for (reply, code) in
        [(failed, "model_unavailable"), (aborted, "run_aborted"), (done("Other"), "stream_diverged")]
    {
        let (mut conversation, run) = begin(&door, "").await;
        door.engine.say(run, "Hel");
        conversation.until("\"content\":\"Hel\"").await;
        door.engine.end(run, reply);
        let rest = conversation.until("data: [DONE]\n\n").await;
        let error = rest.lines().find(|line| line.starts_with("data: {\"error\"")).unwrap();
        assert!(error.contains(&format!("\"code\":\"{code}\"")), "{rest}");
    }
}

#[tokio::test]
async fn a_silent_stream_is_kept_alive() {
    let door = Door::with(|options| options.limits.keep_alive = Duration::from_millis(20)).await;
    let (mut conversation, run) = begin(&door, "").await;
    conversation.until(": keep-alive\n\n").await;
    conversation.until(": keep-alive\n\n").await;
    door.engine.end(run, done("Hello"));
    conversation.until("\"content\":\"Hello\"").await;
}

#[tokio::test]
async fn a_stream_that_is_cut_can_be_resumed_elsewhere() {
    let door = Door::open().await;
    let (mut conversation, run) = begin(&door, "").await;
    door.engine.say(run, "Hel");
    conversation.until("\"content\":\"Hel\"").await;
    door.shutdown.drain.cancel();
    door.shutdown.cut.cancel();
    let rest = conversation.rest().await;
    assert!(rest.contains(": draining, resume with Last-Event-ID\n\n"), "{rest}");
    assert!(rest.contains("\"code\":\"replica_draining\"") && !rest.contains("[DONE]"), "{rest}");
    let engine = door.engine.clone();
    assert_eq!(door.close().await, 0);
    assert_eq!(engine.events_so_far().await.len(), 0, "a replica that stops does not abort its runs");
}
