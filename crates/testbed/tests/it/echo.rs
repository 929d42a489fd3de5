//! A server that sends back what it hears, and tells the test.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    heard: mpsc::UnboundedReceiver<Heard>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Connection,
    Text(String),
    End,
    Reset,
}

impl Echo {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tell.send(Heard::Connection).unwrap();
                tokio::spawn(echo(stream, tell.clone()));
            }
        });
        Self { address, heard }
    }

    /// What it hears next.
    pub(crate) async fn hear(&mut self) -> Heard {
        self.heard.recv().await.unwrap()
    }

    pub(crate) fn has_heard_nothing(&self) -> bool {
        self.heard.is_empty()
    }
}

async fn echo(mut stream: TcpStream, tell: mpsc::UnboundedSender<Heard>) {
    let mut buffer = [0; 1024];
    let end = loop {
        match stream.read(&mut buffer).await {
            Ok(0) => break Heard::End,
            Ok(length) => {
                let _gone = tell.send(Heard::Text(String::from_utf8_lossy(&buffer[..length]).into_owned()));
                if stream.write_all(&buffer[..length]).await.is_err() {
                    break Heard::Reset;
                }
            }
            Err(_) => break Heard::Reset,
        }
    };
    let _gone = tell.send(end);
}
