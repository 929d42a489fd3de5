//! One direction of a connection: pieces wait in a bounded queue until it is time to decide what becomes of them.
//!
//! The decision is made as late as possible, right before a piece would be written: what was on its way when a black
//! hole opened does not come through.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::mode::{Direction, Fate, Mode, switched};

/// The largest piece.
const PIECE: usize = 16 * 1024;

/// Pieces that wait, of one direction of one connection. When it is full, nothing more is read from the sender.
const QUEUE: usize = 64;

enum Piece {
    Bytes(Vec<u8>),
    End,
    Reset,
}

/// Carries what one side sends to the other, until its end has been passed on. It fails if either side is gone, and has
/// nothing to do any more, without returning, once an end was lost. `lost` is set when anything is.
pub(super) async fn pump(
    direction: Direction,
    from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin,
    modes: watch::Receiver<Mode>,
    lost: &AtomicBool,
) -> io::Result<()> {
    let (pieces, queue) = mpsc::channel(QUEUE);
    tokio::try_join!(take(from, pieces), give(direction, to, queue, modes, lost))?;
    Ok(())
}

async fn take(mut from: impl AsyncRead + Unpin, pieces: mpsc::Sender<(Instant, Piece)>) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let piece = match from.read(&mut buffer).await {
            Ok(0) => Piece::End,
            Ok(length) => Piece::Bytes(buffer[..length].to_vec()),
            Err(_) => Piece::Reset,
        };
        let last = !matches!(piece, Piece::Bytes(_));
        if pieces.send((Instant::now(), piece)).await.is_err() || last {
            return Ok(());
        }
    }
}

async fn give(
    direction: Direction,
    mut to: impl AsyncWrite + Unpin,
    mut queue: mpsc::Receiver<(Instant, Piece)>,
    mut modes: watch::Receiver<Mode>,
    lost: &AtomicBool,
) -> io::Result<()> {
    while let Some((arrived, piece)) = queue.recv().await {
        let deliver = is_delivered(direction, arrived, &mut modes).await;
        if !deliver {
            lost.store(true, Ordering::Relaxed);
        }
        match piece {
            Piece::Bytes(bytes) if deliver => to.write_all(&bytes).await?,
            Piece::Bytes(_) => {}
            Piece::End if deliver => return to.shutdown().await,
            Piece::Reset if deliver => return Err(ErrorKind::ConnectionReset.into()),
            Piece::End | Piece::Reset => std::future::pending().await,
        }
    }
    Ok(())
}

/// Waits until it is decided whether a piece is delivered; it is lost if not.
async fn is_delivered(direction: Direction, arrived: Instant, modes: &mut watch::Receiver<Mode>) -> bool {
    loop {
        let mode = *modes.borrow_and_update();
        let due = arrived + mode.delay();
        match mode.fate(direction) {
            Fate::Wait => switched(modes).await,
            Fate::Deliver if due > Instant::now() => {
                tokio::select! {
                    () = sleep_until(due) => {}
                    () = switched(modes) => {}
                }
            }
            fate => return fate == Fate::Deliver,
        }
    }
}
