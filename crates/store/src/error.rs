//! Why the store did not do what was asked. The variants are what a caller can decide on.

/// An intent failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The store cannot be reached, is full, read-only or too busy. Whether the intent was carried out is unknown;
    /// repeating it is safe.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The database belongs to a newer release, to another program, or is damaged. Repeating does not help.
    #[error("{0}")]
    Unusable(String),
}

impl Error {
    /// Repeating the same intent later may succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// A guarded write failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The lease is gone: another replica runs this session, or will. Nothing was written, and nothing of this run may
    /// be written or shown any more.
    #[error("the lease of this session is gone")]
    Fenced,
    /// The store failed; repeating the same write under the same guard is safe.
    #[error(transparent)]
    Store(#[from] Error),
}
