//! Identifiers as newtypes, so that a run can never be passed where a replica is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::SessionKey;

/// A position in a session's log or inbox. Positions start at 1; 0 means "nothing yet".
pub type Seq = i64;

/// The fencing token of a lease: it grows with every claim, and every write carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub i64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A session, named by the first 128 bits of the SHA-256 of its key: every replica computes the same id without asking.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// The id of the session with this key.
    pub fn of(key: &SessionKey) -> Self {
        let digest = Sha256::digest(key.as_str().as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }

    /// The id as it is stored.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads an id as it was stored.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// A schedule. New ones are named by a time-ordered UUID; others may come from elsewhere under names of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScheduleId(String);

impl ScheduleId {
    /// A new id.
    #[expect(clippy::new_without_default, reason = "a fresh id is not a default value")]
    pub fn new() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// The id as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for ScheduleId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl fmt::Display for ScheduleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Declares a newtype over a time-ordered UUID.
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, later in order than every id made before it by this process.
            #[expect(clippy::new_without_default, reason = "a fresh id is not a default value")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id as it is stored.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Reads an id as it was stored.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id! {
    /// One agent turn. It is the id of the first message that the run consumes, so it is known when that message is
    /// accepted and stays the same across takeovers.
    RunId
}

uuid_id! {
    /// One life of a replica: new at each start, and new again when it has lost its lease and rejoins.
    ReplicaId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_id_is_a_function_of_the_key() {
        let key: SessionKey = "agent:main:main".parse().unwrap();
        let again: SessionKey = "agent:main:main".parse().unwrap();
        let other: SessionKey = "agent:main:other".parse().unwrap();
        assert_eq!(SessionId::of(&key), SessionId::of(&again));
        assert_ne!(SessionId::of(&key), SessionId::of(&other));
    }

    #[test]
    fn run_ids_read_back_and_are_ordered() {
        let first = RunId::new();
        let second = RunId::new();
        assert!(first < second);
        assert_eq!(first.to_string().parse::<RunId>().unwrap(), first);
    }
}
