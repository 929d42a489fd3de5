//! Each state of a proxy does what it is called, to connections that exist and to new ones.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use regrow_testbed::proxy::Proxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::echo::{Echo, Heard};

/// Long enough for anything that comes through to be here.
const SILENCE: Duration = Duration::from_millis(200);

async fn start() -> (Echo, Proxy) {
    let echo = Echo::start().await;
    let proxy = Proxy::start(echo.address).await.unwrap();
    (echo, proxy)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// A connection that the server has taken.
async fn open(echo: &mut Echo, proxy: &Proxy) -> TcpStream {
    let client = connect(proxy).await;
    assert_eq!(echo.hear().await, Heard::Connection);
    client
}

async fn say(client: &mut TcpStream, text: &str) {
    client.write_all(text.as_bytes()).await.unwrap();
}

async fn hear(client: &mut TcpStream, text: &str) {
    let mut heard = vec![0; text.len()];
    client.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, text.as_bytes());
}

async fn round_trip(echo: &mut Echo, client: &mut TcpStream, text: &str) {
    say(client, text).await;
    assert_eq!(echo.hear().await, Heard::Text(text.to_owned()));
    hear(client, text).await;
}

async fn assert_silent(client: &mut TcpStream) {
    let heard = timeout(SILENCE, client.read(&mut [0; 16])).await;
    assert!(heard.is_err(), "{heard:?}");
}

async fn assert_reset(client: &mut TcpStream) {
    let error = client.read(&mut [0; 16]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn everything_passes_and_so_does_the_end() {
    let (mut echo, proxy) = start().await;
    let mut client = open(&mut echo, &proxy).await;
    round_trip(&mut echo, &mut client, "one").await;
    assert_eq!(proxy.connections(), 1);
    client.shutdown().await.unwrap();
    assert_eq!(echo.hear().await, Heard::End);
    assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 0);
    proxy.wait_for_connections(0).await;
}

#[tokio::test]
async fn much_passes_unharmed_and_is_not_piled_up() {
    const MUCH: usize = 32 << 20;
    let (_echo, proxy) = start().await;
    let (mut reader, mut writer) = connect(&proxy).await.into_split();
    let sent: Vec<u8> = (0..MUCH).map(|index| (index % 251) as u8).collect();
    // The answers are not read, so that everything on the way fills up.
    let mut written = 0;
    while let Ok(length) = timeout(SILENCE, writer.write(&sent[written..])).await {
        written += length.unwrap();
    }
    assert!(written < MUCH, "all of it is somewhere on the way");
    let rest = async { writer.write_all(&sent[written..]).await.unwrap() };
    let mut received = vec![0; MUCH];
    let (_, length) = tokio::join!(rest, reader.read_exact(&mut received));
    assert_eq!(length.unwrap(), MUCH);
    assert!(received == sent);
}

#[tokio::test]
async fn a_cut_resets_what_exists_and_what_is_new() {
    let (mut echo, proxy) = start().await;
    let mut client = open(&mut echo, &proxy).await;
    round_trip(&mut echo, &mut client, "one").await;
    proxy.cut();
    assert_reset(&mut client).await;
    assert_eq!(echo.hear().await, Heard::Reset);
    // It may be reset before the client has got to know that it is connected.
    if let Ok(mut client) = TcpStream::connect(proxy.address()).await {
        assert_reset(&mut client).await;
    }
    proxy.wait_for_connections(0).await;
    assert!(echo.has_heard_nothing());
    proxy.pass();
    let mut client = open(&mut echo, &proxy).await;
    round_trip(&mut echo, &mut client, "two").await;
}

#[tokio::test]
async fn a_black_hole_swallows_everything() {
    let (mut echo, proxy) = start().await;
    let mut client = open(&mut echo, &proxy).await;
    let mut idle = open(&mut echo, &proxy).await;
    let mut leaving = open(&mut echo, &proxy).await;
    proxy.black_hole();
    let mut new = connect(&proxy).await;
    for client in [&mut client, &mut new] {
        say(client, "lost").await;
        assert_silent(client).await;
    }
    leaving.shutdown().await.unwrap();
    assert_silent(&mut leaving).await;
    assert!(echo.has_heard_nothing());
    proxy.pass();
    for client in [&mut client, &mut new, &mut leaving] {
        assert_reset(client).await;
    }
    for _ in 0..2 {
        assert_eq!(echo.hear().await, Heard::Reset);
    }
    round_trip(&mut echo, &mut idle, "nothing of this one was lost").await;
}

#[tokio::test]
async fn what_is_held_arrives_late() {
    let (mut echo, proxy) = start().await;
    let mut client = open(&mut echo, &proxy).await;
    proxy.hold();
    let mut new = connect(&proxy).await;
    say(&mut client, "late").await;
    assert_silent(&mut client).await;
    assert!(echo.has_heard_nothing());
    proxy.pass();
    hear(&mut client, "late").await;
    say(&mut new, "new").await;
    hear(&mut new, "new").await;
}

#[tokio::test]
async fn a_delay_holds_each_way_and_takes_no_throughput() {
    const DELAY: Duration = Duration::from_millis(100);
    const PIECES: usize = 50;
    let (mut echo, proxy) = start().await;
    let mut client = open(&mut echo, &proxy).await;
    proxy.delay(DELAY);
    let begun = Instant::now();
    for _ in 0..PIECES {
        say(&mut client, "piece").await;
        // Each is a piece of its own.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    hear(&mut client, "piece").await;
    assert!(begun.elapsed() >= 2 * DELAY, "{:?}", begun.elapsed());
    hear(&mut client, &"piece".repeat(PIECES - 1)).await;
    assert!(begun.elapsed() < DELAY * u32::try_from(PIECES).unwrap() / 2, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_long_delay_ends_with_the_next_switch() {
    let (mut echo, proxy) = start().await;
    let mut client = open(&mut echo, &proxy).await;
    proxy.delay(Duration::from_secs(3600));
    say(&mut client, "one").await;
    assert_silent(&mut client).await;
    proxy.pass();
    hear(&mut client, "one").await;
}

#[tokio::test]
async fn answers_are_lost_though_the_server_hears() {
    let (mut echo, proxy) = start().await;
    let mut client = open(&mut echo, &proxy).await;
    round_trip(&mut echo, &mut client, "one").await;
    proxy.lose_answers();
    for text in ["two", "three"] {
        say(&mut client, text).await;
        assert_eq!(echo.hear().await, Heard::Text(text.to_owned()));
    }
    assert_silent(&mut client).await;
    proxy.pass();
    assert_reset(&mut client).await;
    let mut client = connect(&proxy).await;
    say(&mut client, "four").await;
    hear(&mut client, "four").await;
}

#[tokio::test]
async fn new_connections_go_to_the_new_target() {
    let (mut echo, proxy) = start().await;
    let mut old = open(&mut echo, &proxy).await;
    let mut other = Echo::start().await;
    proxy.retarget(other.address);
    let mut new = open(&mut other, &proxy).await;
    round_trip(&mut other, &mut new, "new").await;
    round_trip(&mut echo, &mut old, "old").await;
}

#[tokio::test]
async fn a_target_that_is_down_is_a_reset_and_a_dropped_proxy_is_gone() {
    let (mut echo, proxy) = start().await;
    let mut client = open(&mut echo, &proxy).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    proxy.retarget(address);
    assert_reset(&mut connect(&proxy).await).await;
    let address = proxy.address();
    drop(proxy);
    assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 0);
    assert!(TcpStream::connect(address).await.is_err());
}
