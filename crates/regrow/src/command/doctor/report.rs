//! What was found, for people and for programs.

use std::time::Duration;

use regrow_store::{Finding, Level, ReplicaView};
use serde_json::{Value, json};

use super::latency::Times;
use super::store::Seen;
use crate::table;

/// A row for each finding, and below it what to do.
pub(super) fn print(findings: &[Finding]) {
    let mut rows = Vec::new();
    for finding in findings {
        let mut lines = finding.what.lines();
        let first = lines.next().unwrap_or_default();
        rows.push([finding.level.as_str().to_owned(), finding.subject.to_owned(), first.to_owned()]);
        rows.extend(lines.map(|line| [String::new(), String::new(), line.to_owned()]));
        if !finding.advice.is_empty() {
            rows.push([String::new(), String::new(), format!("-> {}", finding.advice)]);
        }
    }
    table::print(["", "CHECK", "FOUND"], &rows);
    println!("\n{}", summary(findings));
}

fn summary(findings: &[Finding]) -> String {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    match (count(Level::Problem), count(Level::Warning)) {
        (0, 0) => "all is well".to_owned(),
        (0, warnings) => format!("no problem, {warnings} to look at"),
        (problems, warnings) => format!("{problems} to correct, {warnings} to look at"),
    }
}

pub(super) fn json(findings: &[Finding], seen: Option<&Seen>) -> Value {
    let worst = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
    let all = findings.iter().map(|finding| {
        json!({
            "level": finding.level.as_str(), "check": finding.subject, "found": finding.what,
            "advice": finding.advice,
        })
    });
    json!({ "level": worst.as_str(), "findings": all.collect::<Value>(), "store": seen.map(store) })
}

fn store(seen: &Seen) -> Value {
    let examined = &seen.examination;
    let replica = |view: &ReplicaView| json!({ "replicaId": view.id, "version": view.version, "address": view.address, "running": view.running });
    json!({
        "backEnd": examined.back_end, "version": examined.version, "schema": examined.schema,
        "clock": examined.clock, "skewMs": seen.skew, "sizeBytes": examined.size, "freeBytes": examined.free,
        "ready": examined.load.ready, "running": examined.load.running,
        "oldestReadyMs": ms(examined.load.oldest_ready),
        "replicas": examined.replicas.iter().map(replica).collect::<Value>(),
        "reads": seen.reads.map(times), "commits": seen.commits.map(times),
    })
}

fn times(times: Times) -> Value {
    json!({ "medianMs": ms(times.median), "worstMs": ms(times.worst) })
}

/// Milliseconds with fractions.
fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
