//! Which store is meant by a URL.

use std::path::PathBuf;

use crate::outcome::Unusable;

/// A store's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// An SQLite file, shared by the replicas of one machine.
    Sqlite(PathBuf),
}

impl StoreUrl {
    /// Reads `sqlite:PATH`.
    pub(crate) fn parse(text: &str) -> Result<Self, Unusable> {
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        match scheme {
            "sqlite" if !rest.trim_start_matches("//").is_empty() => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                Ok(Self::Sqlite(PathBuf::from(path)))
            }
            "sqlite" => Err(Unusable("the store `sqlite:` needs a path: sqlite:PATH".to_owned())),
            "postgres" | "postgresql" | "redis" | "rediss" => Err(Unusable(format!(
                "this release has no {scheme} store; use sqlite:PATH, which several replicas of one machine can share"
            ))),
            // The rest may hold a password, so it is not repeated.
            _ => Err(Unusable("the store must be sqlite:PATH".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_paths_and_refuses_the_rest() {
        let sqlite = |path: &str| StoreUrl::Sqlite(PathBuf::from(path));
        assert_eq!(StoreUrl::parse("sqlite:/var/lib/a.db").unwrap(), sqlite("/var/lib/a.db"));
        assert_eq!(StoreUrl::parse("sqlite:///var/lib/a.db").unwrap(), sqlite("/var/lib/a.db"));
        assert_eq!(StoreUrl::parse("sqlite:a.db").unwrap(), sqlite("a.db"));
        for text in ["", "a.db", "sqlite:", "sqlite://", "postgres://host/db", "mysql://x"] {
            assert!(StoreUrl::parse(text).is_err(), "{text:?}");
        }
    }
}
