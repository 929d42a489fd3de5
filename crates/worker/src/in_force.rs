//! A value that is exchanged as a whole while others use it.

use std::sync::{Arc, PoisonError, RwLock};

/// What is in force now. Whoever took it keeps what it took, and finds the next one when it looks again; nobody ever sees
/// a part of one and a part of another.
#[derive(Debug)]
pub struct InForce<T>(RwLock<Arc<T>>);

impl<T> InForce<T> {
    /// This is in force from the beginning.
    pub fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    /// What is in force now.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From now on, this is in force.
    pub fn replace(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}
