//! The one connection by which a process is seen to live, and on which it hears hints.
//!
//! It holds an advisory lock for each replica of the process. The server frees the locks when the connection ends, and the
//! connection ends with the process, however it ends. If only the connection is lost, peers take the process for dead; it
//! learns so from its next heartbeat and joins again. If the server is restarted, the locks are taken again.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use regrow_protocol::ReplicaId;
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Client};
use uuid::Uuid;

use super::address::Options;
use super::failure::{Failure, whole, within};
use super::heartbeat::{LOCKED_AGAIN, lock_key};
use super::row;
use super::wake::{CHANNEL, Wake};
use crate::Error;

/// Shared, so that a process that connects again does not wait for its own dead connection. Peers ask for it exclusively.
pub(super) const LOCK: &str = "SELECT pg_advisory_lock_shared($1)";

pub(super) const UNLOCK: &str = "SELECT pg_advisory_unlock_shared($1)";

/// The pause before a lost connection is made again.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a connection that is free may take for an answer.
const PROBE_WITHIN: Duration = Duration::from_secs(3);

/// The connection.
pub(super) struct Presence {
    options: Options,
    wake: Arc<Wake>,
    held: Mutex<Vec<ReplicaId>>,
    client: watch::Sender<Option<Arc<Client>>>,
}

impl Presence {
    pub(super) fn new(options: &Options, wake: Arc<Wake>) -> Arc<Self> {
        Arc::new(Self {
            options: options.clone(),
            wake,
            held: Mutex::default(),
            client: watch::Sender::new(None),
        })
    }

    /// Keeps the connection for ever.
    pub(super) async fn keep(self: Arc<Self>) {
        loop {
            if let Err(failure) = self.session().await {
                tracing::debug!(error = %Error::from(failure), "others cannot see that this process lives");
            }
            self.client.send_replace(None);
            tokio::time::sleep(PAUSE.mul_f64(0.5 + fastrand::f64())).await;
        }
    }

    /// One connection, from its beginning to its end.
    async fn session(&self) -> Result<(), Failure> {
        let connected = self.options.connect();
        let (client, mut connection) = within(self.options.patience, connected).await?;
        let wake = Arc::clone(&self.wake);
        let serving = tokio::spawn(async move {
            loop {
                match poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(note))) => {
                        wake.heard(note.process_id(), note.payload());
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => {
                        tracing::debug!(
                            error = whole(&error),
                            "the connection that shows that this process lives ended"
                        );
                        return;
                    }
                    None => return,
                }
            }
        });
        let client = Arc::new(client);
        // A connection that stays silent is given up, and with it the task.
        within(self.options.patience, self.lock_again(&client)).await?;
        self.client.send_replace(Some(client));
        // The task ends when the connection does.
        drop(serving.await);
        Ok(())
    }

    /// Takes the locks of all replicas of this process on a new connection.
    async fn lock_again(&self, client: &Client) -> Result<(), Failure> {
        let held = self.held().clone();
        for replica in &held {
            client.query(LOCK, &[&lock_key(*replica)]).await?;
        }
        client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
        if !held.is_empty() {
            let held: Vec<Uuid> = held.into_iter().map(row::of_replica).collect();
            client.query(LOCKED_AGAIN, &[&held]).await?;
        }
        Ok(())
    }

    /// Takes the lock of a replica of this process, once. Must come before the replica is made known.
    pub(super) async fn hold(&self, replica: ReplicaId) -> Result<(), Error> {
        {
            let mut held = self.held();
            if held.contains(&replica) {
                return Ok(());
            }
            held.push(replica);
        }
        let taken = tokio::time::timeout(self.options.patience, async {
            let mut clients = self.client.subscribe();
            loop {
                let client = clients.wait_for(Option::is_some).await.ok().and_then(|client| client.clone());
                let Some(client) = client else { return };
                if client.query(LOCK, &[&lock_key(replica)]).await.is_ok() {
                    return;
                }
                clients.mark_unchanged();
                if clients.changed().await.is_err() {
                    return;
                }
            }
        });
        if taken.await.is_err() {
            self.held().retain(|held| *held != replica);
            return Err(Failure::TimedOut(self.options.patience).into());
        }
        Ok(())
    }

    /// Gives the lock back.
    pub(super) async fn let_go(&self, replica: ReplicaId) {
        self.held().retain(|held| *held != replica);
        let client = self.client.borrow().clone();
        if let Some(client) = client {
            // It may have been taken twice, by the connection's start and by the replica's.
            let unlock = async {
                for _ in 0..2 {
                    client.query(UNLOCK, &[&lock_key(replica)]).await?;
                }
                Ok::<_, tokio_postgres::Error>(())
            };
            // A connection on which this fails is at its end, and so are its locks.
            drop(within(self.options.patience, unlock).await);
        }
    }

    /// The replicas of this process.
    pub(super) fn own(&self) -> Vec<ReplicaId> {
        self.held().clone()
    }

    fn held(&self) -> MutexGuard<'_, Vec<ReplicaId>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether connections are shared between clients by a pooler that gives each transaction any of its own connections, so
/// that locks and notifications of a session do not work.
pub(super) async fn is_pooled(options: &Options) -> Result<bool, Failure> {
    let (first, second) = (Probe::connect(options).await?, Probe::connect(options).await?);
    // While the first client is idle a pooler gives its connection to the second one, and then another one to the first.
    let before = first.pid().await?;
    second.0.batch_execute("BEGIN").await?;
    let other = second.pid().await?;
    // A pooler that has no other connection lets the first one wait for it.
    let after =
        tokio::time::timeout(PROBE_WITHIN, first.pid()).await.map_or(Ok(None), |pid| pid.map(Some))?;
    second.0.batch_execute("ROLLBACK").await?;
    Ok(before == other || after != Some(before))
}

struct Probe(Client);

impl Probe {
    async fn connect(options: &Options) -> Result<Self, Failure> {
        let connected = options.connect();
        let (client, connection) = within(options.patience, connected).await?;
        // It ends with the client.
        tokio::spawn(connection);
        Ok(Self(client))
    }

    async fn pid(&self) -> Result<i32, Failure> {
        // As text, without a prepared statement: not every pooler knows those.
        let answer = self.0.simple_query("SELECT pg_backend_pid()").await?;
        let pid = answer.iter().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
            _ => None,
        });
        pid.ok_or_else(|| {
            Failure::Unreadable("the server does not tell the number of its process".to_owned())
        })
    }
}
