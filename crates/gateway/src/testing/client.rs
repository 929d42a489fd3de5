//! A client that shows every byte: what is tested here is what is on the wire.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection to a door.
pub(crate) struct Conversation {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Conversation {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).await.unwrap();
    }

    /// Sends a request; `head` is its line and headers, each but the last ended by a line break.
    pub(crate) async fn request(&mut self, head: &str, body: &str) {
        let head = head.trim_end();
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        self.send(format!("{head}\r\nhost: door\r\n{length}\r\n{body}")).await;
    }

    /// Reads up to and with `needle`.
    pub(crate) async fn until(&mut self, needle: &str) -> String {
        loop {
            let found = self.read.windows(needle.len()).position(|window| window == needle.as_bytes());
            if let Some(at) = found {
                let rest = self.read.split_off(at + needle.len());
                return String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap();
            }
            assert!(self.fill().await, "closed before {needle:?}: {}", String::from_utf8_lossy(&self.read));
        }
    }

    /// Reads a whole response, in one piece or in chunks.
    pub(crate) async fn answer(&mut self) -> Answer {
        let head = self.until("\r\n\r\n").await.to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: String::new() };
        if answer.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = self.until("\r\n").await;
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                let chunk = self.take(size + 2).await;
                if size == 0 {
                    return answer;
                }
                answer.body.push_str(chunk.trim_end_matches('\r').strip_suffix("\r\n").unwrap());
            }
        }
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        answer.body = self.take(length).await;
        answer
    }

    /// Reads to the end of the connection; what had not been read before.
    pub(crate) async fn rest(&mut self) -> String {
        while self.fill().await {}
        String::from_utf8(std::mem::take(&mut self.read)).unwrap()
    }

    async fn take(&mut self, length: usize) -> String {
        while self.read.len() < length {
            assert!(self.fill().await, "closed within a body");
        }
        let rest = self.read.split_off(length);
        String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap()
    }

    /// Reads something; false at the end.
    async fn fill(&mut self) -> bool {
        self.stream.read_buf(&mut self.read).await.unwrap() > 0
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(header, _)| *header == name).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The error's parameter and code.
    pub(crate) fn error(&self) -> (Option<String>, Option<String>) {
        let error = &self.json()["error"];
        assert!(error["message"].is_string() && error["type"].is_string(), "{error}");
        let text = |field: &str| error[field].as_str().map(str::to_owned);
        (text("param"), text("code"))
    }
}
