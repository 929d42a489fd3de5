//! A network that breaks when a test says so: a TCP proxy on the loopback interface in front of one server.
//!
//! What it does with connections is switched at any time, and holds for those that exist and for new ones. No connection
//! goes on with a gap in its stream: one of which anything was lost is reset with the next switch. One that lost nothing
//! goes on.
//!
//! Its buffers are bounded: when a receiver does not read, the proxy stops reading from the sender.

mod connection;
mod mode;
mod pump;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use mode::Mode;

/// How long no connection is taken after one could not be, for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(10);

/// A proxy. Dropping it closes its port and all of its connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    target: watch::Sender<SocketAddr>,
    mode: watch::Sender<Mode>,
    open: watch::Receiver<usize>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of a server; everything passes.
    pub async fn start(target: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (target, targets) = watch::channel(target);
        let (mode, modes) = watch::channel(Mode::Pass);
        let (opened, open) = watch::channel(0);
        let listening = tokio::spawn(listen(listener, targets, modes, opened));
        Ok(Self { port, target, mode, open, listening })
    }

    /// The port of the loopback interface where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Leads new connections to another server; those that exist stay where they are.
    pub fn retarget(&self, target: SocketAddr) {
        self.target.send_replace(target);
    }

    /// Everything passes.
    pub fn pass(&self) {
        self.switch(Mode::Pass);
    }

    /// Everything passes so much later, in each direction. It takes time, but no throughput.
    pub fn delay(&self, delay: Duration) {
        self.switch(Mode::Delay(delay));
    }

    /// Connections are reset, and so are new ones.
    pub fn cut(&self) {
        self.switch(Mode::Cut);
    }

    /// Nothing comes through in either direction, neither bytes nor the end of a connection, and what is sent is lost.
    /// New connections are taken and stay silent; the server does not hear of them.
    pub fn black_hole(&self) {
        self.switch(Mode::BlackHole);
    }

    /// Nothing comes through in either direction, but nothing is lost: with the next switch everything arrives, late, as
    /// after a partition that TCP has outlived. New connections wait.
    pub fn hold(&self) {
        self.switch(Mode::Hold);
    }

    /// What clients send reaches the server; what the server sends is lost.
    pub fn lose_answers(&self) {
        self.switch(Mode::LoseAnswers);
    }

    /// Being switched to what it does already is no switch.
    fn switch(&self, mode: Mode) {
        self.mode.send_if_modified(|old| std::mem::replace(old, mode) != mode);
    }

    /// How many connections of clients are open.
    pub fn connections(&self) -> usize {
        *self.open.borrow()
    }

    /// Waits until so many connections of clients are open.
    pub async fn wait_for_connections(&self, count: usize) {
        // The sender lives as long as the task that listens, which lives as long as this.
        let mut open = self.open.clone();
        let _count = open.wait_for(|open| *open == count).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(
    listener: TcpListener,
    targets: watch::Receiver<SocketAddr>,
    modes: watch::Receiver<Mode>,
    open: watch::Sender<usize>,
) {
    // They end with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    let opened = Opened::count(&open);
                    let (target, modes) = (*targets.borrow(), modes.clone());
                    connections.spawn(serve(client, target, modes, opened));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(client: TcpStream, target: SocketAddr, modes: watch::Receiver<Mode>, _opened: Opened) {
    connection::carry(client, target, modes).await;
}

/// An open connection, which is counted until this is dropped.
struct Opened(watch::Sender<usize>);

impl Opened {
    fn count(open: &watch::Sender<usize>) -> Self {
        open.send_modify(|open| *open += 1);
        Self(open.clone())
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}
