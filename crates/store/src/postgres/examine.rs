//! What can be wrong with a server, and what endangers what it was given to keep.

use tokio_postgres::Row;

use super::failure::Failure;
use super::links::Links;
use super::{row, schema, views};
use crate::{Error, Examination, Finding};

/// Facts about the server, the database and this connection.
pub(super) const FACTS: &str = "SELECT current_setting('server_version') AS version,
    pg_database_size(current_database()) AS size,
    current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
    (SELECT s.reset_val FROM pg_settings s WHERE s.name = 'synchronous_commit') AS synchronous_commit,
    current_setting('synchronous_standby_names') AS synchronous,
    (SELECT count(*) FROM pg_stat_replication) AS standbys,
    current_setting('max_connections')::int8 AS connections,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connected,
    current_setting('autovacuum') AS autovacuum,
    coalesce((SELECT s.ssl FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()), false) AS encrypted,
    inet_client_addr() IS NULL OR inet_client_addr() <<= '127.0.0.0/8' OR inet_client_addr() = '::1' AS local,
    coalesce((SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'regrow.lanes'::regclass), 0) AS dead,
    coalesce((SELECT n_live_tup FROM pg_stat_user_tables WHERE relid = 'regrow.lanes'::regclass), 0) AS lanes,
    coalesce((SELECT extract(epoch FROM max(now() - xact_start))::int8 FROM pg_stat_activity
        WHERE state <> 'idle' AND pid <> pg_backend_pid() AND datname = current_database()), 0) AS oldest";

/// The server's time.
pub(super) const CLOCK: &str = "SELECT clock_timestamp() AS clock";

/// Bytes of what is known of the volume: PostgreSQL does not tell how much is free.
const FREE: Option<u64> = None;

/// Connections that should be left for others.
const SPARE: i64 = 10;

/// A transaction that has been open for so many seconds keeps dead rows from being removed.
const LONG: i64 = 600;

/// Dead rows of the lanes, beyond which claiming becomes slow.
const DEAD: i64 = 50_000;

pub(super) async fn examine(links: &Links, pooled: bool) -> Result<Examination, Error> {
    let load = views::load(links).await?;
    let replicas = views::list_replicas(links).await?;
    let missing = || Error::Unavailable("PostgreSQL gave no answer".to_owned());
    let facts = links.query_opt(FACTS, &[]).await?.ok_or_else(missing)?;
    let clock = links.query_opt(CLOCK, &[]).await?.ok_or_else(missing)?;
    let text = |column| facts.try_get::<_, String>(column).map_err(Failure::from);
    let number = |column| facts.try_get::<_, i64>(column).map_err(Failure::from);
    Ok(Examination {
        back_end: "PostgreSQL",
        version: text("version")?,
        schema: schema::SCHEMA_VERSION,
        clock: row::time(&clock, "clock")?,
        size: number("size")?.unsigned_abs(),
        free: FREE,
        load,
        replicas,
        findings: vec![
            durability(&text("fsync")?, &text("full_page_writes")?, &text("synchronous_commit")?),
            standbys(number("standbys")?, &text("synchronous")?),
            connections(number("connections")?, number("connected")?),
            pooler(pooled),
            encryption(&facts)?,
            vacuum(&text("autovacuum")?, number("dead")?, number("lanes")?),
            transactions(number("oldest")?),
        ],
    })
}

fn durability(fsync: &str, full_page_writes: &str, synchronous_commit: &str) -> Finding {
    let subject = "durability";
    if fsync == "off" || full_page_writes == "off" {
        return Finding::problem(
            subject,
            format!(
                "fsync is {fsync} and full_page_writes is {full_page_writes}: a crash of the machine can lose or destroy everything"
            ),
            "set both to on in postgresql.conf",
        );
    }
    if synchronous_commit == "off" {
        return Finding::warning(
            subject,
            "the server's default for synchronous_commit is off; replicas turn it on for themselves, except behind a pooler",
            "set synchronous_commit = on for this database: ALTER DATABASE … SET synchronous_commit = on",
        );
    }
    Finding::ok(subject, format!("fsync on, synchronous_commit {synchronous_commit}"))
}

fn standbys(count: i64, synchronous: &str) -> Finding {
    let subject = "standbys";
    match (count, synchronous) {
        (0, _) => Finding::ok(subject, "none seen; what is accepted lives on this server's disk"),
        (_, "") => Finding::warning(
            subject,
            format!("{count}, all asynchronous: a fail-over can lose what was acknowledged just before"),
            "name them in synchronous_standby_names, with ANY 1 (…) so that one of them may be away",
        ),
        (_, names) => Finding::ok(subject, format!("{count}, synchronous: {names}")),
    }
}

fn connections(most: i64, connected: i64) -> Finding {
    let what = format!("{connected} of {most} in use");
    if most - connected >= SPARE {
        return Finding::ok("connections", what);
    }
    Finding::warning(
        "connections",
        what,
        "raise max_connections, or lower regrow.storeConnections: a replica takes up to 16 by default",
    )
}

fn pooler(pooled: bool) -> Finding {
    if !pooled {
        return Finding::ok("pooling", "connections are the server's own");
    }
    Finding::warning(
        "pooling",
        "a pooler shares connections by transaction: crashes are noticed by the lease only, and hints are polled for",
        "connect to the server itself, or to a pool in session mode",
    )
}

fn encryption(facts: &Row) -> Result<Finding, Failure> {
    let (encrypted, local): (bool, bool) = (facts.try_get("encrypted")?, facts.try_get("local")?);
    Ok(match (encrypted, local) {
        (true, _) => Finding::ok("encryption", "TLS"),
        (false, true) => Finding::ok("encryption", "none, on this machine"),
        (false, false) => Finding::warning(
            "encryption",
            "none: whoever is on the way to the server can read conversations",
            "turn TLS on at the server, and say sslmode=require in the store's URL",
        ),
    })
}

fn vacuum(autovacuum: &str, dead: i64, lanes: i64) -> Finding {
    let what = format!("autovacuum {autovacuum}, {dead} dead rows beside {lanes} sessions");
    if autovacuum == "off" {
        return Finding::problem("vacuum", what, "turn autovacuum on: without it every turn becomes slower");
    }
    if dead > DEAD.max(lanes) {
        return Finding::warning(
            "vacuum",
            what,
            "look for a transaction that is open for long: it keeps dead rows",
        );
    }
    Finding::ok("vacuum", what)
}

fn transactions(oldest: i64) -> Finding {
    if oldest < LONG {
        return Finding::ok("transactions", format!("the oldest is open for {oldest} s"));
    }
    Finding::warning(
        "transactions",
        format!("one has been open for {oldest} s, and keeps dead rows from being removed"),
        "end it, or run analyses on a standby",
    )
}
