//! The schema and its versions. A database of a newer release, or tables of another program, are never touched.
//!
//! A migration is one transaction, so there is no half of one. Several replicas may try at once: one migrates, the others
//! wait for it. As long as a newer schema only adds, programs of older releases go on working with it (`oldest_program`).

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::failure::Failure;
use crate::Error;

/// Migrations in order; a database at version n has had the first n. They are never edited, only added to.
const MIGRATIONS: [&str; 3] = [
    include_str!("migrations/0001_init.sql"),
    include_str!("migrations/0002_autoscale.sql"),
    include_str!("migrations/0003_former.sql"),
];

/// The version that this program needs.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

/// Holds off other replicas that want to migrate.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('regrow schema', 0))";

/// What stands in the database.
pub(super) const PRESENT: &str =
    "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'regrow') AS schema,
    to_regclass('regrow.meta') IS NOT NULL AS marked";

pub(super) const META: &str = "SELECT name, value FROM regrow.meta";

/// What the database says about itself.
struct Present {
    version: i64,
    cluster_secret: String,
}

/// Brings the schema up to date and returns the secret that replicas of this store share. `user` is who connects, for
/// messages.
pub(super) async fn migrate(client: &Client, user: &str) -> Result<String, Error> {
    if let Some(present) = checked(client).await?
        && present.version >= SCHEMA_VERSION
    {
        return Ok(present.cluster_secret);
    }
    apply(client).await.map_err(|failure| explain(failure, user))?;
    let present = checked(client).await?;
    let missing = || Error::Unusable("the schema `regrow` is not there after its migration".to_owned());
    present.map(|present| present.cluster_secret).ok_or_else(missing)
}

/// The schema version without changing anything; `None` if there is no schema.
pub(super) async fn version(client: &Client) -> Result<Option<i64>, Error> {
    Ok(checked(client).await?.map(|present| present.version))
}

/// What kept a migration from happening.
enum Unapplied {
    /// The database is not ours, or cannot be read.
    Checked(Error),
    /// A statement failed.
    Refused(tokio_postgres::Error),
}

/// Applies what is missing in one transaction.
async fn apply(client: &Client) -> Result<(), Unapplied> {
    // If this is dropped half way, so is the connection, and with it the transaction.
    let execute = async |sql: &str| client.batch_execute(sql).await.map_err(Unapplied::Refused);
    execute("BEGIN").await?;
    execute(LOCK).await?;
    let present = checked(client).await.map_err(Unapplied::Checked)?.map_or(0, |present| present.version);
    if present >= SCHEMA_VERSION {
        // Another replica was faster, perhaps one of a newer release.
        return execute("ROLLBACK").await;
    }
    if present == 0 {
        execute("CREATE SCHEMA IF NOT EXISTS regrow").await?;
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(present).unwrap_or(0)) {
        execute(migration).await?;
    }
    execute(&format!("UPDATE regrow.meta SET value = '{SCHEMA_VERSION}' WHERE name = 'schema_version'"))
        .await?;
    execute("COMMIT").await?;
    tracing::info!(from = present, to = SCHEMA_VERSION, "the store's schema is up to date");
    Ok(())
}

fn explain(unapplied: Unapplied, user: &str) -> Error {
    match unapplied {
        Unapplied::Checked(error) => error,
        Unapplied::Refused(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            let why = error.as_db_error().map_or("", |said| said.message());
            Error::Unusable(format!(
                "the database needs version {SCHEMA_VERSION} of the schema `regrow`, and PostgreSQL does not allow user \
                 {user} to make it ({why}); run `regrow migrate` as a user who may, and give {user} rights on the \
                 schema: docs/operations.md says which"
            ))
        }
        Unapplied::Refused(error) => Failure::from(error).into(),
    }
}

/// What stands in the database, if it is ours and not too new.
async fn checked(client: &Client) -> Result<Option<Present>, Error> {
    let flags = read(client, PRESENT).await?;
    let flag = |column: usize| flags.first().and_then(|row| row.get(column)).is_some_and(|v| v == "t");
    if !flag(0) {
        return Ok(None);
    }
    if !flag(1) {
        let empty = read(
            client,
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = 'regrow' LIMIT 1",
        )
        .await?
        .is_empty();
        if empty {
            return Ok(None);
        }
        return Err(Error::Unusable(
            "the schema `regrow` of this database belongs to another program; choose another database"
                .to_owned(),
        ));
    }
    let not_ours = || {
        Error::Unusable(
            "the schema `regrow` of this database is not Regrow's, or is damaged; restore it from a backup or choose \
             another database"
                .to_owned(),
        )
    };
    // Rights are another matter; anything else that is refused for good is about what the table is like.
    let rows = read(client, META).await.map_err(|failure| match failure {
        Failure::Postgres(e) if e.code().is_some_and(|s| s == &SqlState::UNDEFINED_COLUMN) => not_ours(),
        other => other.into(),
    })?;
    let value = |name: &str| {
        rows.iter().find(|row| row.first().is_some_and(|n| n == name)).and_then(|row| row.get(1)).cloned()
    };
    let number = |name: &str| value(name).and_then(|text| text.parse().ok()).filter(|n: &i64| *n > 0);
    let (Some(version), Some(oldest_program), Some(cluster_secret)) = (
        number("schema_version"),
        number("oldest_program"),
        value("cluster_secret").filter(|s| !s.is_empty()),
    ) else {
        return Err(not_ours());
    };
    if oldest_program > SCHEMA_VERSION {
        return Err(Error::Unusable(format!(
            "the database has schema version {version}, which programs of version {oldest_program} and newer can use, \
             and this program knows version {SCHEMA_VERSION}; use a newer release"
        )));
    }
    Ok(Some(Present { version, cluster_secret }))
}

/// Rows as text. Statements that run once are not prepared.
async fn read(client: &Client, sql: &str) -> Result<Vec<Vec<String>>, Failure> {
    let messages = client.simple_query(sql).await?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|i| row.get(i).unwrap_or_default().to_owned()).collect())
        }
        _ => None,
    });
    Ok(rows.collect())
}
