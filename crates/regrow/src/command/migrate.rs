//! `regrow migrate`: the store's schema. Serving does the same at its start.

use std::process::ExitCode;

use regrow_store::sqlite;

use crate::cli::{Common, Migrate};
use crate::outcome::Unusable;
use crate::state::State;
use crate::store_url::StoreUrl;
use crate::wiring;

pub(super) fn run(common: &Common, migrate: &Migrate) -> anyhow::Result<ExitCode> {
    let state = State::open(common)?;
    let StoreUrl::Sqlite(path) = state.store()?;
    let needed = sqlite::SCHEMA_VERSION;
    let before = sqlite::version(&path).map_err(|error| Unusable(error.to_string()))?;
    let has = before
        .map_or_else(|| "does not exist yet".to_owned(), |version| format!("has schema version {version}"));
    println!("{} {has}; this program needs {needed}", path.display());
    if migrate.check {
        return Ok(if before == Some(needed) { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    state.create()?;
    drop(wiring::store(&state)?);
    println!("up to date");
    Ok(ExitCode::SUCCESS)
}
