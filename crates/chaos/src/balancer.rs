//! A load balancer that honours readiness, as those in front of real clusters do: it asks every replica again and again
//! whether it is ready, and gives new connections, in turn, to those that are. It neither looks into requests nor repeats
//! them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

/// How often a replica is asked.
const PROBE_EVERY: Duration = Duration::from_millis(50);

/// A replica that does not answer within this time is not ready. Machines that run tests are busy.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Where a replica of the cluster may be, and whether it is ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    address: Option<SocketAddr>,
    ready: bool,
}

/// A balancer on the loopback interface. Dropping it ends it and its connections.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    http: reqwest::Client,
    places: watch::Sender<Vec<Place>>,
    serving: JoinHandle<()>,
}

impl Balancer {
    /// Starts without replicas.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("cannot listen")?;
        let address = listener.local_addr()?;
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).timeout(ANSWER_WITHIN);
        let places = watch::Sender::default();
        let serving = tokio::spawn(serve(listener, places.subscribe()));
        Ok(Self { address, http: http.build()?, places, serving })
    }

    /// The base URL for clients, with `/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Says where the replica of a place is now. It gets connections once it has said that it is ready.
    pub fn set(&self, place: usize, address: SocketAddr) {
        self.places.send_modify(|places| {
            places.resize(places.len().max(place + 1), Place::default());
            places[place] = Place { address: Some(address), ready: false };
        });
        tokio::spawn(probe(self.http.clone(), self.places.clone(), place, address));
    }

    /// Waits until the replica of a place has said that it is ready.
    pub async fn ready(&self, place: usize) {
        let is_ready = |places: &Vec<Place>| places.get(place).is_some_and(|place| place.ready);
        // The sender is this balancer's own, so the wait does not fail.
        let _ = self.places.subscribe().wait_for(is_ready).await;
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.serving.abort();
        // This ends the probes.
        self.places.send_modify(Vec::clear);
    }
}

/// Asks the replica of a place, again and again, until another one comes there. None waits for another one's answer.
async fn probe(http: reqwest::Client, places: watch::Sender<Vec<Place>>, place: usize, address: SocketAddr) {
    let mut ticks = tokio::time::interval(PROBE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let is_there = |places: &[Place]| places.get(place).is_some_and(|place| place.address == Some(address));
    while is_there(&places.borrow()) {
        ticks.tick().await;
        let answer = http.get(format!("http://{address}/readyz")).send().await;
        let ready = answer.is_ok_and(|answer| answer.status().is_success());
        places.send_if_modified(|places| {
            let changed = is_there(places) && places[place].ready != ready;
            if changed {
                places[place].ready = ready;
            }
            changed
        });
    }
}

async fn serve(listener: TcpListener, places: watch::Receiver<Vec<Place>>) {
    let mut connections = JoinSet::new();
    let mut turn: usize = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                let ready = |place: &Place| place.address.filter(|_| place.ready);
                let mut replicas: Vec<SocketAddr> = places.borrow().iter().filter_map(ready).collect();
                turn = turn.wrapping_add(1);
                let first = turn % replicas.len().max(1);
                replicas.rotate_left(first);
                connections.spawn(forward(client, replicas));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Connects a client with the first replica that takes it. If none does, the client finds its connection closed.
async fn forward(mut client: TcpStream, replicas: Vec<SocketAddr>) {
    for address in replicas {
        let Ok(mut replica) = TcpStream::connect(address).await else { continue };
        let _ = (client.set_nodelay(true), replica.set_nodelay(true));
        // How the connection ends is for the client to judge.
        let _ = copy_bidirectional(&mut client, &mut replica).await;
        return;
    }
}
