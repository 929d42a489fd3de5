//! Which store is meant by a URL.

use std::path::PathBuf;

use regrow_store::postgres;

use crate::outcome::Unusable;

/// A store's address.
#[derive(Debug, Clone)]
pub(crate) enum StoreUrl {
    /// An SQLite file, shared by the replicas of one machine.
    Sqlite(PathBuf),
    /// A PostgreSQL database, shared by replicas of any machines.
    Postgres(Box<postgres::Options>),
}

impl StoreUrl {
    /// Reads `sqlite:PATH` or `postgres://…`. A password that is given beside the URL comes before the one in it.
    pub(crate) fn parse(text: &str, password: &postgres::Password) -> Result<Self, Unusable> {
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        match scheme {
            "sqlite" if !rest.trim_start_matches("//").is_empty() => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                Ok(Self::Sqlite(PathBuf::from(path)))
            }
            "sqlite" => Err(Unusable("the store `sqlite:` needs a path: sqlite:PATH".to_owned())),
            "postgres" | "postgresql" => {
                let options =
                    postgres::Options::parse(text, Some(password)).map_err(|e| Unusable(e.to_string()))?;
                Ok(Self::Postgres(Box::new(options)))
            }
            "redis" | "rediss" => Err(Unusable(format!(
                "this release has no {scheme} store; use postgres://…, which replicas on any machines can share"
            ))),
            // The rest may hold a password, so it is not repeated.
            _ => Err(Unusable(
                "the store must be sqlite:PATH or postgres://user@host:5432/database".to_owned(),
            )),
        }
    }

    /// Replicas on other machines may share it.
    pub(crate) fn is_shared_across_machines(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_stores_and_refuses_the_rest() {
        for (text, path) in [
            ("sqlite:/var/lib/a.db", "/var/lib/a.db"),
            ("sqlite:///var/lib/a.db", "/var/lib/a.db"),
            ("sqlite:a.db", "a.db"),
        ] {
            assert!(
                matches!(StoreUrl::parse(text, &postgres::Password::default()).unwrap(), StoreUrl::Sqlite(p) if p.as_path() == std::path::Path::new(path))
            );
        }
        let url = "postgresql://user@host/db";
        assert!(matches!(
            StoreUrl::parse(url, &postgres::Password::default()).unwrap(),
            StoreUrl::Postgres(_)
        ));
        for text in ["", "a.db", "sqlite:", "sqlite://", "postgres://host", "redis://host", "mysql://x"] {
            assert!(StoreUrl::parse(text, &postgres::Password::default()).is_err(), "{text:?}");
        }
    }
}
