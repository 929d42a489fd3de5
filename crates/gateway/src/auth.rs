//! Who may use the API: bearer secrets, compared in constant time, and a lockout for those who guess.
//!
//! A request without a secret is refused but not counted: it guesses nothing, and a misconfigured client should not
//! lock out its whole network. Nor is one with the secret of before: whoever has not heard of the new one yet must be let
//! in as soon as it has.

mod attempts;
mod client;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::refusal::Refusal;
use crate::{Auth, AuthRateLimit, Network, header};
use attempts::Attempts;

/// The digest of a secret: of one length, so that a comparison tells nothing about the secret's.
type SecretDigest = [u8; 32];

/// The check that stands before everything behind `/v1`.
pub(crate) struct Gate {
    /// `None`: everybody may.
    secrets: Option<Vec<SecretDigest>>,
    /// What was right before it was exchanged.
    former: Vec<SecretDigest>,
    attempts: Arc<Attempts>,
    exempt_loopback: bool,
    trusted_proxies: Vec<Network>,
}

impl Gate {
    /// The check for these settings.
    pub(crate) fn new(auth: &Auth, limit: AuthRateLimit, trusted_proxies: Vec<Network>) -> Self {
        let secrets = match auth {
            Auth::None => None,
            Auth::Secrets(secrets) => {
                let filled =
                    secrets.iter().map(ExposeSecret::expose_secret).filter(|secret| !secret.is_empty());
                Some(filled.map(|secret| digest(secret.as_bytes())).collect())
            }
        };
        let attempts = Arc::new(Attempts::new(limit));
        Self {
            secrets,
            former: Vec::new(),
            attempts,
            exempt_loopback: limit.exempt_loopback,
            trusted_proxies,
        }
    }

    /// The same, which goes on counting where the one before it leaves off, if it asks for the same secrets.
    pub(crate) fn after(mut self, before: &Self) -> Self {
        if self.secrets != before.secrets {
            self.former = before.secrets.clone().unwrap_or_default();
            return self;
        }
        self.former.clone_from(&before.former);
        if self.attempts.limit() == before.attempts.limit() {
            self.attempts = Arc::clone(&before.attempts);
        }
        self
    }

    /// Admits a request or says why not.
    pub(crate) fn admit(&self, headers: &HeaderMap, peer: SocketAddr, now: Instant) -> Result<(), Refusal> {
        let Some(secrets) = &self.secrets else { return Ok(()) };
        let client = client::address(peer.ip(), headers, &self.trusted_proxies);
        let exempt = self.exempt_loopback && client.is_loopback();
        let locked = self.attempts.locked(client, now);
        if let Some(left) = locked.filter(|_| !exempt) {
            return Err(Refusal::locked_out(left));
        }
        let Some(token) = header::bearer(headers) else { return Err(Refusal::unauthorized()) };
        if matches(secrets, token) {
            self.attempts.forgive(client);
            return Ok(());
        }
        if let Some(left) = locked {
            return Err(Refusal::locked_out(left));
        }
        if matches(&self.former, token) {
            return Err(Refusal::unauthorized());
        }
        self.refuse_guess(client, now)
    }

    /// Whether a request carries a right secret. Nothing is counted; for what is shown in more detail to those who do.
    pub(crate) fn recognises(&self, headers: &HeaderMap) -> bool {
        let token = header::bearer(headers);
        self.secrets.as_ref().zip(token).is_some_and(|(secrets, token)| matches(secrets, token))
    }

    fn refuse_guess(&self, client: IpAddr, now: Instant) -> Result<(), Refusal> {
        if self.attempts.record(client, now) {
            tracing::warn!(%client, "locked out after too many wrong secrets");
        }
        Err(Refusal::unauthorized())
    }
}

/// Whether two secrets are the same, in a time that depends on neither. An empty one matches nothing.
pub(crate) fn same_secret(expected: &str, given: &[u8]) -> bool {
    !expected.is_empty() && bool::from(digest(expected.as_bytes()).ct_eq(&digest(given)))
}

fn matches(secrets: &[SecretDigest], token: &[u8]) -> bool {
    let token = digest(token);
    let none = subtle::Choice::from(0);
    secrets.iter().fold(none, |found, secret| found | secret.ct_eq(&token)).into()
}

fn digest(secret: &[u8]) -> SecretDigest {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMIT: AuthRateLimit = AuthRateLimit {
        max_attempts: 2,
        window: Duration::from_secs(60),
        lockout: Duration::from_secs(300),
        exempt_loopback: true,
    };

    fn status(gate: &Gate, token: &str, from: &str, now: Instant) -> u16 {
        let mut headers = HeaderMap::new();
        if !token.is_empty() {
            headers.insert(http::header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        let peer = SocketAddr::new(from.parse().unwrap(), 1);
        gate.admit(&headers, peer, now).err().map_or(200, |refusal| refusal.response().status().as_u16())
    }

    fn gate() -> Gate {
        let secrets = vec!["right".to_owned().into(), "other".to_owned().into(), String::new().into()];
        Gate::new(&Auth::Secrets(secrets), LIMIT, Vec::new())
    }

    #[test]
    fn admits_right_secrets_only() {
        let (gate, now) = (gate(), Instant::now());
        for (token, want) in [("right", 200), ("other", 200), ("wrong", 401), ("", 401), ("right ", 200)] {
            assert_eq!(status(&gate, token, "203.0.113.1", now), want, "{token:?}");
        }
        let open = Gate::new(&Auth::None, LIMIT, Vec::new());
        assert_eq!(status(&open, "", "203.0.113.1", now), 200);
    }

    #[test]
    fn locks_out_who_guesses() {
        let (gate, now) = (gate(), Instant::now());
        let guesser = "203.0.113.1";
        let attempts = ["wrong", "wrong", "wrong", "right"].map(|token| status(&gate, token, guesser, now));
        assert_eq!(attempts, [401, 401, 429, 429]);
        assert_eq!(status(&gate, "right", "203.0.113.2", now), 200);
        assert_eq!(status(&gate, "right", guesser, now + LIMIT.lockout), 200);
    }

    #[test]
    fn a_right_secret_from_the_loopback_is_always_admitted() {
        let (gate, now) = (gate(), Instant::now());
        let attempts = ["wrong", "wrong", "wrong", "right", "wrong"];
        assert_eq!(attempts.map(|token| status(&gate, token, "127.0.0.1", now)), [401, 401, 429, 200, 401]);
    }

    #[test]
    fn a_missing_secret_is_not_a_guess() {
        let (gate, now) = (gate(), Instant::now());
        let attempts = ["", "", "", "right"].map(|token| status(&gate, token, "203.0.113.1", now));
        assert_eq!(attempts, [401, 401, 401, 200]);
    }
}
