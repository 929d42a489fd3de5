//! Ending runs: last entries, each run's record, the inbox advanced, the lease kept or given up, all or nothing.

use regrow_protocol::{Epoch, SessionId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::append::{self, Entries, Guards};
use super::failure::Failure;
use super::links::{Links, Param};
use super::row;
use super::writers::Intent;
use crate::{Claimed, Finish, Finished, Guard, InboxMessage};

/// The guard and everything that the ends change in the lanes. `next` is the message that comes next in its session. If one
/// was accepted since the statement began, so that the lane knows of it and the statement does not see it, nothing is
/// written, and the end is tried again.
///
/// The words of a message are in the log once it is answered. Chat clients send their whole history with each message, so
/// keeping large ones would store a conversation many times over.
pub(super) const FINISH: &str = "WITH asked AS MATERIALIZED (
    SELECT a.*, i.message AS next, i.accepted_at AS next_at, i.aborted AS next_aborted,
        CASE WHEN a.keep THEN i.body END AS next_body
    FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::uuid[], $8::int8[],
            $9::int2[], $10::text[], $11::text[], $12::bool[], $13::bool[], $14::int8[]) WITH ORDINALITY
        AS a(session, replica, epoch, head, entries, done, run, run_base, status, error, usage, keep, large, first, n)
    LEFT JOIN regrow.inbox i ON i.session = a.session AND i.seq = a.done + 1
    ORDER BY a.session),
ended AS (
    UPDATE regrow.lanes t SET log_head = t.log_head + u.entries, inbox_done = u.done,
        state = CASE WHEN u.next IS NULL THEN 0 WHEN u.keep THEN 2 ELSE 1 END,
        replica = CASE WHEN u.next IS NOT NULL AND u.keep THEN t.replica END,
        run = u.next, run_base = t.log_head + u.entries,
        epoch = CASE WHEN u.next IS NOT NULL AND u.keep
            THEN greatest(nextval('regrow.fence'), t.epoch + 1) ELSE t.epoch END,
        attempt = CASE WHEN u.next IS NOT NULL AND u.keep THEN 1 ELSE 0 END,
        blame = 0, ready_at = now(), updated_at = now()
    FROM asked u
    WHERE t.session = u.session AND t.replica = u.replica AND t.epoch = u.epoch AND t.log_head = u.head
        AND (t.inbox_head > u.done) = (u.next IS NOT NULL)
    RETURNING u.n, u.session, u.head, u.first, u.entries, u.large, u.epoch AS lease, u.run, u.done, u.run_base,
        u.status, u.error, u.usage,
        u.next_at, u.next_aborted, u.next_body, u.next, t.log_head, t.state, t.epoch, t.context_base),
written AS (
    INSERT INTO regrow.log (session, seq, run, epoch, kind, payload)
    SELECT d.session, d.head + i, d.run, d.lease, ($15::int2[])[d.first + i], ($16::bytea[])[d.first + i]
    FROM ended d CROSS JOIN LATERAL generate_series(1, d.entries) AS i),
recorded AS (
    INSERT INTO regrow.runs (run, session, status, log_base, log_head, error, usage, epoch, kept_epoch)
    SELECT run, session, status, run_base, log_head, error, usage, lease, CASE WHEN state = 2 THEN epoch END
    FROM ended),
forgotten AS (
    UPDATE regrow.inbox i SET body = '' FROM ended d
    WHERE d.large AND i.session = d.session AND i.seq = d.done)
SELECT n, state, epoch, log_head, context_base, done + 1 AS seq, next AS message, next_at AS accepted_at,
    next_aborted AS aborted, next_body AS body
FROM ended";

/// This lease has ended the run, in this way.
pub(super) const RECORDED: &str = "SELECT EXISTS (SELECT 1 FROM regrow.runs
    WHERE run = $1 AND epoch = $2 AND status = $3 AND log_head = $4) AS recorded";

/// The run that this replica began when it kept the lease, if the answer to that was lost. A lease of the same session that
/// it got in another way has another epoch, and another holder.
pub(super) const KEPT: &str = "SELECT l.epoch, l.log_head, l.context_base, i.seq, i.message, i.accepted_at,
        i.aborted, i.body
    FROM regrow.lanes l JOIN regrow.inbox i ON i.session = l.session AND i.seq = l.inbox_done + 1
    WHERE l.session = $1 AND l.replica = $2 AND l.run_base = l.log_head AND l.run = i.message
        AND l.epoch = (SELECT kept_epoch FROM regrow.runs WHERE run = $3)";

/// The largest message that is kept whole beside the log.
const KEPT_BYTES: usize = 1_024;

/// How often an end is tried that missed a message which came at the same time.
const TRIES: usize = 8;

/// An end on its way.
pub(super) struct End {
    pub(super) claimed: Claimed,
    pub(super) finish: Finish,
}

/// What became of an end.
pub(super) enum Answer {
    /// It is recorded. The session may wait for somebody to claim it.
    Ended { finished: Finished, is_ready: bool },
    /// The lease is gone.
    Fenced,
    /// The lease is still held, and nothing was written.
    Missed,
}

impl Intent for End {
    type Answer = Answer;

    fn session(&self) -> SessionId {
        self.claimed.guard.session
    }

    fn bytes(&self) -> usize {
        append::bytes(&self.finish.entries) + self.finish.usage.len()
    }

    fn goes_with(&self, _other: &Self) -> bool {
        true
    }

    async fn carry_out(links: &Links, group: &[&Self]) -> Result<Vec<Answer>, Failure> {
        let mut answers: Vec<Answer> = Vec::new();
        answers.resize_with(group.len(), || Answer::Missed);
        for r in &end_all(links, group).await? {
            let place = append::place(r)?;
            if let (Some(answer), Some(end)) = (answers.get_mut(place), group.get(place)) {
                *answer = ended(r, end)?;
            }
        }
        for (answer, end) in answers.iter_mut().zip(group) {
            let mut tries = 1;
            while matches!(answer, Answer::Missed) {
                *answer = repeated(links, end).await?;
                if matches!(answer, Answer::Missed) {
                    if let Some(r) = end_all(links, &[end]).await?.first() {
                        *answer = ended(r, end)?;
                    } else if tries == TRIES {
                        return Err(Failure::NoConnection("the session does not come to rest".to_owned()));
                    }
                    tries += 1;
                }
            }
        }
        Ok(answers)
    }
}

async fn end_all(links: &Links, group: &[&End]) -> Result<Vec<Row>, Failure> {
    let guards = Guards::of(group.iter().map(|end| (&end.claimed.guard, end.finish.entries.as_slice())));
    let done: Vec<i64> = group.iter().map(|end| end.claimed.message.seq).collect();
    let runs: Vec<Uuid> = group.iter().map(|end| row::of_run(end.claimed.run)).collect();
    let bases: Vec<i64> = group.iter().map(|end| end.claimed.run_base).collect();
    let statuses: Vec<i16> = group.iter().map(|end| i16::from(end.finish.status.code())).collect();
    let errors: Vec<_> = group.iter().map(|end| end.finish.error.as_deref().map(row::text)).collect();
    let usages: Vec<_> = group.iter().map(|end| row::text(&end.finish.usage)).collect();
    let keeps: Vec<bool> = group.iter().map(|end| end.finish.keep).collect();
    let large: Vec<bool> = group.iter().map(|end| end.claimed.message.body.len() > KEPT_BYTES).collect();
    let entries = Entries::of(group.iter().map(|end| end.finish.entries.as_slice()));
    let params: [Param<'_>; 16] = [
        &guards.sessions,
        &guards.replicas,
        &guards.epochs,
        &guards.heads,
        &guards.entries,
        &done,
        &runs,
        &bases,
        &statuses,
        &errors,
        &usages,
        &keeps,
        &large,
        &guards.first,
        &entries.kinds,
        &entries.payloads,
    ];
    links.query(FINISH, &params).await
}

fn ended(r: &Row, end: &End) -> Result<Answer, Failure> {
    let state: i16 = r.try_get("state")?;
    let next = if state == 2 { Some(Box::new(begun(r, end)?)) } else { None };
    Ok(Answer::Ended { finished: Finished { next }, is_ready: state == 1 })
}

/// The session's next run, under the lease that was kept.
fn begun(r: &Row, end: &End) -> Result<Claimed, Failure> {
    let head = r.try_get("log_head")?;
    let message = InboxMessage {
        seq: r.try_get("seq")?,
        id: row::run(r, "message")?,
        accepted_at: row::time(r, "accepted_at")?,
        aborted: r.try_get("aborted")?,
        body: r.try_get("body")?,
    };
    Ok(Claimed {
        guard: Guard { epoch: Epoch(r.try_get("epoch")?), head, ..end.claimed.guard.clone() },
        session_key: end.claimed.session_key.clone(),
        run: message.id,
        attempt: 1,
        blame: 0,
        run_base: head,
        context_base: r.try_get("context_base")?,
        former: None,
        message,
    })
}

/// The guard no longer matches: this very end was written before and its answer lost, or the lease is gone, or a message
/// came at the same time. A writer that gave an end up and tries another one must not be told that the other one is
/// recorded.
async fn repeated(links: &Links, end: &End) -> Result<Answer, Failure> {
    let (guard, finish) = (&end.claimed.guard, &end.finish);
    let (session, replica) = (row::of_session(guard.session), row::of_replica(guard.replica));
    if links.query_opt(append::HELD, &[&session, &replica, &guard.epoch.0, &guard.head]).await?.is_some() {
        return Ok(Answer::Missed);
    }
    let (run, status) = (row::of_run(end.claimed.run), i16::from(finish.status.code()));
    let head = guard.head + append::count(&finish.entries);
    let recorded = links.query_opt(RECORDED, &[&run, &guard.epoch.0, &status, &head]).await?;
    if !recorded.map_or(Ok(false), |r| r.try_get("recorded"))?
        || !append::stand_behind(links, guard, &finish.entries).await?
    {
        return Ok(Answer::Fenced);
    }
    let kept = links.query_opt(KEPT, &[&session, &replica, &run]).await?;
    let next = kept.map(|r| begun(&r, end).map(Box::new)).transpose()?;
    Ok(Answer::Ended { finished: Finished { next }, is_ready: false })
}
