//! Claiming: ready sessions get an owner and a new epoch, those that wait longest first.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use regrow_protocol::{Epoch, ReplicaId, SessionId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::failure::Failure;
use super::links::Links;
use super::pace::Pace;
use super::row;
use crate::{Claimed, Error, Former, Guard, InboxMessage, Loss};

/// A claim waits for the disk. One that was lost in a crash of the server would have given its epoch out: the sequence
/// forgets what was not on disk, and the same replica could get the same session under the same epoch once more, while it
/// still drives it. `$4`: those that became ready before it are not looked at. There is always a row, which says how long
/// the server took.
pub(super) const CLAIM: &str = "WITH ready AS (
    SELECT session, CASE WHEN freed_run = run THEN freed_from END AS freed_from, freed_by, freed_since
    FROM regrow.lanes
    WHERE state = 1 AND ready_at >= $4 AND session <> ALL($3) AND EXISTS (SELECT 1 FROM regrow.replicas r
        WHERE r.replica = $1 AND r.expires_at > now() AND NOT r.draining)
    ORDER BY ready_at LIMIT $2 FOR UPDATE SKIP LOCKED),
taken AS (
    UPDATE regrow.lanes t SET state = 2, replica = $1, attempt = t.attempt + 1,
        freed_from = NULL, freed_by = NULL, freed_run = NULL, freed_since = NULL,
        epoch = greatest(nextval('regrow.fence'), t.epoch + 1)
    FROM ready WHERE t.session = ready.session
    RETURNING t.session, t.key, t.epoch, t.run, t.attempt, t.blame, t.run_base, t.context_base, t.log_head,
        t.inbox_done, t.ready_at, ready.freed_from, ready.freed_by, ready.freed_since)
SELECT t.*, t.attempt::int8 AS attempts, t.blame::int8 AS blamed, i.seq, i.message, i.accepted_at, i.aborted, i.body,
    now() AS now, (extract(epoch FROM clock_timestamp() - now()) * 1000000)::int8 AS spent
FROM (VALUES (1)) AS one LEFT JOIN taken t ON true
    LEFT JOIN regrow.inbox i ON i.session = t.session AND i.seq = t.inbox_done + 1
ORDER BY t.ready_at";

/// The message at the head of an inbox.
pub(super) const MESSAGE: &str = "SELECT seq, message, accepted_at, aborted, body FROM regrow.inbox
    WHERE session = $1 AND seq = $2";

/// A session that is ready without a message has nothing to be claimed for.
pub(super) const REST: &str = "UPDATE regrow.lanes SET state = 0, replica = NULL, run = NULL
    WHERE session = $1 AND replica = $2 AND epoch = $3 AND inbox_head = inbox_done";

/// Gives a lease back that cannot be used here.
pub(super) const RETURN: &str =
    "UPDATE regrow.lanes SET state = 1, replica = NULL, attempt = greatest(attempt - 1, 0)
    WHERE session = $1 AND replica = $2 AND epoch = $3";

/// Sessions that are passed over because a newer release wrote what this one cannot read.
const PASSED_OVER: usize = 64;

/// How long a transaction may take that makes a session ready, or it is found by the next look at everything.
const SLACK: Duration = Duration::from_secs(1);

/// What it takes to claim a session that was found.
const CLAIMING: Duration = Duration::from_micros(500);

/// Claims for this process.
#[derive(Default)]
pub(super) struct Claims {
    passed_over: Mutex<Vec<Uuid>>,
    /// The pace of looks at everything.
    pace: Pace,
    /// Where to look in between: nothing before it was ready at the last look.
    since: Mutex<Option<SystemTime>>,
}

impl Claims {
    pub(super) async fn claim(
        &self,
        links: &Links,
        replica: ReplicaId,
        most: usize,
    ) -> Result<Vec<Claimed>, Error> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let passed_over = self.passed_over.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner).filter(|_| !self.pace.is_due());
        let params: [super::links::Param<'_>; 4] =
            [&row::of_replica(replica), &row::bound(most), &passed_over, &since.unwrap_or(UNIX_EPOCH)];
        let rows = links.query(CLAIM, &params).await?;
        let is_empty = |r: &Row| r.try_get::<_, Option<Uuid>>("session").is_ok_and(|s| s.is_none());
        let (rows, now) = match rows.as_slice() {
            [r] if is_empty(r) => (&[][..], Some(r)),
            rows => (rows, rows.first()),
        };
        if let Some(r) = now {
            self.looked(r, since.is_none(), rows.len(), most)?;
        }
        let mut all = Vec::with_capacity(rows.len());
        for r in rows {
            match take(links, r, replica).await {
                Ok(claimed) => all.extend(claimed),
                Err(Failure::Unreadable(why)) => self.pass_over(links, r, replica, &why).await?,
                // What was claimed and is not returned is found by the next heartbeat.
                Err(failure) => return if all.is_empty() { Err(failure.into()) } else { Ok(all) },
            }
        }
        Ok(all)
    }

    /// Sessions became ready that may have waited for long: the next look is at everything.
    pub(super) fn look_at_everything(&self) {
        self.pace.look_now();
    }

    /// A look found so many. `r` is its first row: what has been ready longest.
    fn looked(&self, r: &Row, at_everything: bool, found: usize, most: usize) -> Result<(), Failure> {
        if at_everything {
            let spent = Duration::from_micros(r.try_get::<_, i64>("spent")?.max(0).unsigned_abs());
            let claiming = CLAIMING * u32::try_from(found).unwrap_or(u32::MAX);
            self.pace.took(spent.saturating_sub(claiming));
        }
        let recent: SystemTime = r.try_get::<_, SystemTime>("now")? - SLACK;
        let oldest: Option<SystemTime> = r.try_get("ready_at")?;
        let since = oldest.filter(|oldest| found >= most && *oldest < recent).unwrap_or(recent);
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Some(since);
        Ok(())
    }

    /// A session that this release cannot read must not stand in the way of the others.
    async fn pass_over(&self, links: &Links, r: &Row, replica: ReplicaId, why: &str) -> Result<(), Error> {
        tracing::debug!(error = why, "a session of a newer release is left to it");
        let session: Uuid = r.try_get("session").map_err(Failure::from)?;
        let epoch = row::epoch(r, "epoch")?;
        {
            let mut passed_over = self.passed_over.lock().unwrap_or_else(PoisonError::into_inner);
            if passed_over.len() == PASSED_OVER {
                passed_over.remove(0);
            }
            passed_over.push(session);
        }
        links.query(RETURN, &[&session, &row::of_replica(replica), &epoch.0]).await?;
        Ok(())
    }
}

async fn take(links: &Links, r: &Row, replica: ReplicaId) -> Result<Option<Claimed>, Failure> {
    let session = row::session(r, "session")?;
    let session_key = row::session_key(r, "key")?;
    let epoch = row::epoch(r, "epoch")?;
    let Some(message) = message_of(links, r, session, replica, epoch).await? else { return Ok(None) };
    Ok(Some(Claimed {
        guard: Guard { session, replica, epoch, head: r.try_get("log_head")? },
        session_key,
        run: row::run(r, "run")?,
        attempt: row::count(r, "attempts")?,
        blame: row::count(r, "blamed")?,
        run_base: r.try_get("run_base")?,
        context_base: r.try_get("context_base")?,
        former: former(r)?,
        message,
    }))
}

/// The message to be answered. If it was accepted after the claim began, the claim knows of it without seeing it.
async fn message_of(
    links: &Links,
    r: &Row,
    session: SessionId,
    replica: ReplicaId,
    epoch: Epoch,
) -> Result<Option<InboxMessage>, Failure> {
    if r.try_get::<_, Option<i64>>("seq")?.is_some() {
        return message(r).map(Some);
    }
    let (session, done) = (row::of_session(session), r.try_get::<_, i64>("inbox_done")?);
    if let Some(r) = links.query_opt(MESSAGE, &[&session, &(done + 1)]).await? {
        return message(&r).map(Some);
    }
    links.query(REST, &[&session, &row::of_replica(replica), &epoch.0]).await?;
    Ok(None)
}

/// Whose the session was, if what stands there is about its last loss.
fn former(r: &Row) -> Result<Option<Former>, Failure> {
    if r.try_get::<_, Option<Uuid>>("freed_from")?.is_none() {
        return Ok(None);
    }
    let loss = r.try_get::<_, Option<i16>>("freed_by")?.map_or(Loss::Unknown, Loss::from_code);
    let now: SystemTime = r.try_get("now")?;
    let since = r.try_get::<_, Option<SystemTime>>("freed_since")?;
    // A clock that was set back meanwhile makes it no time, not an error.
    let stood_still = since.map(|since| now.duration_since(since).unwrap_or_default());
    Ok(Some(Former { replica: row::replica(r, "freed_from")?, loss, stood_still }))
}

fn message(r: &Row) -> Result<InboxMessage, Failure> {
    Ok(InboxMessage {
        seq: r.try_get("seq")?,
        id: row::run(r, "message")?,
        accepted_at: row::time(r, "accepted_at")?,
        aborted: r.try_get("aborted")?,
        body: r.try_get("body")?,
    })
}
