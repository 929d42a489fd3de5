//! The start: is there a server, is it the right one, may we use it? Each "no" says what to do.

use std::time::{Duration, Instant};

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::address::Options;
use super::failure::{Failure, whole, within};
use super::{presence, schema};
use crate::Error;

/// The oldest server that works: 14.
const OLDEST_SERVER: i64 = 140_000;

/// How often a server that cannot be reached is tried again.
const PAUSE: Duration = Duration::from_millis(250);

/// What the start has found.
pub(super) struct Started {
    /// The secret that replicas of this store share.
    pub(super) cluster_secret: String,
    /// A pooler stands between this process and the server.
    pub(super) pooled: bool,
}

/// Connects, checks the server, and brings the schema up to date. What fails on the way and may pass is tried again from the
/// beginning, for as long as the options say.
pub(super) async fn start(options: &Options) -> Result<Started, Error> {
    let mut patience = Patience::new(options);
    loop {
        match prepare(options).await {
            Err(error) => patience.bear(error).await?,
            prepared => return prepared,
        }
    }
}

/// A connection for one look at the database; nothing is changed.
pub(super) async fn look(options: &Options) -> Result<Client, Error> {
    let mut patience = Patience::new(options);
    loop {
        match connect(options).await {
            Err(error) => patience.bear(error).await?,
            connected => return connected,
        }
    }
}

/// How long a store is waited for.
struct Patience {
    lasts: Duration,
    begun: Instant,
    told: bool,
}

impl Patience {
    fn new(options: &Options) -> Self {
        Self { lasts: options.start_patience, begun: Instant::now(), told: false }
    }

    /// Waits a while before another try, unless none would do better or it took too long already.
    async fn bear(&mut self, error: Error) -> Result<(), Error> {
        if !error.is_retryable() || self.begun.elapsed() >= self.lasts {
            return Err(error);
        }
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(%error, patience = ?self.lasts, "waiting for the store");
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

async fn prepare(options: &Options) -> Result<Started, Error> {
    let client = connect(options).await?;
    let cluster_secret = schema::migrate(&client, options.user()).await?;
    let pooled = presence::is_pooled(options).await.map_err(|failure| explain(options, failure))?;
    if pooled {
        check_durability(&client, options).await?;
        tracing::warn!(
            "connections to PostgreSQL go through a pooler that shares them: the crash of a replica is noticed only \
             when its lease runs out, hints between replicas are polled for, and no statement is prepared; connect to \
             the server itself if you can"
        );
    }
    Ok(Started { cluster_secret, pooled })
}

/// The first connection tells whether there will be others, and whose server it is.
async fn connect(options: &Options) -> Result<Client, Error> {
    let connected = within(options.patience, options.connect());
    let (client, connection) = connected.await.map_err(|failure| explain(options, failure))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = whole(&error), "the first connection to PostgreSQL ended");
        }
    });
    check_server(&client, options).await?;
    Ok(client)
}

async fn check_server(client: &Client, options: &Options) -> Result<(), Error> {
    let facts = client
        .simple_query("SELECT current_setting('server_version_num'), current_setting('server_version'), pg_is_in_recovery()")
        .await
        .map_err(|e| Error::from(Failure::from(e)))?;
    let row = facts.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let fact = |column: usize| row.and_then(|row| row.get(column)).unwrap_or_default();
    judge(&options.server(), fact(0).parse().unwrap_or(0), fact(1), fact(2) == "t")
}

/// Whether a server of this version can be used.
fn judge(server: &str, number: i64, version: &str, is_standby: bool) -> Result<(), Error> {
    if number < OLDEST_SERVER {
        return Err(Error::Unusable(format!(
            "PostgreSQL at {server} is version {version}; Regrow needs 14 or newer"
        )));
    }
    if is_standby {
        return Err(Error::Unavailable(format!(
            "PostgreSQL at {server} is a read-only standby; name the primary, or all servers and \
             target_session_attrs=read-write: postgres://user@one,two/database?target_session_attrs=read-write"
        )));
    }
    Ok(())
}

/// What was acknowledged must be on disk. A connection of its own is set to that; one that others use too is not touched.
async fn check_durability(client: &Client, options: &Options) -> Result<(), Error> {
    let read =
        client.simple_query("SHOW synchronous_commit").await.map_err(|e| Error::from(Failure::from(e)))?;
    let is_off = read.iter().any(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0) == Some("off"),
        _ => false,
    });
    if !is_off {
        return Ok(());
    }
    Err(Error::Unusable(format!(
        "PostgreSQL at {} has synchronous_commit = off, so that what was acknowledged could be lost, and behind a pooler \
         that cannot be set for a connection; say: ALTER ROLE {} SET synchronous_commit = on",
        options.server(),
        options.user()
    )))
}

/// Why there is no connection, and what to do about it.
fn explain(options: &Options, failure: Failure) -> Error {
    let (server, user) = (options.server(), options.user());
    let Failure::Postgres(error) = failure else {
        let why = match failure {
            Failure::TimedOut(time) => format!("no answer within {time:?}"),
            other => return other.into(),
        };
        return Error::Unavailable(format!(
            "PostgreSQL at {server} cannot be reached ({why}); is it running, and is the store's URL right?"
        ));
    };
    let Some(said) = error.as_db_error() else {
        let why = whole(&error);
        if why.contains("certificate") || why.contains("invalid peer") {
            return Error::Unusable(format!(
                "PostgreSQL at {server} has a certificate that is not trusted ({why}); name its authority with \
                 sslrootcert=FILE in the store's URL"
            ));
        }
        if why.contains("does not support TLS") {
            return Error::Unusable(format!(
                "PostgreSQL at {server} does not offer TLS; turn it on there, or say sslmode=disable in the store's URL"
            ));
        }
        if why.contains("password missing") || why.contains("invalid configuration") {
            return Error::Unusable(format!(
                "PostgreSQL at {server} asks for a password; give it in the file named by --store-password-file, or in \
                 the store's URL"
            ));
        }
        return Error::Unavailable(format!(
            "PostgreSQL at {server} cannot be reached ({why}); is it running, and is the store's URL right?"
        ));
    };
    let message = said.message();
    match said.code() {
        &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            Error::Unusable(format!(
                "PostgreSQL at {server} does not let user {user} in ({message}); check the user and the password, and the \
             server's pg_hba.conf"
            ))
        }
        &SqlState::INVALID_CATALOG_NAME => Error::Unusable(format!(
            "PostgreSQL at {server} has no such database; create it: createdb {}",
            options.config.get_dbname().unwrap_or_default()
        )),
        &SqlState::TOO_MANY_CONNECTIONS => Error::Unavailable(format!(
            "PostgreSQL at {server} has no connection left ({message}); each replica needs up to {}: raise \
             max_connections there, or lower regrow.storeConnections",
            options.connections + 4
        )),
        _ => Error::from(Failure::from(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_too_old_is_refused_for_good_and_a_standby_for_now() {
        let judged = |number, version, is_standby| judge("db:5432/name", number, version, is_standby);
        assert!(judged(140_000, "14.0", false).is_ok() && judged(180_001, "18.1", false).is_ok());
        for (number, version) in [(130_022, "13.22"), (96_024, "9.6.24"), (0, "")] {
            let error = judged(number, version, true).unwrap_err();
            assert!(matches!(&error, Error::Unusable(text) if text.contains(version) && text.contains("14")));
        }
        assert!(judged(150_000, "15.0", true).unwrap_err().is_retryable());
    }
}
