//! The schema and its versions. A file of another program, or of a release that is too new, is never touched.
//!
//! As long as a newer schema only adds, programs of older releases go on working with it: then the migration notes in
//! `meta` the oldest schema version whose programs can (`oldest_program`). Without that note, none can.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::writer::at;
use crate::Error;

/// Marks the file as Regrow's ("RGRW"), in SQLite's header.
const APPLICATION_ID: i64 = 0x5247_5257;

/// Migrations in order; a file at version n has had the first n. They are never edited, only added to.
const MIGRATIONS: [&str; 4] = [
    include_str!("migrations/0001_init.sql"),
    include_str!("migrations/0002_schedules.sql"),
    include_str!("migrations/0003_retention.sql"),
    include_str!("migrations/0004_former.sql"),
];

/// The version that this program needs.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Brings the schema up to date, in one transaction; several processes may try at once.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    let tx =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|e| at(path, &e))?;
    let present = checked_version(&tx, path)?;
    if present >= SCHEMA_VERSION {
        return Ok(());
    }
    let missing = MIGRATIONS.iter().skip(usize::try_from(present).unwrap_or(0));
    let apply = || -> rusqlite::Result<()> {
        for migration in missing {
            tx.execute_batch(migration)?;
        }
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        tx.commit()
    };
    apply().map_err(|e| at(path, &e))?;
    tracing::info!(from = present, to = SCHEMA_VERSION, "the store's schema is up to date");
    Ok(())
}

/// The file's version, if it is ours and not too new.
fn checked_version(connection: &Connection, path: &Path) -> Result<i64, Error> {
    let pragma = |name: &str| -> Result<i64, Error> {
        connection.pragma_query_value(None, name, |row| row.get(0)).map_err(|e| at(path, &e))
    };
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(|e| at(path, &e))?;
    let (owner, version) = (pragma("application_id")?, pragma("user_version")?);
    if tables > 0 && owner != APPLICATION_ID {
        return Err(Error::Unusable(format!(
            "{} is a database of another program; choose another file with --store sqlite:PATH",
            path.display()
        )));
    }
    if version > SCHEMA_VERSION && oldest_program(connection).is_none_or(|oldest| oldest > SCHEMA_VERSION) {
        return Err(Error::Unusable(format!(
            "{} has schema version {version}, and this program knows versions up to {SCHEMA_VERSION}; use a newer \
             release",
            path.display()
        )));
    }
    Ok(version)
}

/// The oldest schema version whose programs can use this file, if a migration noted one.
fn oldest_program(connection: &Connection) -> Option<i64> {
    let noted = "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'oldest_program'";
    connection.query_row(noted, [], |row| row.get(0)).ok()
}

/// The schema version of a file without changing it; `None` if there is no file.
pub fn version(path: &Path) -> Result<Option<i64>, Error> {
    if !path.exists() {
        return Ok(None);
    }
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| at(path, &e))?;
    checked_version(&connection, path).map(Some)
}

/// The secret that replicas of this store share.
pub(super) fn cluster_secret(connection: &Connection) -> Result<String, Error> {
    let read =
        connection.query_row("SELECT value FROM meta WHERE name = 'cluster_secret'", [], |row| row.get(0));
    read.map_err(|e| super::writer::classify(&e))
}
