//! A model server that follows a script: for each request the next reply, byte for byte, in pieces, cut off or hanging.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// How a reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// As it should; the connection stays open.
    Finish,
    /// The connection is closed in the middle of the body.
    Cut,
    /// Nothing more is sent, until the client closes the connection.
    Hang,
}

/// One reply.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: String,
    pieces: Vec<Vec<u8>>,
    end: End,
    /// Sends nothing at all, not even a status.
    mute: bool,
    /// The pause before each piece but the first.
    gap: Duration,
}

impl Reply {
    /// An event stream of these events.
    pub(crate) fn stream(events: &[&str]) -> Self {
        let pieces = events.iter().map(|event| format!("data: {event}\n\n").into_bytes()).collect();
        Self {
            status: 200,
            headers: "content-type: text/event-stream\r\n".to_owned(),
            pieces,
            end: End::Finish,
            mute: false,
            gap: Duration::ZERO,
        }
    }

    /// A JSON body.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        let headers = "content-type: application/json; charset=utf-8\r\n".to_owned();
        Self {
            status,
            headers,
            pieces: vec![body.as_bytes().to_vec()],
            end: End::Finish,
            mute: false,
            gap: Duration::ZERO,
        }
    }

    /// Silence.
    pub(crate) fn mute() -> Self {
        Self { mute: true, end: End::Hang, ..Self::json(200, "") }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub(crate) fn media(mut self, media: &str) -> Self {
        self.headers = format!("content-type: {media}\r\n");
        self
    }

    pub(crate) fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    /// With a pause before each piece but the first.
    pub(crate) fn slowly(mut self, gap: Duration) -> Self {
        self.gap = gap;
        self
    }

    /// The same bytes, one at a time.
    pub(crate) fn dripping(mut self) -> Self {
        self.pieces = self.pieces.concat().chunks(1).map(<[u8]>::to_vec).collect();
        self
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Request line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) body: Value,
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
}

/// What the server has seen, and what it is still to say.
struct Script {
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<Request>>,
    /// Told when a client closed a connection on which the server hung.
    closed: mpsc::Sender<()>,
}

/// A running server; it ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) url: String,
    script: Arc<Script>,
    closed: mpsc::Receiver<()>,
}

impl Server {
    /// Starts a server that gives these replies, in order; a request beyond them gets the last one again.
    pub(crate) async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, closed) = mpsc::channel(16);
        let script = Arc::new(Script {
            replies: Mutex::new(replies.into()),
            requests: Mutex::default(),
            closed: sender,
        });
        let accepting = Arc::clone(&script);
        tokio::spawn(async move {
            for connection in 0.. {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(socket, connection, Arc::clone(&accepting)));
            }
        });
        Self { url, script, closed }
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.script.requests.lock().unwrap().clone()
    }

    /// Returns when a client has closed a connection on which the server hung.
    pub(crate) async fn closed(&mut self) {
        self.closed.recv().await.unwrap();
    }
}

/// Serves one connection. Errors end it: the client left.
async fn serve(socket: TcpStream, connection: usize, script: Arc<Script>) {
    let mut socket = BufReader::new(socket);
    while let Some(request) = read(&mut socket, connection).await {
        script.requests.lock().unwrap().push(request);
        let reply = {
            let mut replies = script.replies.lock().unwrap();
            if replies.len() > 1 { replies.pop_front().unwrap() } else { replies[0].clone() }
        };
        if write(&mut socket, &reply).await.is_err() || reply.end == End::Cut {
            return;
        }
        if reply.end == End::Hang {
            let _ = socket.read_u8().await;
            let _ = script.closed.send(()).await;
            return;
        }
    }
}

async fn read(socket: &mut BufReader<TcpStream>, connection: usize) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if socket.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    socket.read_exact(&mut body).await.ok()?;
    Some(Request { head: head.to_lowercase(), body: serde_json::from_slice(&body).unwrap(), connection })
}

async fn write(socket: &mut BufReader<TcpStream>, reply: &Reply) -> std::io::Result<()> {
    if reply.mute {
        return Ok(());
    }
    socket.get_ref().set_nodelay(true)?;
    let head =
        format!("HTTP/1.1 {} Scripted\r\n{}transfer-encoding: chunked\r\n\r\n", reply.status, reply.headers);
    socket.write_all(head.as_bytes()).await?;
    for (position, piece) in reply.pieces.iter().filter(|piece| !piece.is_empty()).enumerate() {
        if position > 0 && !reply.gap.is_zero() {
            tokio::time::sleep(reply.gap).await;
        }
        socket.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
        socket.write_all(piece).await?;
        socket.write_all(b"\r\n").await?;
        socket.flush().await?;
    }
    if reply.end == End::Finish {
        socket.write_all(b"0\r\n\r\n").await?;
    }
    socket.flush().await
}
