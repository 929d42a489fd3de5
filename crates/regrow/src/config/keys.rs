//! A configuration as a list of keys with digests of their values, by which two of them are compared.
//!
//! Invariant: no value is in it, and a salt keeps anybody from guessing one. What was digested with another salt cannot be
//! compared.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::document::Config;
use super::secret::Secret;
use super::tree::KeyPath;

/// The secrets of a configuration by their keys.
pub type Secrets = BTreeMap<String, Secret>;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    salt: String,
    digests: BTreeMap<String, String>,
}

impl Keys {
    /// The keys of a configuration.
    pub fn of(config: &Config, secrets: &Secrets, salt: &str) -> Self {
        let mut keys = Self { salt: salt.to_owned(), digests: BTreeMap::new() };
        keys.list(config.to_redacted_json(), &KeyPath::default());
        for (key, secret) in secrets {
            keys.insert(key.clone(), secret.expose());
        }
        keys
    }

    /// What values are digested with.
    pub fn salt(&self) -> &str {
        &self.salt
    }

    /// The keys that have another value in `other`, or are in one only.
    pub fn differing(&self, other: &Self) -> BTreeSet<String> {
        let all = self.digests.keys().chain(other.digests.keys());
        all.filter(|key| self.digests.get(*key) != other.digests.get(*key)).cloned().collect()
    }

    /// Gives these keys the values that they have in `other`.
    pub fn take<'a>(&mut self, keys: impl IntoIterator<Item = &'a String>, other: &Self) {
        for key in keys {
            match other.digests.get(key) {
                Some(digest) => self.digests.insert(key.clone(), digest.clone()),
                None => self.digests.remove(key),
            };
        }
    }

    /// Objects are taken apart; a list is one value.
    fn list(&mut self, json: Json, path: &KeyPath) {
        match json {
            Json::Object(members) => {
                members.into_iter().for_each(|(key, json)| self.list(json, &path.with_key(&key)));
            }
            leaf => self.insert(path.to_string(), &leaf.to_string()),
        }
    }

    fn insert(&mut self, key: String, value: &str) {
        let digest = Sha256::digest(format!("{}\0{key}\0{value}", self.salt));
        let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        self.digests.insert(key, digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(port: u16, token: &str) -> Keys {
        let mut config = Config::default();
        config.gateway.port = port;
        let secrets = Secrets::from([("gateway.auth.token".to_owned(), Secret::from(token.to_owned()))]);
        Keys::of(&config, &secrets, "salt")
    }

    fn differing(one: &Keys, other: &Keys) -> Vec<String> {
        one.differing(other).into_iter().collect()
    }

    #[test]
    fn keys_that_differ_are_found_and_nothing_is_told_of_their_values() {
        let (mut old, new) = (keys(18789, "old-secret"), keys(4711, "new-secret"));
        assert_eq!(differing(&old, &new), ["gateway.auth.token", "gateway.port"]);
        assert_eq!(differing(&old, &old.clone()), Vec::<String>::new());
        old.take(&["gateway.port".to_owned()], &new);
        assert_eq!(differing(&old, &new), ["gateway.auth.token"]);
        let shown = serde_json::to_string(&new).unwrap();
        assert!(!shown.contains("secret") && !shown.contains("4711"), "{shown}");
    }
}
