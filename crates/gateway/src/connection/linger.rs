//! Closing a connection so that its last response is read.
//!
//! A socket that is closed while unread bytes wait in it resets the connection, and the client loses a response that
//! it has not read yet: a refusal of a body that is still being sent would look like a network failure. Reading on for
//! a moment avoids that.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long a client may go on sending.
const TIME: Duration = Duration::from_secs(2);

/// How much a client may go on sending: a body somewhat above the limit of bodies.
const BYTES: u64 = 32 << 20;

/// Ends the sending side, and discards what arrives until the client has closed too, within bounds.
pub(super) async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut rest = stream.take(BYTES);
    let mut sink = tokio::io::sink();
    // Either way the connection ends here; who still sends after that long is reset.
    let _ = tokio::time::timeout(TIME, async { tokio::io::copy(&mut rest, &mut sink).await }).await;
}
