//! Hints to replicas of this and of other processes, over datagram sockets beside the store's file.
//!
//! A datagram that does not arrive is not missed: whoever waits for a hint also polls.

use std::collections::HashMap;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use regrow_protocol::ReplicaId;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

use crate::Hint;
use crate::hint::{RECORD, decode, encode};

/// Hints that a slow receiver may be behind; beyond that it misses some.
const BACKLOG: usize = 1_024;

/// Hints of one datagram.
const RECORDS: usize = 128;

/// How long the list of peers is used before it is read again.
const PEERS_FOR: Duration = Duration::from_millis(200);

/// The suffix of a replica's socket.
const SOCKET: &str = "sock";

/// Sends and receives hints.
pub(super) struct Wake {
    directory: PathBuf,
    local: broadcast::Sender<Hint>,
    sender: Option<UnixDatagram>,
    peers: Mutex<Peers>,
    listening: Mutex<HashMap<ReplicaId, AbortHandle>>,
}

struct Peers {
    sockets: Vec<PathBuf>,
    read_at: Option<Instant>,
}

impl Wake {
    /// Hints go to all sockets in `directory`.
    pub(super) fn new(directory: PathBuf) -> Self {
        let sender =
            UnixDatagram::unbound().and_then(|socket| socket.set_nonblocking(true).map(|()| socket)).ok();
        let peers = Mutex::new(Peers { sockets: Vec::new(), read_at: None });
        let (local, _) = broadcast::channel(BACKLOG);
        Self { directory, local, sender, peers, listening: Mutex::default() }
    }

    /// Hints from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Hint> {
        self.local.subscribe()
    }

    /// Tells everyone.
    pub(super) fn send(&self, hints: &[Hint]) {
        for hint in hints {
            // Nobody listening is no failure.
            let _ = self.local.send(*hint);
        }
        let Some(sender) = self.sender.as_ref().filter(|_| !hints.is_empty()) else { return };
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.read_at.is_none_or(|at| at.elapsed() > PEERS_FOR) {
            peers.sockets = self.foreign_sockets();
            peers.read_at = Some(Instant::now());
        }
        if peers.sockets.is_empty() {
            return;
        }
        for records in hints.chunks(RECORDS) {
            let datagram = encode(records);
            for socket in &peers.sockets {
                let _ = sender.send_to(&datagram, socket);
            }
        }
    }

    /// Receives what other processes send to this replica. Doing it again changes nothing. Where it is not possible
    /// (the path of a socket is limited to about 100 bytes), the replica polls only.
    pub(super) fn listen(self: &Arc<Self>, replica: ReplicaId) {
        if self.listening.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&replica) {
            return;
        }
        let path = self.socket_of(replica);
        let socket = match tokio::net::UnixDatagram::bind(&path) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no hints from other processes; polling only");
                return;
            }
        };
        let local = self.local.clone();
        let task = tokio::spawn(async move {
            let mut datagram = [0; RECORD * RECORDS];
            loop {
                match socket.recv(&mut datagram).await {
                    Ok(len) => decode(&datagram[..len]).for_each(|hint| {
                        let _ = local.send(hint);
                    }),
                    Err(error) => {
                        tracing::warn!(%error, "hints from other processes are lost; polling only");
                        return;
                    }
                }
            }
        });
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).insert(replica, task.abort_handle());
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).read_at = None;
    }

    /// Stops receiving.
    pub(super) fn silence(&self, replica: ReplicaId) {
        let task = self.listening.lock().unwrap_or_else(PoisonError::into_inner).remove(&replica);
        if let Some(task) = task {
            task.abort();
            let _ = std::fs::remove_file(self.socket_of(replica));
        }
    }

    fn socket_of(&self, replica: ReplicaId) -> PathBuf {
        self.directory.join(format!("{replica}.{SOCKET}"))
    }

    fn foreign_sockets(&self) -> Vec<PathBuf> {
        let own = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        let own: Vec<PathBuf> = own.keys().map(|replica| self.socket_of(*replica)).collect();
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return Vec::new() };
        let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        paths.filter(|path| path.extension().is_some_and(|e| e == SOCKET) && !own.contains(path)).collect()
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        let replicas: Vec<ReplicaId> = {
            let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
            listening.keys().copied().collect()
        };
        replicas.into_iter().for_each(|replica| self.silence(replica));
    }
}
