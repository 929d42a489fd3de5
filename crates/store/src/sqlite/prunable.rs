//! Counting what is over and has been kept long enough, for people who want to know before they delete it.

use rusqlite::{Connection, ToSql};

use crate::{Pruned, Retention};

/// All answered messages but the last one, and all of sessions that go.
const RUNS: &str = "SELECT count(*) FROM lanes l
        JOIN inbox i ON i.session = l.session AND i.seq > l.inbox_tail AND i.seq <= l.inbox_done
        JOIN runs r ON r.run = i.message
    WHERE (r.finished_at < :keys AND i.seq < l.inbox_done) OR (l.state = 0 AND l.updated_at < :sessions)";

const SESSIONS: &str = "SELECT count(*) FROM lanes WHERE state = 0 AND updated_at < :sessions";

/// Entries before the context and before the oldest run whose record stays, and all of sessions that go.
const ENTRIES: &str = "SELECT count(*) FROM lanes l
        JOIN log e ON e.session = l.session AND e.seq > l.log_tail
    WHERE l.state = 0 AND (l.updated_at < :sessions OR (e.seq <= l.context_base AND e.at < :history
        AND e.seq <= coalesce((SELECT r.log_base FROM inbox i JOIN runs r ON r.run = i.message
            WHERE i.session = l.session AND (r.finished_at >= :keys OR i.seq = l.inbox_done)
            ORDER BY i.seq LIMIT 1), l.context_base)))";

/// What all prunings together would delete.
pub(super) fn prunable(connection: &Connection, policy: &Retention, now: i64) -> rusqlite::Result<Pruned> {
    let cutoffs = policy.cutoffs(now);
    let count = |sql: &str, params: &[(&str, &dyn ToSql)]| -> rusqlite::Result<u64> {
        connection.prepare_cached(sql)?.query_row(params, |r| r.get::<_, i64>(0)).map(i64::unsigned_abs)
    };
    let sessions: (&str, &dyn ToSql) = (":sessions", &cutoffs.sessions);
    let keys: (&str, &dyn ToSql) = (":keys", &cutoffs.keys);
    Ok(Pruned {
        runs: count(RUNS, &[keys, sessions])?,
        sessions: count(SESSIONS, &[sessions])?,
        entries: count(ENTRIES, &[keys, sessions, (":history", &cutoffs.history)])?,
        more: false,
    })
}
