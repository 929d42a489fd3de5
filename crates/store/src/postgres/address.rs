//! Where PostgreSQL is and how it is reached: its URL, the password beside it, TLS, and the limits of time.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::password::Password;
use super::tls::{self, Trust};
use crate::Error;

/// How long a connection attempt to one host may take, and to all of them.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const CONNECT_ALL_WITHIN: Duration = Duration::from_secs(4);

/// How long what was sent may stay unconfirmed by the other machine before the connection counts as lost.
const UNCONFIRMED: Duration = Duration::from_secs(5);

/// What drives a connection.
type Driver = Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// How to open the store.
#[derive(Clone)]
pub struct Options {
    pub(super) config: Config,
    tls: MakeRustlsConnect,
    password: Password,
    /// How long an intent may take before it fails as unavailable.
    pub patience: Duration,
    /// How long to wait at the start for a server that cannot be reached.
    pub start_patience: Duration,
    /// The most connections for intents. Four more are for membership and hints.
    pub connections: usize,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("server", &self.server()).finish_non_exhaustive()
    }
}

impl Options {
    /// Reads a URL as libpq takes it, `postgres://user:password@host:port/database?option=value`, with several hosts if
    /// need be. `password` comes before one in the URL. Of libpq's options those of the driver are understood, and
    /// `sslmode` and `sslrootcert`; whatever asks for TLS verifies the server, except `sslmode=prefer`, the default.
    pub fn parse(url: &str, password: Option<&Password>) -> Result<Self, Error> {
        let (plain, asked) = split(url)?;
        let mut config = Config::from_str(&plain).map_err(|e| {
            // The error names options, never their values.
            Error::Unusable(format!("the store's URL is not a PostgreSQL URL: {}", super::failure::whole(&e)))
        })?;
        if config.get_hosts().is_empty() {
            return Err(Error::Unusable(
                "the store's URL names no host: postgres://user@host:5432/database".to_owned(),
            ));
        }
        if config.get_dbname().is_none() {
            return Err(Error::Unusable(
                "the store's URL names no database: postgres://user@host:5432/database".to_owned(),
            ));
        }
        if config.get_application_name().is_none() {
            config.application_name("regrow");
        }
        config.ssl_mode(asked.mode);
        if config.get_connect_timeout().is_none() {
            let hosts = u32::try_from(config.get_hosts().len()).unwrap_or(u32::MAX);
            config.connect_timeout((CONNECT_ALL_WITHIN / hosts).min(CONNECT_WITHIN));
        }
        config.tcp_user_timeout(UNCONFIRMED);
        config.keepalives_idle(Duration::from_secs(5));
        config.keepalives_interval(Duration::from_secs(2));
        config.keepalives_retries(3);
        let tls = tls::connector(asked.trust, asked.roots.as_deref())?;
        Ok(Self {
            config,
            tls,
            password: password.cloned().unwrap_or_default(),
            patience: Duration::from_secs(5),
            start_patience: Duration::ZERO,
            connections: 12,
        })
    }

    /// Makes a connection, with the passwords that may be right.
    pub(super) async fn connect(&self) -> Result<(Client, Driver), tokio_postgres::Error> {
        let mut refused = None;
        for password in self.password.candidates() {
            let mut config = self.config.clone();
            match config.password(password.expose_secret()).connect(self.tls.clone()).await {
                Err(error) if error.code() == Some(&SqlState::INVALID_PASSWORD) => {
                    refused.get_or_insert(error);
                }
                connected => return connected,
            }
        }
        match refused {
            Some(error) => Err(error),
            None => self.config.connect(self.tls.clone()).await,
        }
    }

    /// The server and the database, for messages.
    pub fn server(&self) -> String {
        let ports = self.config.get_ports();
        let port = |i: usize| ports.get(i).or(ports.first()).copied().unwrap_or(5432);
        let hosts = self.config.get_hosts().iter().enumerate().map(|(i, host)| match host {
            Host::Tcp(name) => format!("{name}:{}", port(i)),
            Host::Unix(path) => format!("{}:{}", path.display(), port(i)),
        });
        format!("{}/{}", hosts.collect::<Vec<_>>().join(","), self.config.get_dbname().unwrap_or_default())
    }

    /// The user, for messages.
    pub(super) fn user(&self) -> &str {
        self.config.get_user().unwrap_or("(the system's user)")
    }
}

/// What a URL says about TLS.
struct Asked {
    mode: SslMode,
    trust: Trust,
    roots: Option<PathBuf>,
}

/// Takes the options out of a URL that the driver does not have.
fn split(url: &str) -> Result<(String, Asked), Error> {
    let mut asked = Asked { mode: SslMode::Prefer, trust: Trust::Anyone, roots: None };
    let Some((base, query)) = url.split_once('?') else { return Ok((url.to_owned(), asked)) };
    let mut rest = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let value = url::form_urlencoded::parse(pair.as_bytes()).next();
        match value.as_ref().map(|(name, value)| (name.as_ref(), value.as_ref())) {
            Some(("sslmode", mode)) => (asked.mode, asked.trust) = ssl_mode(mode)?,
            Some(("sslrootcert", "system")) => {}
            Some(("sslrootcert", path)) => asked.roots = Some(PathBuf::from(path)),
            _ => rest.push(pair),
        }
    }
    let plain = if rest.is_empty() { base.to_owned() } else { format!("{base}?{}", rest.join("&")) };
    Ok((plain, asked))
}

fn ssl_mode(mode: &str) -> Result<(SslMode, Trust), Error> {
    match mode {
        "disable" => Ok((SslMode::Disable, Trust::Anyone)),
        "allow" | "prefer" => Ok((SslMode::Prefer, Trust::Anyone)),
        "require" | "verify-ca" | "verify-full" => Ok((SslMode::Require, Trust::Certified)),
        other => Err(Error::Unusable(format!(
            "the store's URL has sslmode={other}; it may be disable, prefer, require or verify-full"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_urls_and_keeps_secrets_out_of_messages() {
        let options =
            Options::parse("postgres://u:secret@db:6000,standby/name?connect_timeout=2", None).unwrap();
        assert_eq!(options.server(), "db:6000,standby:5432/name");
        assert!(!format!("{options:?}").contains("secret"));
        assert_eq!(options.config.get_password(), Some("secret".as_bytes()));
    }

    #[test]
    fn whatever_asks_for_tls_verifies() {
        for (url, mode) in [
            ("postgres://db/name", SslMode::Prefer),
            ("postgres://db/name?sslmode=disable", SslMode::Disable),
            ("postgres://db/name?sslmode=require&application_name=a", SslMode::Require),
            ("postgres://db/name?sslmode=verify-full", SslMode::Require),
        ] {
            assert_eq!(Options::parse(url, None).unwrap().config.get_ssl_mode(), mode, "{url}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_understand_without_repeating_secrets() {
        for url in [
            "postgres://",
            "postgres://u:secret@db",
            "postgres://u:secret@db/name?sslmode=sometimes",
            "postgres://u:secret@db/name?colour=blue",
            "postgres://u:secret@db:port/name",
            "postgres://u:secret@db/name?sslmode=require&sslrootcert=/nowhere/ca.pem",
        ] {
            let error = Options::parse(url, None).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{url}: {error}");
        }
    }
}
