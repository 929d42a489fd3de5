//! Session keys: the routing strings that name conversations, in OpenClaw's form (`agent:<agent>:<rest>`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The most bytes of a session key (OpenClaw's limit for `sessionKey`).
const MAX_LEN: usize = 512;

/// The most bytes of an agent's id.
const MAX_AGENT_LEN: usize = 64;

/// Namespaces that only the gateway itself may write to.
const RESERVED: [&str; 3] = ["subagent:", "cron:", "acp:"];

/// The name of a conversation: `agent:<agent id>:<rest>`, at most 512 bytes, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionKey(String);

/// Why a string is not a session key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionKeyError {
    /// Nothing was given.
    #[error("a session key must not be empty")]
    Empty,
    /// Longer than 512 bytes.
    #[error("a session key has at most {MAX_LEN} bytes, this one has {0}")]
    TooLong(usize),
    /// A control character in the key.
    #[error("a session key must not contain control characters")]
    ControlCharacter,
    /// The `agent:` form with a missing or malformed part.
    #[error(
        "a session key has the form `agent:<agent id>:<name>`, and an agent id has only a-z, 0-9, `_` and `-`"
    )]
    Malformed,
    /// A namespace that callers may not choose.
    #[error("the session namespace `{0}` is reserved")]
    Reserved(&'static str),
}

impl SessionKey {
    /// The key that a caller names with `text` for `agent`: a full key stays as it is, anything else becomes
    /// `agent:<agent>:<text>`. Reserved namespaces are refused.
    pub fn from_caller(text: &str, agent: &str) -> Result<Self, SessionKeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SessionKeyError::Empty);
        }
        let key: Self = if text.starts_with("agent:") {
            text.parse()?
        } else {
            format!("agent:{agent}:{text}").parse()?
        };
        match RESERVED.iter().find(|namespace| key.rest().starts_with(**namespace)) {
            Some(namespace) => Err(SessionKeyError::Reserved(namespace)),
            None => Ok(key),
        }
    }

    /// The key in full.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The agent that answers in this session.
    pub fn agent(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }

    /// What follows `agent:<agent id>:`.
    pub fn rest(&self) -> &str {
        self.0.splitn(3, ':').nth(2).unwrap_or_default()
    }
}

/// Whether `id` can name an agent.
fn is_agent_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= MAX_AGENT_LEN
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

impl FromStr for SessionKey {
    type Err = SessionKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(SessionKeyError::Empty);
        }
        if text.len() > MAX_LEN {
            return Err(SessionKeyError::TooLong(text.len()));
        }
        if text.chars().any(char::is_control) {
            return Err(SessionKeyError::ControlCharacter);
        }
        let mut parts = text.splitn(3, ':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("agent"), Some(agent), Some(rest)) if is_agent_id(agent) && !rest.is_empty() => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(SessionKeyError::Malformed),
        }
    }
}

impl TryFrom<String> for SessionKey {
    type Error = SessionKeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SessionKey> for String {
    fn from(key: SessionKey) -> Self {
        key.0
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_and_short_keys_name_the_same_session() {
        let full = SessionKey::from_caller("agent:main:team", "other").unwrap();
        let short = SessionKey::from_caller("team", "main").unwrap();
        assert_eq!(full, short);
        assert_eq!((full.agent(), full.rest()), ("main", "team"));
    }

    #[test]
    fn refuses_what_is_not_a_key() {
        for (text, want) in [
            ("", SessionKeyError::Empty),
            ("agent:main:", SessionKeyError::Malformed),
            ("agent:Ma in:x", SessionKeyError::Malformed),
            ("agent::x", SessionKeyError::Malformed),
            ("a\nb", SessionKeyError::ControlCharacter),
            ("subagent:x", SessionKeyError::Reserved("subagent:")),
            ("cron:x", SessionKeyError::Reserved("cron:")),
            ("agent:main:acp:x", SessionKeyError::Reserved("acp:")),
        ] {
            assert_eq!(SessionKey::from_caller(text, "main"), Err(want), "{text:?}");
        }
        let long = "x".repeat(600);
        assert!(matches!(SessionKey::from_caller(&long, "main"), Err(SessionKeyError::TooLong(_))));
    }
}
