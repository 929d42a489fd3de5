//! Deleting what is over and has been kept long enough, a little at a time.
//!
//! The record of a run keeps what belongs to it: as long as it stands, so do the message and its key, and the entries of
//! the run and of every later one. The record of a session's newest ended run always stands. Positions stay as they are:
//! a log or an inbox that was shortened begins later.
//!
//! Lanes are looked at in the order of their ids, page by page, each call going on where the last one stopped. So nothing
//! has to be noted in the hot rows, and no index slows down their updates.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_postgres::Row;
use uuid::Uuid;

use super::failure::Failure;
use super::links::{Links, Param};
use super::row;
use crate::retention::Cutoffs;
use crate::{Error, Pruned, Retention};

pub(super) const NOW: &str = "SELECT now() AS now";

/// Lanes after one, and what each may have to delete: records of runs, entries before its context, or all.
pub(super) const PAGE: &str = "SELECT l.session, l.inbox_done, l.context_base, l.state = 0 AS idle,
    EXISTS (SELECT FROM (
        SELECT i.seq, coalesce(r.finished_at, i.accepted_at) AS at
        FROM regrow.inbox i LEFT JOIN regrow.runs r ON r.run = i.message
        WHERE i.session = l.session ORDER BY i.seq LIMIT 1) f
        WHERE f.seq < l.inbox_done AND f.at < $3) AS runs,
    l.state = 0 AND EXISTS (SELECT FROM (
        SELECT e.seq, e.at FROM regrow.log e WHERE e.session = l.session ORDER BY e.seq LIMIT 1) e
        WHERE e.seq <= l.context_base AND e.at < $4) AS history,
    coalesce(l.state = 0 AND l.updated_at < $5, false) AS whole
FROM regrow.lanes l WHERE l.session > $1 ORDER BY l.session LIMIT $2";

/// The oldest answered messages of a session, but not its last one, with the records of their runs.
pub(super) const RUNS: &str = "WITH old AS (
    SELECT f.seq, f.message FROM (
        SELECT i.seq, i.message, coalesce(r.finished_at, i.accepted_at) AS at
        FROM regrow.inbox i LEFT JOIN regrow.runs r ON r.run = i.message
        WHERE i.session = $1 AND i.seq < $2 ORDER BY i.seq LIMIT $4) f
    WHERE f.at < $3),
records AS (DELETE FROM regrow.runs USING old WHERE run = old.message),
messages AS (
    DELETE FROM regrow.inbox i USING old WHERE i.session = $1 AND i.seq = old.seq RETURNING i.seq)
SELECT count(*) AS deleted FROM messages";

/// The oldest entries of a log that are before its context and belong to no run with a record.
pub(super) const HISTORY: &str = "WITH bound AS (
    SELECT least($2::int8, (SELECT r.log_base FROM regrow.inbox i JOIN regrow.runs r ON r.run = i.message
        WHERE i.session = $1 ORDER BY i.seq LIMIT 1)) AS upto),
old AS (
    SELECT f.seq FROM (
        SELECT e.seq, e.at FROM regrow.log e
        WHERE e.session = $1 AND e.seq <= (SELECT upto FROM bound) ORDER BY e.seq LIMIT $4) f
    WHERE f.at < $3),
entries AS (DELETE FROM regrow.log e USING old WHERE e.session = $1 AND e.seq = old.seq RETURNING e.seq)
SELECT count(*) AS deleted FROM entries";

/// A whole session, if it is still idle and unchanged.
pub(super) const WHOLE: &str = "WITH lane AS (
    DELETE FROM regrow.lanes WHERE session = $1 AND state = 0 AND updated_at < $2 RETURNING session),
entries AS (DELETE FROM regrow.log e USING lane WHERE e.session = lane.session RETURNING e.seq),
records AS (
    DELETE FROM regrow.runs r USING regrow.inbox i, lane
    WHERE i.session = lane.session AND r.run = i.message RETURNING r.run),
messages AS (DELETE FROM regrow.inbox i USING lane WHERE i.session = lane.session)
SELECT (SELECT count(*) FROM lane) AS sessions, (SELECT count(*) FROM entries) AS entries,
    (SELECT count(*) FROM records) AS runs";

/// What all prunings together would delete: records of all answered messages but each session's last one, entries before
/// the context and before the oldest run whose record stays, and all of sessions that go.
pub(super) const PRUNABLE: &str = "SELECT
    (SELECT count(*) FROM regrow.lanes l
        JOIN regrow.inbox i ON i.session = l.session AND i.seq <= l.inbox_done
        JOIN regrow.runs r ON r.run = i.message
        WHERE (r.finished_at < $1 AND i.seq < l.inbox_done) OR (l.state = 0 AND l.updated_at < $3)) AS runs,
    (SELECT count(*) FROM regrow.lanes WHERE state = 0 AND updated_at < $3) AS sessions,
    (SELECT count(*) FROM regrow.lanes l JOIN regrow.log e ON e.session = l.session
        WHERE l.state = 0 AND (l.updated_at < $3 OR (e.seq <= l.context_base AND e.at < $2
            AND e.seq <= coalesce((SELECT r.log_base FROM regrow.inbox i JOIN regrow.runs r ON r.run = i.message
                WHERE i.session = l.session AND (r.finished_at >= $1 OR i.seq = l.inbox_done)
                ORDER BY i.seq LIMIT 1), l.context_base)))) AS entries";

/// Lanes of one look.
const LANES: usize = 500;

/// Where the last call stopped.
#[derive(Default)]
pub(super) struct Pruning {
    after: Mutex<Uuid>,
}

/// The times before which something is too old, as the server takes them.
struct Before {
    keys: SystemTime,
    history: Option<SystemTime>,
    sessions: Option<SystemTime>,
}

impl Before {
    async fn of(links: &Links, policy: &Retention) -> Result<Self, Failure> {
        let now = links.query_opt(NOW, &[]).await?.map_or(Ok(0), |r| row::time(&r, "now"))?;
        let Cutoffs { keys, sessions, history } = policy.cutoffs(now);
        let time = |millis: i64| UNIX_EPOCH + Duration::from_millis(millis.max(0).unsigned_abs());
        Ok(Self { keys: time(keys), history: history.map(time), sessions: sessions.map(time) })
    }
}

impl Pruning {
    pub(super) async fn prune(
        &self,
        links: &Links,
        policy: &Retention,
        most: usize,
    ) -> Result<Pruned, Error> {
        let before = Before::of(links, policy).await?;
        let mut work = Work { links, before, left: most, done: Pruned::default() };
        let mut after = *self.after.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_end = false;
        while work.left > 0 && !is_end {
            (after, is_end) = work.page(after).await?;
        }
        let next = if is_end { Uuid::nil() } else { after };
        *self.after.lock().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(Pruned { more: !is_end, ..work.done })
    }
}

/// The share of one call.
struct Work<'a> {
    links: &'a Links,
    before: Before,
    /// How much more may be deleted or looked at.
    left: usize,
    done: Pruned,
}

impl Work<'_> {
    /// Deletes what the lanes after one have to delete. Returns the last one that is done with, and whether it was the last
    /// of all.
    async fn page(&mut self, after: Uuid) -> Result<(Uuid, bool), Failure> {
        let Before { keys, history, sessions } = &self.before;
        let limit = row::bound(LANES);
        let params: [Param<'_>; 5] = [&after, &limit, keys, history, sessions];
        let lanes = self.links.query(PAGE, &params).await?;
        // A look that deletes nothing is work as well.
        self.left -= usize::from(lanes.len() == LANES);
        let mut done_with = after;
        for lane in &lanes {
            if !self.lane(lane).await? {
                return Ok((done_with, false));
            }
            done_with = lane.try_get("session")?;
        }
        Ok((done_with, lanes.len() < LANES))
    }

    /// Deletes what a lane has to delete; false if there was more than may be.
    async fn lane(&mut self, lane: &Row) -> Result<bool, Failure> {
        let session: Uuid = lane.try_get("session")?;
        let context_base: i64 = lane.try_get("context_base")?;
        if lane.try_get("runs")? {
            let done: i64 = lane.try_get("inbox_done")?;
            let keys = self.before.keys;
            let deleted = self.delete(RUNS, session, done, keys).await?;
            self.done.runs += deleted;
            if self.left == 0 {
                return Ok(false);
            }
        }
        // What a record kept may go with it.
        if let Some(history) = self.before.history
            && (lane.try_get("history")? || (lane.try_get("idle")? && lane.try_get("runs")?))
            && !self.shorten(session, context_base, history).await?
        {
            return Ok(false);
        }
        match self.before.sessions {
            Some(sessions) if lane.try_get("whole")? => self.whole(session, context_base, sessions).await,
            _ => Ok(true),
        }
    }

    /// Entries that no conversation needs; false if there were more than may be.
    async fn shorten(&mut self, session: Uuid, upto: i64, before: SystemTime) -> Result<bool, Failure> {
        let deleted = self.delete(HISTORY, session, upto, before).await?;
        self.done.entries += deleted;
        Ok(self.left > 0)
    }

    /// A whole session. What its conversation does not need goes first, in as many steps as it takes; the rest goes at once,
    /// however much it is.
    async fn whole(&mut self, session: Uuid, upto: i64, before: SystemTime) -> Result<bool, Failure> {
        let ever = SystemTime::now() + Duration::from_secs(86_400 * 365);
        if !self.shorten(session, upto, ever).await? {
            return Ok(false);
        }
        let gone = self.links.query_opt(WHOLE, &[&session, &before]).await?;
        if let Some(r) = gone {
            let count = |column| r.try_get::<_, i64>(column).map(i64::unsigned_abs);
            let (sessions, entries, runs) = (count("sessions")?, count("entries")?, count("runs")?);
            self.done += Pruned { sessions, entries, runs, more: false };
            self.spend(entries + runs);
        }
        Ok(self.left > 0)
    }

    async fn delete(
        &mut self,
        sql: &'static str,
        session: Uuid,
        upto: i64,
        before: SystemTime,
    ) -> Result<u64, Failure> {
        let limit = row::bound(self.left);
        let gone = self.links.query_opt(sql, &[&session, &upto, &before, &limit]).await?;
        let deleted = gone.map_or(Ok(0), |r| r.try_get::<_, i64>("deleted"))?.unsigned_abs();
        self.spend(deleted);
        Ok(deleted)
    }

    fn spend(&mut self, deleted: u64) {
        self.left = self.left.saturating_sub(usize::try_from(deleted).unwrap_or(usize::MAX));
    }
}

pub(super) async fn prunable(links: &Links, policy: &Retention) -> Result<Pruned, Error> {
    let Before { keys, history, sessions } = Before::of(links, policy).await?;
    let Some(r) = links.query_opt(PRUNABLE, &[&keys, &history, &sessions]).await? else {
        return Ok(Pruned::default());
    };
    let count = |column| r.try_get::<_, i64>(column).map(i64::unsigned_abs).map_err(Failure::from);
    Ok(Pruned { runs: count("runs")?, sessions: count("sessions")?, entries: count("entries")?, more: false })
}
