//! Deleting what is over and has been kept long enough, a little at a time.
//!
//! The record of a run keeps what belongs to it: as long as it stands, so do the message and its key, and the entries of
//! the run and of every later one. The record of a session's newest ended run always stands. Positions stay as they are:
//! a log or an inbox that was shortened begins later. Each lane says what is the oldest that may have to go, so that a
//! look finds its way by an index; a lane that was looked at and stays is not met again before its time.

use regrow_protocol::{RunId, Seq, SessionId};
use rusqlite::{OptionalExtension, Row, named_params};

use super::history::bound;
use super::row;
use super::writer::{Tx, Writer};
use crate::{Error, Pruned, Retention};

/// Lanes with answered messages, other than the last one, that may be too old.
const ANSWERED: &str = "SELECT session, inbox_tail AS tail, inbox_done AS done FROM lanes
    WHERE inbox_done > inbox_tail + 1 AND inbox_tail_at < :before ORDER BY inbox_tail_at LIMIT :limit";

/// The answered messages of a session except the last one, and when they were answered.
const MESSAGES: &str = "SELECT i.seq, i.message, coalesce(r.finished_at, i.accepted_at) AS at
    FROM inbox i LEFT JOIN runs r ON r.run = i.message
    WHERE i.session = :session AND i.seq > :tail AND i.seq < :done ORDER BY i.seq LIMIT :limit";

const DELETE_RUN: &str = "DELETE FROM runs WHERE run = :run";

const DELETE_MESSAGE: &str = "DELETE FROM inbox WHERE session = :session AND seq = :seq";

/// Entries that a record kept may go with it.
const ADVANCE_INBOX: &str = "UPDATE lanes SET inbox_tail = :tail, inbox_tail_at = :at,
        log_tail_at = CASE WHEN :deleted > 0 THEN 0 ELSE log_tail_at END
    WHERE session = :session";

/// Idle lanes with entries before their context that may be too old.
const OUTGROWN: &str = "SELECT session, log_tail AS tail, context_base FROM lanes
    WHERE context_base > log_tail AND log_tail_at < :before AND state = 0 ORDER BY log_tail_at LIMIT :limit";

/// Where the entries of the oldest run begin that has a record.
const OLDEST_RECORD: &str = "SELECT r.log_base FROM inbox i JOIN runs r ON r.run = i.message
    WHERE i.session = :session ORDER BY i.seq LIMIT 1";

const ENTRIES: &str = "SELECT seq, at FROM log
    WHERE session = :session AND seq > :tail AND seq <= :end ORDER BY seq LIMIT :limit";

const DELETE_ENTRIES: &str = "DELETE FROM log WHERE session = :session AND seq > :tail AND seq <= :end";

const ADVANCE_LOG: &str = "UPDATE lanes SET log_tail = :tail, log_tail_at = :at WHERE session = :session";

/// Sessions that nothing has happened to for too long.
const UNCHANGED: &str = "SELECT session, log_tail AS tail, context_base FROM lanes
    WHERE state = 0 AND updated_at < :before ORDER BY updated_at LIMIT :limit";

/// The whole session goes, if it is still idle and unchanged.
const DELETE_LANE: &str = "DELETE FROM lanes WHERE session = :session AND state = 0 AND updated_at < :before";

const DELETE_LOG: &str = "DELETE FROM log WHERE session = :session";

const DELETE_RUNS: &str =
    "DELETE FROM runs WHERE run IN (SELECT message FROM inbox WHERE session = :session)";

const DELETE_INBOX: &str = "DELETE FROM inbox WHERE session = :session";

pub(super) async fn prune(writer: &Writer, policy: &Retention, most: usize) -> Result<Pruned, Error> {
    let policy = *policy;
    writer
        .write(move |tx| {
            let mut work = Work { tx, left: most, done: Pruned::default() };
            let cutoffs = policy.cutoffs(tx.now);
            work.runs(cutoffs.keys)?;
            if let Some(before) = cutoffs.history {
                work.history(before)?;
            }
            if let Some(before) = cutoffs.sessions {
                work.sessions(before)?;
            }
            Ok(Pruned { more: work.left == 0, ..work.done })
        })
        .await
}

/// One transaction's share.
struct Work<'a, 'b> {
    tx: &'a Tx<'b>,
    /// How much more may be deleted or looked at.
    left: usize,
    done: Pruned,
}

/// A lane that may have something to delete.
struct Lane {
    session: SessionId,
    /// What is deleted already.
    tail: Seq,
    /// What may be deleted at most.
    end: Seq,
}

impl Work<'_, '_> {
    /// Lanes in the order of their index, as many as there is work left for.
    fn lanes(&self, sql: &str, end: &str, before: i64) -> rusqlite::Result<Vec<Lane>> {
        let mut statement = self.tx.connection.prepare_cached(sql)?;
        let params = named_params! { ":before": before, ":limit": bound(self.left) };
        let lanes = statement.query_map(params, |r| {
            Ok(Lane { session: row::session(r, "session")?, tail: r.get("tail")?, end: r.get(end)? })
        })?;
        lanes.collect()
    }

    /// So much was deleted of a lane. A look that deletes nothing is work as well.
    fn spend(&mut self, deleted: usize) {
        self.left = self.left.saturating_sub(deleted.max(1));
    }

    /// Records of ended runs, with their messages and keys.
    fn runs(&mut self, before: i64) -> rusqlite::Result<()> {
        for lane in self.lanes(ANSWERED, "done", before)? {
            if self.left == 0 {
                return Ok(());
            }
            let (deleted, tail, at) = self.runs_of(&lane, before)?;
            self.done.runs += deleted as u64;
            self.spend(deleted);
            self.tx.connection.prepare_cached(ADVANCE_INBOX)?.execute(named_params! {
                ":session": lane.session.as_bytes(), ":tail": tail, ":at": at, ":deleted": bound(deleted),
            })?;
        }
        Ok(())
    }

    /// Deletes the oldest runs of a lane; returns how many, the new tail, and how old the next one is at most.
    fn runs_of(&self, lane: &Lane, before: i64) -> rusqlite::Result<(usize, Seq, i64)> {
        let (session, mut tail, mut deleted) = (lane.session.as_bytes(), lane.tail, 0);
        let answered = named_params! {
            ":session": session, ":tail": lane.tail, ":done": lane.end, ":limit": bound(self.left),
        };
        let read = |r: &Row<'_>| Ok((r.get("seq")?, row::run(r, "message")?, r.get("at")?));
        let mut messages = self.tx.connection.prepare_cached(MESSAGES)?;
        let messages: Vec<(Seq, RunId, i64)> =
            messages.query_map(answered, read)?.collect::<Result<_, _>>()?;
        for (seq, run, at) in messages {
            if at >= before {
                return Ok((deleted, tail, at));
            }
            let run = named_params! { ":run": run.as_bytes() };
            self.tx.connection.prepare_cached(DELETE_RUN)?.execute(run)?;
            let message = named_params! { ":session": session, ":seq": seq };
            self.tx.connection.prepare_cached(DELETE_MESSAGE)?.execute(message)?;
            (tail, deleted) = (seq, deleted + 1);
        }
        // Either the rest has to wait for the next transaction, or all but the last one is gone.
        let is_all = deleted < self.left;
        Ok((deleted, if is_all { lane.end - 1 } else { tail }, if is_all { self.tx.now } else { 0 }))
    }

    /// Entries before the context of idle lanes.
    fn history(&mut self, before: i64) -> rusqlite::Result<()> {
        for lane in self.lanes(OUTGROWN, "context_base", before)? {
            if self.left == 0 {
                return Ok(());
            }
            let (deleted, _) = self.shorten(&lane, before)?;
            self.spend(deleted);
        }
        Ok(())
    }

    /// Deletes the oldest entries of a log that are before its context and belong to no run with a record; returns how
    /// many, and whether none such is left.
    fn shorten(&mut self, lane: &Lane, before: i64) -> rusqlite::Result<(usize, bool)> {
        let session = lane.session.as_bytes();
        let oldest = named_params! { ":session": session };
        let record: Option<Seq> =
            self.tx.connection.prepare_cached(OLDEST_RECORD)?.query_row(oldest, |r| r.get(0)).optional()?;
        let end = lane.end.min(record.unwrap_or(lane.end));
        let old = named_params! { ":session": session, ":tail": lane.tail, ":end": end, ":limit": bound(self.left) };
        let read = |r: &Row<'_>| Ok((r.get("seq")?, r.get("at")?));
        let entries: Vec<(Seq, i64)> =
            self.tx.connection.prepare_cached(ENTRIES)?.query_map(old, read)?.collect::<Result<_, _>>()?;
        let too_old: Vec<Seq> =
            entries.iter().take_while(|(_, at)| *at < before).map(|(seq, _)| *seq).collect();
        let young = entries.get(too_old.len()).map(|(_, at)| *at);
        let is_all = young.is_none() && entries.len() < self.left;
        let tail = if is_all { end.max(lane.tail) } else { too_old.last().copied().unwrap_or(lane.tail) };
        let gone = named_params! { ":session": session, ":tail": lane.tail, ":end": tail };
        let deleted = self.tx.connection.prepare_cached(DELETE_ENTRIES)?.execute(gone)?;
        // What a record keeps is looked at again when it may have become too old once more.
        let at = if is_all { self.tx.now } else { young.unwrap_or(0) };
        let advance = named_params! { ":session": session, ":tail": tail, ":at": at };
        self.tx.connection.prepare_cached(ADVANCE_LOG)?.execute(advance)?;
        self.done.entries += deleted as u64;
        Ok((deleted, is_all))
    }

    /// Whole sessions. What their conversations do not need goes first, in as many transactions as it takes; the rest goes
    /// at once, however much it is.
    fn sessions(&mut self, before: i64) -> rusqlite::Result<()> {
        for lane in self.lanes(UNCHANGED, "context_base", before)? {
            if self.left == 0 {
                return Ok(());
            }
            let (deleted, is_all) = self.shorten(&lane, i64::MAX)?;
            self.left -= deleted.min(self.left);
            if is_all {
                self.session(lane.session, before)?;
            }
        }
        Ok(())
    }

    fn session(&mut self, session: SessionId, before: i64) -> rusqlite::Result<()> {
        let connection = self.tx.connection;
        let lane = named_params! { ":session": session.as_bytes(), ":before": before };
        if connection.prepare_cached(DELETE_LANE)?.execute(lane)? == 0 {
            return Ok(());
        }
        let delete = |sql: &str| {
            connection.prepare_cached(sql)?.execute(named_params! { ":session": session.as_bytes() })
        };
        let entries = delete(DELETE_LOG)?;
        let runs = delete(DELETE_RUNS)?;
        delete(DELETE_INBOX)?;
        self.done.sessions += 1;
        self.done.entries += entries as u64;
        self.done.runs += runs as u64;
        self.spend(entries + runs);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::{schema, writer};

    /// How SQLite finds the rows of a statement.
    fn plan(sql: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.sqlite");
        let mut connection = writer::connect(&path).unwrap();
        schema::migrate(&mut connection, &path).unwrap();
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.raw_query().mapped(|r| r.get::<_, String>("detail"));
        rows.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
    }

    #[test]
    fn no_statement_walks_a_whole_table() {
        for (sql, index) in [
            (ANSWERED, "INDEX lanes_inbox_tail (inbox_tail_at<?)"),
            (OUTGROWN, "INDEX lanes_log_tail (log_tail_at<?)"),
            (UNCHANGED, "INDEX lanes_idle (updated_at<?)"),
            (MESSAGES, "r USING PRIMARY KEY (run=?)"),
            (OLDEST_RECORD, "i USING PRIMARY KEY (session=?)"),
            (ENTRIES, "PRIMARY KEY (session=? AND seq>? AND seq<?)"),
            (DELETE_ENTRIES, "PRIMARY KEY (session=? AND seq>? AND seq<?)"),
            (DELETE_RUN, "PRIMARY KEY (run=?)"),
            (DELETE_MESSAGE, "PRIMARY KEY (session=? AND seq=?)"),
            (ADVANCE_INBOX, "PRIMARY KEY (session=?)"),
            (ADVANCE_LOG, "PRIMARY KEY (session=?)"),
            (DELETE_LANE, "PRIMARY KEY (session=?)"),
            (DELETE_LOG, "PRIMARY KEY (session=?)"),
            (DELETE_RUNS, "PRIMARY KEY (run=?)"),
            (DELETE_INBOX, "PRIMARY KEY (session=?)"),
        ] {
            let plan = plan(sql);
            assert!(plan.contains(index), "{sql}: {plan}");
            assert!(!plan.contains("SCAN") && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        }
    }
}
