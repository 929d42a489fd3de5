//! Whose schema it is, at which version, and who may change it.

use regrow_store::postgres::{Options, PostgresStore, SCHEMA_VERSION};
use regrow_store::{Error, Store};

use crate::conformance::basics;
use crate::conformance::harness::Harness;
use crate::conformance::scene::joined;
use crate::harness::PostgresHarness;

/// What the manual says that an administrator says.
const MANUAL: &str = include_str!("../../../../docs/operations.md");

/// All migrations, as they are released.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize] = [
    include_str!("../../src/postgres/migrations/0001_init.sql"),
    include_str!("../../src/postgres/migrations/0002_autoscale.sql"),
    include_str!("../../src/postgres/migrations/0003_former.sql"),
];

/// The rights of a role that only works with the schema, as the manual has them.
fn rights(database: &str) -> String {
    let from = MANUAL.find("GRANT CONNECT ON DATABASE regrow").unwrap();
    let upto = MANUAL[from..].find("```").unwrap();
    let sql = &MANUAL[from..from + upto];
    assert!(sql.contains("regrow.fence") && sql.contains("DEFAULT PRIVILEGES"), "{sql}");
    sql.replace("DATABASE regrow", &format!("DATABASE {database}")).replace("TO replicas;", "TO {role};")
}

/// Opening must fail for good and leave everything as it is.
async fn assert_refused(harness: &PostgresHarness, why: &str) {
    let before = picture(harness).await;
    let options = harness.options("refused");
    for error in [
        PostgresStore::open(&options).await.unwrap_err(),
        PostgresStore::version(&options).await.unwrap_err(),
    ] {
        assert!(matches!(&error, Error::Unusable(text) if text.contains(why)), "{error:?}");
    }
    assert_eq!(picture(harness).await, before);
}

/// What the schema holds, and what `meta` says.
async fn picture(harness: &PostgresHarness) -> Vec<String> {
    let all = "SELECT relname || ' ' || relkind::text || ' ' || relnatts FROM pg_class c JOIN pg_namespace n
            ON n.oid = relnamespace WHERE nspname = 'regrow'
        UNION ALL SELECT typname FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE nspname = 'regrow'
        UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'regrow' ORDER BY 1";
    let mut lines: Vec<String> =
        harness.client.query(all, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    if lines.iter().any(|line| line.starts_with("meta r")) {
        let meta = "SELECT m::text FROM regrow.meta m ORDER BY 1";
        lines
            .extend(harness.client.query(meta, &[]).await.unwrap().iter().map(|row| row.get::<_, String>(0)));
    }
    lines
}

/// What a later migration that only adds leaves behind.
async fn expand(harness: &PostgresHarness, oldest_program: i64) {
    let mut sql = String::new();
    for table in ["replicas", "lanes", "inbox", "log", "runs", "schedules", "leases"] {
        sql += &format!("ALTER TABLE regrow.{table} ADD COLUMN later text NOT NULL DEFAULT 'x';");
    }
    sql += &format!(
        "CREATE TABLE regrow.later (name text PRIMARY KEY);
         UPDATE regrow.meta SET value = '{}' WHERE name = 'schema_version';
         UPDATE regrow.meta SET value = '{oldest_program}' WHERE name = 'oldest_program';",
        SCHEMA_VERSION + 1
    );
    harness.client.batch_execute(&sql).await.unwrap();
}

#[tokio::test]
async fn version_changes_nothing() {
    let harness = PostgresHarness::open().await;
    let options = harness.options("version");
    assert_eq!(PostgresStore::version(&options).await.unwrap(), None);
    assert!(picture(&harness).await.is_empty());
    drop(PostgresStore::open(&options).await.unwrap());
    assert_eq!(PostgresStore::version(&options).await.unwrap(), Some(SCHEMA_VERSION));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_migrate_at_once() {
    for _ in 0..5 {
        let harness = PostgresHarness::open().await;
        let tasks: Vec<_> = (0..6)
            .map(|n| {
                let options = harness.options(&format!("migrates-{n}"));
                tokio::spawn(async move { PostgresStore::open(&options).await.unwrap() })
            })
            .collect();
        let mut stores = Vec::new();
        for task in tasks {
            stores.push(task.await.unwrap());
        }
        let secret = stores[0].cluster_secret();
        assert!(secret.len() == 64 && stores.iter().all(|store| store.cluster_secret() == secret));
        joined(&stores[5]).await;
        assert_eq!(stores[0].list_replicas().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_schema_of_another_program_is_refused_untouched() {
    let harness = PostgresHarness::open().await;
    harness
        .client
        .batch_execute("CREATE SCHEMA regrow; CREATE TABLE regrow.songs (title text)")
        .await
        .unwrap();
    assert_refused(&harness, "another program").await;
    harness.client.batch_execute("CREATE TABLE regrow.meta (a text, b text, c text)").await.unwrap();
    assert_refused(&harness, "not Regrow's").await;
}

#[tokio::test]
async fn an_empty_schema_that_was_made_beforehand_is_used() {
    let harness = PostgresHarness::open().await;
    harness.client.batch_execute("CREATE SCHEMA regrow").await.unwrap();
    basics::go_through(&PostgresStore::open(&harness.options("a")).await.unwrap(), "a").await;
}

#[tokio::test]
async fn a_damaged_description_is_refused_untouched() {
    for damage in [
        "DELETE FROM regrow.meta WHERE name = 'schema_version'",
        "DELETE FROM regrow.meta WHERE name = 'oldest_program'",
        "DELETE FROM regrow.meta WHERE name = 'cluster_secret'",
        "UPDATE regrow.meta SET value = 'two' WHERE name = 'schema_version'",
        "UPDATE regrow.meta SET value = '-1' WHERE name = 'schema_version'",
        "UPDATE regrow.meta SET value = '0' WHERE name = 'schema_version'",
        "UPDATE regrow.meta SET value = '' WHERE name = 'cluster_secret'",
    ] {
        let harness = PostgresHarness::open().await;
        drop(PostgresStore::open(&harness.options("a")).await.unwrap());
        harness.client.batch_execute(damage).await.unwrap();
        assert_refused(&harness, "damaged").await;
    }
}

#[tokio::test]
async fn a_store_of_each_earlier_version_is_brought_up_to_date() {
    for version in 1..SCHEMA_VERSION {
        let harness = PostgresHarness::open().await;
        harness.client.batch_execute("CREATE SCHEMA regrow").await.unwrap();
        for migration in &MIGRATIONS[..usize::try_from(version).unwrap()] {
            harness.client.batch_execute(migration).await.unwrap();
        }
        let mark = format!("UPDATE regrow.meta SET value = '{version}' WHERE name = 'schema_version'");
        harness.client.batch_execute(&mark).await.unwrap();
        let options = harness.options("new");
        assert_eq!(PostgresStore::version(&options).await.unwrap(), Some(version));
        basics::go_through(&PostgresStore::open(&options).await.unwrap(), "new").await;
        assert_eq!(PostgresStore::version(&options).await.unwrap(), Some(SCHEMA_VERSION));
    }
}

#[tokio::test]
async fn a_newer_version_that_only_adds_is_used_before_and_after_it_came() {
    let harness = PostgresHarness::open().await;
    let running = PostgresStore::open(&harness.options("running")).await.unwrap();
    basics::go_through(&running, "before").await;
    expand(&harness, SCHEMA_VERSION).await;
    basics::go_through(&running, "while").await;
    let options = harness.options("later");
    basics::go_through(&PostgresStore::open(&options).await.unwrap(), "after").await;
    let version = PostgresStore::version(&options).await.unwrap();
    assert_eq!(version, Some(SCHEMA_VERSION + 1), "nobody turns it back");
}

#[tokio::test]
async fn a_newer_version_that_needs_newer_programs_is_refused_untouched() {
    let harness = PostgresHarness::open().await;
    drop(PostgresStore::open(&harness.options("a")).await.unwrap());
    expand(&harness, SCHEMA_VERSION + 1).await;
    assert_refused(&harness, "newer").await;
}

#[tokio::test]
async fn a_migration_that_fails_half_way_leaves_nothing() {
    let harness = PostgresHarness::open().await;
    // A table takes its name among the types too, so the third one cannot be made.
    let obstacle = "CREATE SCHEMA regrow; CREATE TYPE regrow.lanes AS ENUM ('a')";
    harness.client.batch_execute(obstacle).await.unwrap();
    let before = picture(&harness).await;
    let error = PostgresStore::open(&harness.options("a")).await.unwrap_err();
    assert!(matches!(&error, Error::Unusable(text) if text.contains("lanes")), "{error:?}");
    assert_eq!(picture(&harness).await, before);
    harness.client.batch_execute("DROP TYPE regrow.lanes").await.unwrap();
    basics::go_through(&PostgresStore::open(&harness.options("a")).await.unwrap(), "a").await;
}

/// A role without rights; it is gone with this value's owner calling [`Role::remove`], or with the server.
struct Role<'a> {
    harness: &'a PostgresHarness,
    name: String,
}

impl<'a> Role<'a> {
    async fn create(harness: &'a PostgresHarness) -> Self {
        let name = format!("role_{}", harness.name());
        let sql = format!("CREATE ROLE {name} LOGIN PASSWORD 'secret'");
        harness.client.batch_execute(&sql).await.unwrap();
        Self { harness, name }
    }

    fn options(&self) -> Options {
        let url = self.harness.url().replace("://regrow:", &format!("://{}:", self.name));
        let (credentials, rest) = url.split_once('@').unwrap();
        let user = credentials.rsplit_once(':').unwrap().0;
        Options::parse(&format!("{user}:secret@{rest}"), None).unwrap()
    }

    async fn grant(&self, rights: &str) {
        self.harness.client.batch_execute(&rights.replace("{role}", &self.name)).await.unwrap();
    }

    async fn remove(self) {
        let sql = format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name);
        self.harness.client.batch_execute(&sql).await.unwrap();
    }
}

#[tokio::test]
async fn a_role_needs_few_rights_on_a_schema_that_somebody_else_made() {
    let harness = PostgresHarness::open().await;
    let role = Role::create(&harness).await;
    let error = PostgresStore::open(&role.options()).await.unwrap_err();
    assert!(matches!(&error, Error::Unusable(text) if text.contains("regrow migrate")), "{error:?}");
    assert!(picture(&harness).await.is_empty());

    drop(PostgresStore::open(&harness.options("administrator")).await.unwrap());
    let error = PostgresStore::open(&role.options()).await.unwrap_err();
    assert!(matches!(&error, Error::Unusable(text) if text.contains("rights")), "{error:?}");
    role.grant(&rights(harness.name())).await;
    let store = PostgresStore::open(&role.options()).await.unwrap();
    basics::go_through(&store, "a").await;
    // What a later release adds, its programs may use.
    harness
        .client
        .batch_execute("CREATE TABLE regrow.later (); CREATE SEQUENCE regrow.later_numbers")
        .await
        .unwrap();
    let may = "SELECT has_table_privilege($1::text, 'regrow.later', 'SELECT, INSERT')
        AND has_sequence_privilege($1::text, 'regrow.later_numbers', 'USAGE')
        AND NOT has_table_privilege($1::text, 'regrow.meta', 'UPDATE')
        AND NOT has_schema_privilege($1::text, 'regrow', 'CREATE')";
    assert!(harness.client.query_one(may, &[&role.name]).await.unwrap().get::<_, bool>(0));
    drop(store);
    role.remove().await;
}

/// Whoever may create schemas makes this one himself, and needs nothing else.
#[tokio::test]
async fn a_role_that_may_create_schemas_needs_no_administrator() {
    let harness = PostgresHarness::open().await;
    let role = Role::create(&harness).await;
    role.grant(&format!("GRANT CREATE ON DATABASE {} TO {{role}}", harness.name())).await;
    let store = PostgresStore::open(&role.options()).await.unwrap();
    basics::go_through(&store, "a").await;
    drop(store);
    role.remove().await;
}
