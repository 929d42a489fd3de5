//! One connection through the proxy, from its first moment to its end.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::mode::{Direction, Mode, switched};
use super::pump::pump;

/// Carries a connection until both sides have ended it, or it is reset.
pub(super) async fn carry(mut client: TcpStream, target: SocketAddr, mut modes: watch::Receiver<Mode>) {
    let Some(mut server) = reach(&mut client, target, &mut modes).await else { return reset(&client) };
    // What a side sends at once arrives at once. A connection that refuses this is broken, which shows next.
    let _delayed = client.set_nodelay(true).and(server.set_nodelay(true));
    let lost = AtomicBool::new(false);
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let requests = pump(Direction::ToServer, from_client, to_server, modes.clone(), &lost);
        let answers = pump(Direction::ToClient, from_server, to_client, modes.clone(), &lost);
        tokio::select! {
            ended = async { tokio::try_join!(requests, answers) } => ended.is_ok(),
            () = must_reset(&mut modes, &lost) => false,
        }
    };
    if !ended {
        reset(&client);
        reset(&server);
    }
}

/// Connects to the server, as soon as something comes through; `None` if the client is to be reset.
async fn reach(
    client: &mut TcpStream,
    target: SocketAddr,
    modes: &mut watch::Receiver<Mode>,
) -> Option<TcpStream> {
    loop {
        let mode = *modes.borrow_and_update();
        match mode {
            Mode::Cut => return None,
            Mode::Hold => switched(modes).await,
            Mode::BlackHole => {
                tokio::select! {
                    () = swallow(client) => {}
                    () = switched(modes) => {}
                }
                return None;
            }
            Mode::Pass | Mode::Delay(_) | Mode::LoseAnswers => return TcpStream::connect(target).await.ok(),
        }
    }
}

/// Loses what a client sends, until it ends the connection.
async fn swallow(client: &mut TcpStream) {
    let mut buffer = [0; 1024];
    while client.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
}

/// Waits until the connection is cut, or the proxy is switched after something was lost. Where nothing arrives anyway there is
/// no gap yet: what was under way at that switch may have been lost by it.
async fn must_reset(modes: &mut watch::Receiver<Mode>, lost: &AtomicBool) {
    // The switch may have come while the server was being reached.
    while *modes.borrow_and_update() != Mode::Cut {
        switched(modes).await;
        if lost.load(Ordering::Relaxed) && *modes.borrow() != Mode::BlackHole {
            return;
        }
    }
}

/// Makes the end of a connection a reset. One that refuses is gone already.
fn reset(stream: &TcpStream) {
    let _gone = stream.set_zero_linger();
}
