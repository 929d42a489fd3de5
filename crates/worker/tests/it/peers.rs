//! Live text from one replica to another over HTTP.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::StreamExt;
use regrow_worker::{Cursor, Worker};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::faulty::{Fault, Intent};
use crate::scene::{Replica, Scene, Told, answer, read, soon, tell};

const STUCK: &str = "[[id=a tokens=12 hang=1 after=8]]";

fn half() -> String {
    answer(&["a"]) + " w6 w7 w8"
}

/// Serves live text as the gateway does.
async fn live(State(worker): State<Worker>, Path(run): Path<String>, headers: HeaderMap) -> Response {
    let run = run.parse().unwrap();
    let wanted = format!("Bearer {}", worker.peer_token(run));
    if headers.get(header::AUTHORIZATION).is_none_or(|given| given != wanted.as_str()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match worker.live_lines(run) {
        Some(lines) => Body::from_stream(lines.map(Ok::<_, std::convert::Infallible>)).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A replica that serves its live text; nobody new gets in when the task is aborted.
async fn serving(scene: &Scene) -> (Replica, JoinHandle<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let replica = scene.replica_with(&[], |plan| plan.options.address = address).await;
    let router = Router::new().route("/internal/live/{run}", get(live)).with_state(replica.worker.clone());
    (replica, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}

#[tokio::test]
async fn a_follower_elsewhere_sees_text_before_the_end_and_across_a_takeover() {
    let scene = Scene::start().await;
    let (first, _door) = serving(&scene).await;
    let watching = scene.replica_with(&[], |plan| plan.options.runs = false).await;
    let ticket = first.send("s", STUCK).await;
    let mut follow = watching.follow(&ticket, Cursor::START);
    let mut other = watching.follow(&ticket, Cursor::START);
    assert_eq!(read(&mut follow, half().len()).await, half());
    assert_eq!(read(&mut other, half().len()).await, half());
    drop(other);

    first.lose_life();
    let (second, _other_door) = serving(&scene).await;
    let Told::Ended(rest, reply) = tell(&mut follow).await else { panic!("diverged") };
    assert_eq!(rest, " w9 w10 w11 w12");
    assert_eq!(*second.ended(&ticket).await, *reply);
}

#[tokio::test]
async fn a_peer_that_says_something_else_is_a_divergence() {
    let scene = Scene::start().await;
    let (first, _door) = serving(&scene).await;
    let watching = scene.replica_with(&[], |plan| plan.options.runs = false).await;
    let ticket = first.send("s", STUCK).await;
    let mut follow = watching.follow(&ticket, Cursor::START);
    assert_eq!(read(&mut follow, half().len()).await, half());
    first.lose_life();
    let _second = scene.demo_replica().await;
    assert_eq!(tell(&mut follow).await, Told::Diverged(String::new()));
}

#[tokio::test]
async fn a_peer_whose_door_closes_is_followed_through_the_store() {
    let scene = Scene::start().await;
    let (driving, door) = serving(&scene).await;
    let watching = scene.replica_with(&[], |plan| plan.options.runs = false).await;
    let ticket = driving.send("s", STUCK).await;
    let mut follow = watching.follow(&ticket, Cursor::START);
    assert_eq!(read(&mut follow, half().len()).await, half());
    door.abort();
    watching.store.next(Intent::FindRun, [Fault::Refused, Fault::Refused]);
    soon(driving.abort(ticket.run)).await.unwrap();
    let Told::Ended(rest, reply) = tell(&mut follow).await else { panic!("diverged") };
    assert_eq!((rest.as_str(), &reply.text), ("", &half()));
}

#[tokio::test]
async fn a_peer_that_hangs_is_not_waited_for_once_another_one_drives_the_run() {
    let scene = Scene::start().await;
    // Whoever connects here hears nothing.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let first = scene.replica_with(&[], |plan| plan.options.address = address).await;
    let watching = scene.replica_with(&[], |plan| plan.options.runs = false).await;
    let ticket = first.send("s", STUCK).await;
    soon(scene.model.wait_for("a", 8)).await;
    let mut follow = watching.follow(&ticket, Cursor::START);
    let told = tokio::spawn(async move { tell(&mut follow).await });
    let _waiting = soon(silent.accept()).await.unwrap();
    first.lose_life();
    let second = scene.replica(&[]).await;
    // A silent peer is given up after two seconds.
    let told =
        tokio::time::timeout(Duration::from_millis(1_500), told).await.expect("it still waits").unwrap();
    let reply = second.ended(&ticket).await;
    assert_eq!(told, Told::Ended(reply.text.clone(), reply));
}

#[tokio::test]
async fn a_run_is_live_only_where_it_is_driven() {
    let scene = Scene::start().await;
    let driving = scene.replica(&[]).await;
    let other = scene.replica(&[]).await;
    let ticket = driving.send("s", "[[id=a tokens=8 hang after=4]]").await;
    soon(scene.model.wait_for("a", 4)).await;
    assert!(other.live_lines(ticket.run).is_none());
    let lines = driving.live_lines(ticket.run).unwrap();
    soon(driving.abort(ticket.run)).await.unwrap();
    let lines: Vec<_> = soon(lines.collect::<Vec<_>>()).await;
    let last = lines.last().unwrap();
    assert_eq!(&last[..], b"\"over\"\n");
    driving.ended(&ticket).await;
    assert!(driving.live_lines(ticket.run).is_none());
}
