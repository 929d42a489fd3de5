//! Every statement on a real server, and the plans of those that run all the time.
//!
//! A plan is made once for each connection, perhaps while the tables were empty, and has to do for ever. So none may read a
//! whole table, whatever the planner knows.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regrow_store::postgres::{CONNECTION_SETTINGS, PostgresStore, STATEMENTS};
use tokio_postgres::Client;

use crate::conformance::harness::Harness;
use crate::harness::PostgresHarness;

/// Constants that are text and no statement.
const OTHERS: [&str; 4] =
    ["links::BEGIN", "links::SETTINGS", "statements::CONNECTION_SETTINGS", "wake::CHANNEL"];

/// Statements for people, and for what happens hourly: they may read much.
const COLD: [&str; 3] = ["history::SESSIONS", "views::RUNS", "prune::PRUNABLE"];

/// Indexes of what waits or runs just now, and the statements that are about all of that. To any other they are as bad as a
/// table: thousands of lanes may run.
const SMALL: [&str; 2] = ["lanes_ready", "lanes_owner"];
const ABOUT_ALL: [&str; 7] = [
    "claim::CLAIM",
    "heartbeat::BEAT",
    "reap::EXPEL",
    "reap::ORPHANS",
    "views::LOAD",
    "views::REPLICAS",
    "views::RUNNING",
];

/// Tables that grow with what has ever happened.
const LARGE: [&str; 4] = ["lanes", "inbox", "log", "runs"];

/// Sessions of a store that has grown.
const GROW: &str = "
    INSERT INTO regrow.lanes (session, key, state, run, inbox_head, inbox_done, log_head)
        SELECT md5(n::text)::uuid, 'agent:main:' || n, 0, NULL, 2, 2, 4 FROM generate_series(1, 50000) n;
    INSERT INTO regrow.inbox (session, seq, message, dedupe, fingerprint, body)
        SELECT md5(n::text)::uuid, s, md5(n || 'm' || s)::uuid, 'k' || s, 7, '' FROM generate_series(1, 50000) n,
            generate_series(1, 2) s;
    INSERT INTO regrow.log (session, seq, run, epoch, kind, payload)
        SELECT md5(n::text)::uuid, s, md5(n || 'm1')::uuid, 1, 1, '' FROM generate_series(1, 50000) n,
            generate_series(1, 4) s;
    INSERT INTO regrow.runs (run, session, status, log_base, log_head, usage, epoch)
        SELECT md5(n || 'm' || s)::uuid, md5(n::text)::uuid, 1, 0, 2, '{}', 1 FROM generate_series(1, 50000) n,
            generate_series(1, 2) s;";

/// The constants of text that the sources of the back-end hold.
fn constants() -> BTreeSet<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/postgres");
    let mut found = BTreeSet::new();
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let names = text.split("const ").skip(1).filter_map(|rest| Some(rest.split_once(": &str =")?.0));
        let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        found.extend(names.filter(is_name).map(|name| format!("{module}::{name}")));
    }
    found
}

#[test]
fn every_statement_is_in_the_list() {
    let listed: BTreeSet<String> = STATEMENTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut present = constants();
    assert!(present.len() > 40, "the sources were not found");
    for other in OTHERS {
        assert!(present.remove(other), "{other} is no constant any more");
    }
    assert_eq!(present, listed);
}

#[tokio::test]
async fn every_statement_can_be_prepared() {
    let harness = opened().await;
    for (name, sql) in STATEMENTS {
        harness.client.prepare(sql).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
}

#[tokio::test]
async fn no_plan_of_what_runs_all_the_time_reads_a_whole_table() {
    let harness = opened().await;
    let tables = LARGE.map(|table| format!("ALTER TABLE regrow.{table} SET (autovacuum_enabled = off);"));
    harness.client.batch_execute(&tables.concat()).await.unwrap();
    let mut wrong = look_at_plans(&harness, "of an empty store").await;
    harness.client.batch_execute(GROW).await.unwrap();
    wrong.extend(look_at_plans(&harness, "of a store that has grown unseen").await);
    harness.client.batch_execute("ANALYZE").await.unwrap();
    wrong.extend(look_at_plans(&harness, "of a store that has grown").await);
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The judgement can fail: a statement that reads everything is found.
#[tokio::test]
async fn a_plan_that_reads_a_whole_table_is_found() {
    let harness = opened().await;
    harness.client.batch_execute(CONNECTION_SETTINGS).await.unwrap();
    for sql in [
        "SELECT * FROM regrow.inbox WHERE fingerprint = $1",
        "SELECT count(session) FROM regrow.lanes WHERE $1::int8 > 0",
        "SELECT log_head FROM regrow.lanes WHERE session = $1 AND replica = $2 AND state = 2",
    ] {
        let plan = plan(&harness.client, sql).await;
        assert!(reads_everything(&plan, false).is_some(), "{plan}");
    }
}

async fn opened() -> PostgresHarness {
    let harness = PostgresHarness::open().await;
    drop(PostgresStore::open(&harness.options("statements")).await.unwrap());
    harness
}

async fn look_at_plans(harness: &PostgresHarness, when: &str) -> Vec<String> {
    let client = harness.connect().await;
    client.batch_execute(CONNECTION_SETTINGS).await.unwrap();
    let mut wrong = Vec::new();
    for (name, sql) in STATEMENTS.iter().filter(|(name, _)| !COLD.contains(name)) {
        let plan = plan(&client, sql).await;
        if let Some(line) = reads_everything(&plan, ABOUT_ALL.contains(name)) {
            wrong.push(format!("{name} {when}: {line}\n{plan}"));
        }
    }
    wrong
}

/// The plan that a connection makes once.
async fn plan(client: &Client, sql: &str) -> String {
    let parameters = client.prepare(sql).await.unwrap().params().len();
    client.batch_execute(&format!("PREPARE looked_at AS {sql}")).await.unwrap();
    let nothing = vec!["NULL"; parameters].join(", ");
    let arguments = if parameters > 0 { format!("({nothing})") } else { String::new() };
    let lines =
        client.simple_query(&format!("EXPLAIN (COSTS OFF) EXECUTE looked_at{arguments}")).await.unwrap();
    client.batch_execute("DEALLOCATE looked_at").await.unwrap();
    let text = lines.iter().filter_map(|line| match line {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    text.collect::<Vec<_>>().join("\n")
}

/// The step of a plan that reads a large table or index from one end to the other, or all that waits or runs though the
/// statement is not `about_all` of that.
fn reads_everything(plan: &str, about_all: bool) -> Option<&str> {
    let lines: Vec<&str> = plan.lines().collect();
    lines.iter().enumerate().find_map(|(at, line)| {
        let own = lines[at + 1..].iter().take_while(|line| !line.contains("->") && !line.contains("Plan"));
        let is_bound = own.clone().any(|line| line.contains("Index Cond"));
        let of_large = |rest: &str| LARGE.contains(&rest.split(' ').next().unwrap_or_default());
        let is_wrong = if let Some((_, table)) = line.split_once("Seq Scan on ") {
            of_large(table)
        } else if let Some((_, rest)) = line.split_once("Bitmap Index Scan on ") {
            if SMALL.contains(&rest) {
                !about_all
            } else {
                !is_bound && LARGE.iter().any(|table| rest.starts_with(table))
            }
        } else if let Some((_, rest)) =
            line.split_once("Scan using ").or(line.split_once("Scan Backward using "))
        {
            let (index, table) = rest.split_once(" on ").unwrap_or((rest, ""));
            if SMALL.contains(&index) { !about_all } else { !is_bound && of_large(table) }
        } else {
            false
        };
        is_wrong.then_some(*line)
    })
}
