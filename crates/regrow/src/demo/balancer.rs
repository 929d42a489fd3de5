//! A load balancer as small as can be: each new connection goes to the next replica in turn, and to the one after it if
//! that refuses. It is told nothing about deaths; it finds out as any balancer does, and so do its clients: a connection
//! to a replica that dies breaks, and the next one leads to another replica.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// Where the replicas listen, by their places; a replica that is started again has a new address.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses(Arc<RwLock<Vec<SocketAddr>>>);

/// A balancer on the loopback interface. Dropping it ends it and its connections.
#[derive(Debug)]
pub(super) struct Balancer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Addresses {
    /// Notes where the replica of a place listens; places are filled in order.
    pub(super) fn set(&self, place: usize, address: SocketAddr) {
        let mut addresses = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match addresses.get_mut(place) {
            Some(known) => *known = address,
            None => addresses.push(address),
        }
    }

    pub(super) fn all(&self) -> Vec<SocketAddr> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Balancer {
    pub(super) async fn start(addresses: Addresses) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen")?;
        let address = listener.local_addr().context("the listener has no address")?;
        Ok(Self { address, task: tokio::spawn(serve(listener, addresses)) })
    }

    /// Where clients connect.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// There are as many connections as clients, and the demonstration bounds those.
async fn serve(listener: TcpListener, addresses: Addresses) {
    let mut connections = JoinSet::new();
    let mut turn = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that fails before it is one is its client's to repeat.
                let Ok((client, _)) = accepted else { continue };
                let mut replicas = addresses.all();
                if !replicas.is_empty() {
                    turn = (turn + 1) % replicas.len();
                    replicas.rotate_left(turn);
                }
                connections.spawn(forward(client, replicas));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Connects a client with the first replica that does not refuse. If all do, the client finds its connection closed.
async fn forward(mut client: TcpStream, replicas: Vec<SocketAddr>) {
    for address in replicas {
        let Ok(mut replica) = TcpStream::connect(address).await else { continue };
        // Events are small and must not wait for more.
        let _ = (client.set_nodelay(true), replica.set_nodelay(true));
        // A replica that dies ends this with an error, which the client sees as the end of its connection.
        let _ = copy_bidirectional(&mut client, &mut replica).await;
        return;
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Answers each connection with its name.
    async fn named(name: &'static str) -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(name.as_bytes()).await.unwrap();
            }
        });
        (address, task)
    }

    async fn ask(balancer: &Balancer) -> String {
        let mut text = String::new();
        let mut stream = TcpStream::connect(balancer.address).await.unwrap();
        let _ = stream.read_to_string(&mut text).await;
        text
    }

    #[tokio::test]
    async fn connections_go_round_and_past_those_that_refuse() {
        let addresses = Addresses::default();
        let balancer = Balancer::start(addresses.clone()).await.unwrap();
        assert_eq!(ask(&balancer).await, "", "there is no replica");
        let ((a, task), (b, _)) = (named("a").await, named("b").await);
        addresses.set(0, a);
        addresses.set(1, b);
        let mut answers = [ask(&balancer).await, ask(&balancer).await];
        answers.sort();
        assert_eq!(answers, ["a", "b"]);
        task.abort();
        let _ = task.await;
        assert_eq!([ask(&balancer).await, ask(&balancer).await], ["b", "b"]);
        let (c, _) = named("c").await;
        addresses.set(0, c);
        let mut answers = [ask(&balancer).await, ask(&balancer).await];
        answers.sort();
        assert_eq!(answers, ["b", "c"]);
    }
}
