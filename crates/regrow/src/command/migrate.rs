//! `regrow migrate`: the store's schema. Serving does the same at its start.

use std::process::ExitCode;
use std::time::Duration;

use regrow_store::postgres::{self, PostgresStore};
use regrow_store::sqlite;

use crate::cli::{Common, Migrate};
use crate::outcome;
use crate::state::State;
use crate::store_url::StoreUrl;
use crate::wiring;

pub(super) async fn run(common: &Common, migrate: &Migrate) -> anyhow::Result<ExitCode> {
    let state = State::open(common)?;
    let (name, before, needed) = match state.store()? {
        StoreUrl::Sqlite(path) => {
            (path.display().to_string(), sqlite::version(&path), sqlite::SCHEMA_VERSION)
        }
        StoreUrl::Postgres(options) => {
            (options.server(), PostgresStore::version(&options).await, postgres::SCHEMA_VERSION)
        }
    };
    let before = before.map_err(outcome::of_store)?;
    let has = before
        .map_or_else(|| "has no schema yet".to_owned(), |version| format!("has schema version {version}"));
    println!("{name} {has}; this program needs {needed}");
    if migrate.check {
        // A newer schema that this program was allowed to look at is one that it can use.
        let enough = before.is_some_and(|before| before >= needed);
        return Ok(if enough { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    state.create()?;
    drop(wiring::store(&state, Duration::ZERO).await?);
    println!("up to date");
    Ok(ExitCode::SUCCESS)
}
