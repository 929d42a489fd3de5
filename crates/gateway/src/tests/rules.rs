//! Rules that change while the door is open: the next request is judged by the new ones, and what was admitted goes on.

use crate::testing::{Door, SECRET, done};
use crate::{Auth, AuthRateLimit, Settings};

const POST: &str = "POST /v1/chat/completions HTTP/1.1";
const BODY: &str = r#"{"model":"openclaw","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

fn guarded_by(secret: &str) -> impl FnOnce(&mut Settings) {
    let auth = Auth::Secrets(vec![secret.to_owned().into()]);
    |settings| {
        settings.auth = auth;
        settings.rate_limit =
            AuthRateLimit { max_attempts: 2, exempt_loopback: false, ..AuthRateLimit::default() };
    }
}

async fn asked_with(door: &Door, secret: &str) -> u16 {
    door.ask(&format!("GET /v1/models HTTP/1.1\r\nauthorization: Bearer {secret}"), "").await.status
}

#[tokio::test]
async fn an_exchanged_secret_is_asked_for_at_once_and_streams_go_on() {
    let door = Door::ruled(guarded_by(SECRET)).await;
    let mut stream = door.connect().await;
    stream.request(&format!("{POST}\r\nauthorization: Bearer {SECRET}"), BODY).await;
    let (run, _) = door.engine.submitted().await;
    stream.until("\"role\":\"assistant\"").await;

    door.change(guarded_by("new"));
    assert_eq!([asked_with(&door, SECRET).await, asked_with(&door, "new").await], [401, 200]);
    door.engine.end(run, done("Hello"));
    stream.until("\r\n0\r\n\r\n").await;
    stream.request(&format!("{POST}\r\nauthorization: Bearer {SECRET}"), BODY).await;
    assert_eq!(stream.answer().await.status, 401, "the connection of before is no way around it");
}

#[tokio::test]
async fn wrong_guesses_count_until_the_secret_is_exchanged() {
    let door = Door::ruled(guarded_by(SECRET)).await;
    assert_eq!(asked_with(&door, "new").await, 401);
    door.change(guarded_by(SECRET));
    assert_eq!([asked_with(&door, "new").await, asked_with(&door, "new").await], [401, 429]);
    door.change(guarded_by("new"));
    assert_eq!(asked_with(&door, "new").await, 200, "who had the new secret too early guessed nothing");
}

#[tokio::test]
async fn the_secret_of_before_is_refused_and_is_no_guess() {
    let door = Door::ruled(guarded_by(SECRET)).await;
    door.change(guarded_by("new"));
    door.change(guarded_by("new"));
    for _ in 0..5 {
        assert_eq!(asked_with(&door, SECRET).await, 401);
    }
    assert_eq!(asked_with(&door, "new").await, 200, "its owner has heard of the new one");
}

#[tokio::test]
async fn agents_come_and_go() {
    let door = Door::open().await;
    let model = "GET /v1/models/openclaw%2Fnew HTTP/1.1";
    assert_eq!(door.ask(model, "").await.status, 404);
    door.change(|settings| settings.agents.push("new".into()));
    assert_eq!(door.ask(model, "").await.status, 200);
}
