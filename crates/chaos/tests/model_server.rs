//! The model server as its callers meet it: over real connections.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::time::Duration;

use regrow_chaos::client::{Client, Reply, ToolCall, Turn};
use regrow_chaos::load::{self, Limit, Sessions};
use regrow_chaos::model_server::{Server, State};
use serde_json::{Value, json};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

async fn start() -> (Server, Client) {
    let server = Server::start().await.unwrap();
    let client = Client::new(server.base_url(), "").unwrap();
    (server, client)
}

/// The same turn, streamed and whole.
async fn both(client: &Client, turn: Turn) -> [Reply; 2] {
    [client.send(&turn).await.unwrap(), client.send(&turn.clone().streamed()).await.unwrap()]
}

#[tokio::test]
async fn streamed_and_whole_answers_are_the_same() {
    let (server, client) = start().await;
    let mut turn = Turn::user("[[id=a]] first");
    turn.messages.push(json!({"role": "assistant", "content": "reply"}));
    turn.messages.push(json!({"role": "user", "content": "[[id=b tokens=8]] second"}));
    turn.fields.insert("stream_options".into(), json!({"include_usage": true}));
    for reply in both(&client, turn).await {
        assert!(reply.is_ok(), "{reply:?}");
        assert_eq!(reply.text, "reply to b: turns=2 seen=a,b w6 w7 w8");
        assert_eq!(reply.finish_reason.as_deref(), Some("stop"));
        assert_eq!(reply.usage.unwrap()["completion_tokens"], 8);
    }
    let calls = server.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[1].seen_ids(), ["a", "b"]);
    assert_eq!((calls[1].earlier, calls[1].state, server.count("b")), (1, State::Completed, 2));
}

#[tokio::test]
async fn offered_tools_are_called_in_parallel_then_reported() {
    let (_server, client) = start().await;
    let mut turn = Turn::user(r#"[[id=a tool=read args={"path":"ä"} tool=now]]"#);
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "parameters": {}}});
    turn.fields.insert("tools".into(), json!([tool("read"), tool("now")]));
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    let expected = [call("call_a_0_0", "read", r#"{"path":"ä"}"#), call("call_a_0_1", "now", "{}")];
    for reply in both(&client, turn.clone()).await {
        assert_eq!(reply.tool_calls, expected);
        assert_eq!(reply.finish_reason.as_deref(), Some("tool_calls"));
    }
    turn.messages.push(json!({"role": "assistant", "content": null, "tool_calls": [{"id": "call_a_0_0",
        "type": "function", "function": {"name": "read", "arguments": "{}"}}]}));
    turn.messages.push(json!({"role": "tool", "tool_call_id": "call_a_0_0", "content": "text"}));
    for reply in both(&client, turn).await {
        assert_eq!(reply.text, "reply to a: turns=1 seen=a result=text");
    }
}

#[tokio::test]
async fn fails_then_cuts_then_answers() {
    let (server, client) = start().await;
    let turn = Turn::user("[[id=a fail=2 status=429 retry_after=3 cut=1 tokens=10]]").streamed();
    let mut replies = Vec::new();
    for _ in 0..4 {
        replies.push(client.send(&turn).await.unwrap());
    }
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [429, 429, 200, 200]);
    assert_eq!(replies[0].header("retry-after"), Some("3"));
    assert_eq!(replies[2].text, "reply to a: turns=1 seen=a");
    assert!(replies[2].broken.is_some() && !replies[2].complete);
    assert!(replies[3].is_ok());
    let states: Vec<State> = server.calls().iter().map(|call| call.state).collect();
    assert_eq!(states, [State::Refused, State::Refused, State::Cut, State::Completed]);
}

#[tokio::test]
async fn a_test_can_act_in_the_middle_of_a_stream() {
    let (server, client) = start().await;
    let turn = Turn::user("[[id=a tokens=1000 delay_ms=5]]").streamed();
    let mut live = client.open(&turn).await.unwrap();
    timeout(PATIENCE, server.wait_for("a", 7)).await.unwrap();
    assert!(live.read_text(20).await);
    assert!(!live.so_far().complete);
    drop(live);
    let gone = |calls: &[regrow_chaos::model_server::Call]| calls[0].state == State::ClientGone;
    timeout(PATIENCE, server.wait_until(gone)).await.unwrap();
    assert!((7..1000).contains(&server.calls()[0].tokens));
}

#[tokio::test]
async fn hangs_before_the_first_byte_and_in_the_middle() {
    let (server, client) = start().await;
    let before = Turn::user("[[id=a hang]]").streamed();
    let asking = tokio::spawn({
        let client = client.clone();
        async move { client.send(&before).await }
    });
    timeout(PATIENCE, server.wait_for("a", 0)).await.unwrap();
    asking.abort();
    timeout(PATIENCE, server.wait_until(|calls| calls[0].state == State::ClientGone)).await.unwrap();

    let middle = Turn::user("[[id=b hang after=3]]").streamed();
    let mut live = client.open(&middle).await.unwrap();
    assert!(live.read_text("reply to b: ".len()).await);
    assert!(timeout(Duration::from_millis(50), live.read_text(1000)).await.is_err());
    assert_eq!(server.calls()[1].state, State::Open);
}

#[tokio::test]
async fn anthropic_streams_text_and_tools() {
    let server = Server::start().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |content: &str| {
        let body = json!({"model": "claude", "stream": true, "max_tokens": 10, "tools": [{"name": "now"}],
            "messages": [{"role": "user", "content": content}]});
        let url = format!("{}/messages", server.base_url());
        let text = http.post(url).json(&body).send().await.unwrap().text().await.unwrap();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str::<Value>(data).unwrap()).collect::<Vec<_>>()
    };
    let kinds = |events: &[Value]| events.iter().map(|event| event["type"].clone()).collect::<Vec<_>>();

    let events = ask("[[id=a]]").await;
    let text: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(text, "reply to a: turns=1 seen=a");
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "end_turn");

    let events = ask(r#"[[id=b tool=now args={"zone":"UTC"}]]"#).await;
    let (start, delta) = ("content_block_start", "content_block_delta");
    let end = ["content_block_stop", "message_delta", "message_stop"];
    assert_eq!(kinds(&events), [&["message_start", start, delta, delta], &end[..]].concat());
    let json: String = events.iter().filter_map(|event| event["delta"]["partial_json"].as_str()).collect();
    assert_eq!((json.as_str(), &events[1]["content_block"]["name"]), (r#"{"zone":"UTC"}"#, &json!("now")));
}

#[tokio::test]
async fn other_processes_read_and_reset_the_ledger() {
    let (server, client) = start().await;
    client.send(&Turn::user("[[id=a]]")).await.unwrap();
    let (status, body) = client.get("/__calls").await.unwrap();
    assert_eq!(status, 200);
    let call = &body["calls"][0];
    assert_eq!(
        (&call["id"], &call["seen"], &call["state"]),
        (&json!("a"), &json!(["a"]), &json!("completed"))
    );
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let reset =
        http.post(format!("{}/__reset", server.base_url().trim_end_matches("/v1"))).send().await.unwrap();
    assert_eq!(reset.status(), 204);
    assert_eq!((server.calls().len(), server.count("a")), (0, 0));
}

#[tokio::test]
async fn a_misspelt_script_is_refused() {
    let (server, client) = start().await;
    let reply = client.send(&Turn::user("[[tokns=3]]")).await.unwrap();
    assert_eq!(
        (reply.status, reply.error.unwrap()["message"].as_str()),
        (400, Some("unknown directive `tokns=3`"))
    );
    assert!(server.calls().is_empty());
}

#[tokio::test]
async fn dropping_the_server_cuts_its_connections() {
    let (server, client) = start().await;
    let mut live = client.open(&Turn::user("[[id=a hang after=2]]").streamed()).await.unwrap();
    assert!(live.read_text(1).await);
    drop(server);
    let reply = timeout(PATIENCE, live.finish()).await.unwrap();
    assert!(reply.broken.is_some(), "{reply:?}");
    assert!(client.send(&Turn::user("hello")).await.is_err());
}

#[tokio::test]
async fn load_counts_every_turn() {
    let (server, client) = start().await;
    let mut options = load::Options {
        clients: vec![client],
        concurrency: 8,
        sessions: Sessions::Unnamed,
        limit: Limit::Turns(200),
        turn: Turn::user("hello").streamed(),
    };
    let report = load::run(options.clone()).await.unwrap();
    assert_eq!(
        (report.ok, report.failures(), report.total.count(), server.calls().len()),
        (200, 0, 200, 200)
    );

    options.turn = Turn::user("[[id=a fail=5 cut=3 tokens=4]]").streamed();
    options.limit = Limit::Turns(20);
    let report = load::run(options.clone()).await.unwrap();
    let counted = (report.ok, report.statuses[&500], report.broken, report.failures());
    assert_eq!(counted, (12, 5, 3, 8), "{report:?}");

    drop(server);
    let report = load::run(options).await.unwrap();
    assert_eq!((report.ok, report.unanswered), (0, 20));
}
