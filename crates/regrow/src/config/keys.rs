//! A configuration as a list of keys with their values, by which two of them are compared.
//!
//! Invariant: no secret is in it. In place of each stands a digest with a salt, which tells whether two are the same.

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
    values: BTreeMap<String, Json>,
}

impl Keys {
    /// The keys of a configuration. Only lists with the same salt can be compared.
    pub fn of(config: &Config, secrets: &Secrets, salt: &str) -> Self {
        let mut values = BTreeMap::new();
        list(config.to_redacted_json(), &KeyPath::default(), &mut values);
        for (key, secret) in secrets {
            let digest = Sha256::digest(format!("{salt}\0{key}\0{}", secret.expose()));
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            values.insert(key.clone(), Json::String(format!("sha256:{digest}")));
        }
        Self { salt: salt.to_owned(), values }
    }

    /// What secrets are digested with.
    pub fn salt(&self) -> &str {
        &self.salt
    }

    /// The keys that have another value in `other`, or are in one only.
    pub fn differing(&self, other: &Self) -> BTreeSet<String> {
        let all = self.values.keys().chain(other.values.keys());
        all.filter(|key| self.values.get(*key) != other.values.get(*key)).cloned().collect()
    }

    /// Gives these keys the values that they have in `other`.
    pub fn take<'a>(&mut self, keys: impl IntoIterator<Item = &'a String>, other: &Self) {
        for key in keys {
            match other.values.get(key) {
                Some(value) => self.values.insert(key.clone(), value.clone()),
                None => self.values.remove(key),
            };
        }
    }
}

/// Objects are taken apart; a list is one value.
fn list(json: Json, path: &KeyPath, values: &mut BTreeMap<String, Json>) {
    match json {
        Json::Object(members) => {
            members.into_iter().for_each(|(key, json)| list(json, &path.with_key(&key), values));
        }
        leaf => drop(values.insert(path.to_string(), leaf)),
    }
}
