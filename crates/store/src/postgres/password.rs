//! The password of the store's user, which may change while replicas run.
//!
//! A new connection is made with the newest one, and with the one before if the server refuses that: whoever changes a
//! password changes it on the server and here, and either may come first. Connections that are open stay.

use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};

/// A password that all who hold a clone of it see change. It does not print itself.
#[derive(Clone, Default, Debug)]
pub struct Password(Arc<RwLock<Known>>);

#[derive(Clone, Default, Debug)]
struct Known {
    now: Option<SecretString>,
    before: Option<SecretString>,
}

impl Password {
    /// Connections are made with this one from now on.
    pub fn change(&self, password: SecretString) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let same = |known: &SecretString| known.expose_secret() == password.expose_secret();
        if !known.now.as_ref().is_some_and(same) {
            known.before = known.now.replace(password);
        }
    }

    /// Connections are made with what `other` has now.
    pub fn follow(&self, other: &Self) {
        if let Some(password) = other.known().now {
            self.change(password);
        }
    }

    /// What to try, in this order.
    pub(super) fn candidates(&self) -> impl Iterator<Item = SecretString> {
        let Known { now, before } = self.known();
        now.into_iter().chain(before)
    }

    fn known(&self) -> Known {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl From<SecretString> for Password {
    fn from(password: SecretString) -> Self {
        Self(Arc::new(RwLock::new(Known { now: Some(password), before: None })))
    }
}
