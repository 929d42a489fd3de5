//! Traces and logs for a collector: one trace for a message, whichever replicas it takes, and nothing that a collector does
//! holds anything up.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use regrow_chaos::client::Turn;
use serde_json::{Value, json};

use crate::collector::{Collector, Span};
use crate::expected;
use crate::scene::{Scene, Shared, soon, until};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A call of a tool, then a reply that takes 30 times 25 ms.
const SLOW: &str = r#"[[id=a tokens=30 delay_ms=25 tool=write args={"path":"note","content":"secret"}]]"#;

/// The turn as part of a trace.
fn traced(turn: Turn) -> Turn {
    let context = [
        ("traceparent".to_owned(), format!("00-{TRACE}-{PARENT}-01")),
        ("tracestate".to_owned(), "vendor=value".to_owned()),
    ];
    Turn { headers: context.into(), ..turn }
}

fn sends_to(url: &str, more: Value) -> Value {
    let mut otel =
        json!({"enabled": true, "endpoint": url, "flushIntervalMs": 100, "headers": {"x-tenant": "t"}});
    otel.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"diagnostics": {"otel": otel}})
}

fn named<'a>(name: &'a str) -> impl Fn(&Span) -> bool + 'a {
    move |span| span.name == name
}

/// What the replicas' logs say, line by line.
fn log_lines(scene: &Scene) -> Vec<Value> {
    let files = std::fs::read_dir(scene.cluster.directory()).unwrap().map(|file| file.unwrap().path());
    let logs = files.filter(|file| file.extension().is_some_and(|kind| kind == "log"));
    let text: String = logs.map(|log| std::fs::read_to_string(log).unwrap()).collect();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[tokio::test]
async fn a_message_is_a_trace() {
    let collector = Collector::start().await;
    let scene = Scene::with(1, sends_to(&collector.url, json!({"serviceName": "mine"}))).await;
    let text = r#"[[id=a tool=read args={"path":"none"}]]"#;
    let reply = scene.ask(0, &traced(Turn::user(text).in_session("agent:main:someone"))).await;
    let (run, replica) = (reply.run_id().unwrap(), scene.cluster.replica_id(0).unwrap());

    let request = collector.span(named("POST /v1/chat/completions")).await;
    assert_eq!((&*request.trace, &*request.parent, request.kind), (TRACE, PARENT, SpanKind::Server));
    for (attribute, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/v1/chat/completions"),
        ("http.response.status_code", "200"),
        ("regrow.run.id", run),
        ("regrow.duplicate", "false"),
    ] {
        assert_eq!(request.says(attribute), value, "{request:?}");
    }

    let agent = collector.span(named("invoke_agent main")).await;
    assert_eq!((&*agent.trace, &agent.parent, agent.kind), (TRACE, &request.id, SpanKind::Internal));
    for (attribute, value) in [
        ("gen_ai.operation.name", "invoke_agent"),
        ("gen_ai.agent.name", "main"),
        ("regrow.run.id", run),
        ("regrow.replica", replica),
        ("regrow.attempt", "1"),
        ("regrow.outcome", "done"),
    ] {
        assert_eq!(agent.says(attribute), value, "{agent:?}");
    }
    assert_eq!(agent.says("gen_ai.conversation.id"), agent.says("regrow.session"));
    assert!(agent.says("regrow.epoch").parse::<i64>().unwrap() > 0);

    let chats = collector.wait_for(2, |span| span.says("gen_ai.operation.name") == "chat").await;
    for (chat, reason) in chats.iter().zip(["[tool_calls]", "[stop]"]) {
        assert_eq!((&chat.parent, chat.kind), (&agent.id, SpanKind::Client));
        assert_eq!(chat.name, format!("chat {}", chat.says("gen_ai.request.model")));
        assert_eq!(chat.says("gen_ai.provider.name"), "fake");
        assert_eq!(chat.says("gen_ai.response.model"), chat.says("gen_ai.request.model"));
        assert_eq!(chat.says("gen_ai.response.finish_reasons"), reason);
        assert!(chat.says("gen_ai.usage.input_tokens").parse::<u64>().unwrap() > 0);
        assert!(chat.says("gen_ai.usage.output_tokens").parse::<u64>().unwrap() > 0);
    }

    let tool = collector.span(named("execute_tool read")).await;
    assert_eq!((&tool.parent, tool.kind, tool.is_error), (&agent.id, SpanKind::Internal, true));
    assert_eq!((tool.says("gen_ai.tool.name"), tool.says("error.type")), ("read", "tool_error"));
    assert!(!tool.says("gen_ai.tool.call.id").is_empty());

    assert_eq!(tool.resource["service.name"], "mine");
    assert!(!tool.resource["service.instance.id"].is_empty());
    let first = &collector.requests()[0];
    assert_eq!(first["content-type"], "application/x-protobuf");
    assert_eq!(first["x-tenant"], "t");
    let everything = format!("{:?}", collector.spans());
    assert!(!everything.contains("[[id=a") && !everything.contains("someone"), "{everything}");
}

async fn one_trace_spans_a_takeover(shared: Shared) {
    let collector = Collector::start().await;
    let mut scene = Scene::over(shared, 2, sends_to(&collector.url, json!({}))).await;
    let [first, second] = [0, 1].map(|n| scene.cluster.replica_id(n).unwrap().to_owned());
    let turn = traced(Turn::user(SLOW).streamed().once("key"));
    let mut live = scene.open(0, &turn).await;
    let run = live.so_far().run_id().unwrap().to_owned();
    assert!(soon(live.read_text(12)).await);
    // What has ended is sent; what the signal cuts off is not.
    let tool = collector.span(named("execute_tool write")).await;
    let before = collector.spans();
    assert!(before.iter().all(|span| span.name.starts_with("chat") || span.name.starts_with("execute")));
    scene.kill(0).await;
    let reply = scene.ask(1, &turn).await;
    assert!(reply.is_ok(), "{reply:?}");

    let agent = collector.span(named("invoke_agent main")).await;
    let takeover = collector.span(named("take over run")).await;
    assert_ne!(tool.resource["service.instance.id"], agent.resource["service.instance.id"]);
    for span in before.iter().chain([&tool, &agent, &takeover]) {
        assert_eq!(span.trace, TRACE, "{span:?}");
    }
    assert_eq!((agent.says("regrow.run.id"), agent.says("regrow.replica")), (&*run, &*second));
    assert_eq!(takeover.parent, agent.id);
    let told =
        ["regrow.takeover.cause", "regrow.takeover.from", "regrow.replica"].map(|what| takeover.says(what));
    assert_eq!(told, ["crashed", &first, &second]);
    let stood_still: f64 = takeover.says("regrow.takeover.seconds").parse().unwrap();
    assert!(stood_still > 0.0 && stood_still < 60.0, "{stood_still}");
    let last = collector.span(|span| span.says("gen_ai.response.finish_reasons") == "[stop]").await;
    assert_eq!((&last.parent, &*last.trace), (&agent.id, TRACE));
    // Who asked again finds the run that the first request had begun.
    let again = collector.span(named("POST /v1/chat/completions")).await;
    assert_eq!((&*again.parent, again.says("regrow.duplicate")), (PARENT, "true"));
    assert_ne!(agent.parent, again.id);
}

#[tokio::test]
async fn one_trace_spans_a_takeover_over_a_file() {
    one_trace_spans_a_takeover(Shared::File).await;
}

#[tokio::test]
async fn one_trace_spans_a_takeover_on_postgres() {
    one_trace_spans_a_takeover(Shared::Postgres).await;
}

#[tokio::test]
async fn a_replica_that_hands_over_sends_what_it_has_and_the_next_has_the_same_parent() {
    let collector = Collector::start().await;
    let mut config = sends_to(&collector.url, json!({"flushIntervalMs": 600_000}));
    config["regrow"] = json!({"drainSeconds": 0});
    let mut scene = Scene::with(2, config).await;
    let first = scene.cluster.replica_id(0).unwrap().to_owned();
    let turn = traced(Turn::user(SLOW).streamed().once("key"));
    let mut live = scene.open(0, &turn).await;
    assert!(soon(live.read_text(12)).await);
    assert_eq!(soon(scene.cluster.terminate(0)).await.unwrap(), Some(0));
    let request = collector.span(named("POST /v1/chat/completions")).await;
    let handed_over = collector.span(named("invoke_agent main")).await;
    assert_eq!(handed_over.says("regrow.outcome"), "handed_over");
    assert!(scene.ask(1, &turn).await.is_ok());

    assert_eq!(soon(scene.cluster.terminate(1)).await.unwrap(), Some(0));
    let both = collector.wait_for(2, named("invoke_agent main")).await;
    assert_eq!((&both[0].parent, &both[1].parent), (&request.id, &request.id));
    assert_eq!(both[1].says("regrow.outcome"), "done");
    let takeover = collector.span(named("take over run")).await;
    let told = ["regrow.takeover.cause", "regrow.takeover.from"].map(|what| takeover.says(what));
    assert_eq!(told, ["handed_over", &first]);
}

#[tokio::test]
async fn a_collector_that_is_away_or_refuses_holds_nothing_up_and_is_told_once() {
    let collector = Collector::start().await;
    collector.refuse(Some(StatusCode::BAD_REQUEST));
    let nobody = json!({"logs": true, "logsEndpoint": "http://127.0.0.1:9/v1/logs"});
    let mut scene = Scene::with(1, sends_to(&collector.url, nobody)).await;
    let told = |text: &str| log_lines(&scene).iter().filter(|line| line["message"] == text).count();
    let (away, back) = (
        "the OpenTelemetry collector does not take this; what does not fit the queue is lost until it does",
        "the OpenTelemetry collector takes this again",
    );
    for batch in 1..=3 {
        let id = format!("m{batch}");
        let reply = scene.ask(0, &Turn::user(format!("[[id={id}]]"))).await;
        expected::whole(&reply, &expected::text(&id, &[&id], 0));
        until(async || (collector.requests().len() >= batch).then_some(())).await;
        assert_eq!(scene.client(0).get("/readyz").await.unwrap().0, 200);
    }
    // Once for the traces that are refused, once for the logs that nobody takes.
    until(async || (told(away) == 2).then_some(())).await;
    collector.refuse(None);
    assert!(scene.ask(0, &Turn::user("[[id=z]]")).await.is_ok());
    collector.span(named("invoke_agent main")).await;
    until(async || (told(back) == 1).then_some(())).await;
    assert_eq!(told(away), 2);
    assert_eq!(soon(scene.cluster.terminate(0)).await.unwrap(), Some(0));
}

#[tokio::test]
async fn a_collector_that_never_answers_does_not_hold_up_the_end_either() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut scene = Scene::with(1, sends_to(&url, json!({"logs": true}))).await;
    assert!(scene.ask(0, &Turn::user("[[id=a]]")).await.is_ok());
    let connection = soon(silent.accept()).await.unwrap();
    assert!(scene.ask(0, &Turn::user("[[id=b]]")).await.is_ok());
    let begun = Instant::now();
    assert_eq!(soon(scene.cluster.terminate(0)).await.unwrap(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(8), "a batch has ten seconds, the end has two");
    drop(connection);
}

#[tokio::test]
async fn nothing_is_sent_unless_it_is_asked_for_and_the_sender_may_say_no() {
    let collector = Collector::start().await;
    let off = json!({"diagnostics": {"otel": {"endpoint": collector.url, "flushIntervalMs": 100}}});
    let mut scene = Scene::with(1, off).await;
    assert!(scene.ask(0, &traced(Turn::user("[[id=a]]"))).await.is_ok());
    assert_eq!(soon(scene.cluster.terminate(0)).await.unwrap(), Some(0));
    assert!(collector.requests().is_empty());

    let mut scene = Scene::with(1, sends_to(&collector.url, json!({}))).await;
    let mut unsampled = traced(Turn::user("[[id=a]]"));
    unsampled.headers[0].1 = format!("00-{TRACE}-{PARENT}-00");
    assert!(scene.ask(0, &unsampled).await.is_ok());
    assert!(scene.ask(0, &Turn::user("[[id=b]]")).await.is_ok());
    assert_eq!(soon(scene.cluster.terminate(0)).await.unwrap(), Some(0));
    let spans = collector.spans();
    assert_eq!(spans.len(), 3, "request, run and chat of the message that began a trace: {spans:?}");
    assert!(spans.iter().all(|span| span.trace == spans[0].trace && span.trace != TRACE), "{spans:?}");
}

#[tokio::test]
async fn lines_of_a_run_name_it_and_its_trace() {
    let collector = Collector::start().await;
    let mut config = sends_to(&collector.url, json!({"logs": true}));
    config["regrow"] = json!({"drainSeconds": 0});
    let mut scene = Scene::with(1, config).await;
    let replica = scene.cluster.replica_id(0).unwrap().to_owned();
    let turn = traced(Turn::user(SLOW).streamed().once("key").in_session("agent:main:someone"));
    let mut live = scene.open(0, &turn).await;
    let run = live.so_far().run_id().unwrap().to_owned();
    assert!(soon(live.read_text(12)).await);
    assert_eq!(soon(scene.cluster.terminate(0)).await.unwrap(), Some(0));
    let agent = collector.span(named("invoke_agent main")).await;

    let sent = collector.line(|line| line.text == "handed over").await;
    assert_eq!((&*sent.severity, &*sent.trace, &sent.span), ("INFO", TRACE, &agent.id));
    assert_eq!((&sent.attributes["run.id"], &sent.attributes["replica.id"]), (&run, &replica));
    assert!(!format!("{sent:?}").contains("someone"), "{sent:?}");

    let lines = log_lines(&scene);
    let written = lines.iter().find(|line| line["message"] == "handed over").unwrap();
    let of_run = &written["span"];
    for (field, value) in
        [("run.id", &*run), ("replica.id", &replica), ("trace_id", TRACE), ("span_id", &agent.id)]
    {
        assert_eq!(of_run[field], value, "{written}");
    }
}

#[tokio::test]
async fn without_a_collector_lines_of_a_run_still_name_the_trace_of_its_request() {
    let mut scene = Scene::with(1, json!({"regrow": {"drainSeconds": 0}})).await;
    let mut live = scene.open(0, &traced(Turn::user(SLOW).streamed().once("key"))).await;
    assert!(soon(live.read_text(12)).await);
    assert_eq!(soon(scene.cluster.terminate(0)).await.unwrap(), Some(0));
    let lines = log_lines(&scene);
    let written = lines.iter().find(|line| line["message"] == "handed over").unwrap();
    assert_eq!((&written["span"]["trace_id"], &written["span"]["span_id"]), (&json!(TRACE), &Value::Null));
}
