//! Accepting messages: dedupe, bound, assign a place, claim at once if the session is idle.

use regrow_protocol::{Epoch, SessionId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::append::place;
use super::failure::Failure;
use super::links::{Links, Param, Run};
use super::row;
use super::writers::Intent;
use crate::{Accept, Accepted, Claimed, Guard, InboxMessage};

/// Messages of different sessions, all with the same cap, which is `$8`.
///
/// Nothing is joined with a group but through an index or by its place in the arrays: what the other joins cost grows
/// with the square of a group. So known messages and new ones come as rows of their own, the latter by their sessions,
/// and a message without a row has met a full session.
///
/// A copy of a message that another replica is committing just now is not seen in `known`; then its place in the inbox is
/// taken by its key, the whole statement fails, and the next try sees it.
pub(super) const ACCEPT: &str = "WITH asked AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::int8[], $6::bytea[], $7::uuid[])
        WITH ORDINALITY AS u(session, key, message, dedupe, fingerprint, body, claimer, n)),
known AS MATERIALIZED (
    SELECT u.n, i.message, i.seq, i.fingerprint FROM asked u CROSS JOIN LATERAL (
        SELECT message, seq, fingerprint FROM regrow.inbox WHERE session = u.session AND dedupe = u.dedupe
        UNION ALL
        SELECT message, seq, fingerprint FROM regrow.inbox WHERE message = u.message AND session = u.session
        LIMIT 1) i),
able AS MATERIALIZED (
    SELECT replica FROM regrow.replicas WHERE replica = ANY($7) AND expires_at > now() AND NOT draining),
opened AS (
    INSERT INTO regrow.lanes AS t (session, key, state, replica, epoch, run, attempt, inbox_head)
    SELECT u.session, u.key, CASE WHEN a.replica IS NULL THEN 1 ELSE 2 END, a.replica,
        CASE WHEN a.replica IS NULL THEN 0 ELSE nextval('regrow.fence') END, u.message,
        CASE WHEN a.replica IS NULL THEN 0 ELSE 1 END, 1
    FROM asked u LEFT JOIN able a ON a.replica = u.claimer
    WHERE $8::int8 > 0 AND NOT EXISTS (SELECT 1 FROM known k WHERE k.n = u.n)
    ORDER BY u.session
    ON CONFLICT (session) DO UPDATE SET
        inbox_head = t.inbox_head + 1,
        state = CASE WHEN t.state = 0 THEN EXCLUDED.state ELSE t.state END,
        ready_at = CASE WHEN t.state = 0 THEN now() ELSE t.ready_at END,
        replica = CASE WHEN t.state = 0 THEN EXCLUDED.replica ELSE t.replica END,
        epoch = CASE WHEN t.state = 0 AND EXCLUDED.state = 2 THEN greatest(EXCLUDED.epoch, t.epoch + 1)
            ELSE t.epoch END,
        run = CASE WHEN t.state = 0 THEN EXCLUDED.run ELSE t.run END,
        run_base = CASE WHEN t.state = 0 THEN t.log_head ELSE t.run_base END,
        attempt = CASE WHEN t.state = 0 THEN EXCLUDED.attempt ELSE t.attempt END,
        blame = CASE WHEN t.state = 0 THEN 0 ELSE t.blame END,
        updated_at = now()
    WHERE t.inbox_head - t.inbox_done < $8
    RETURNING t.session, t.inbox_head, t.state, t.run, t.epoch, t.log_head, t.context_base),
noted AS (
    INSERT INTO regrow.inbox (session, seq, message, dedupe, fingerprint, body)
    SELECT o.session, o.inbox_head, ($3::uuid[])[o.n], ($4::text[])[o.n], ($5::int8[])[o.n], ($6::bytea[])[o.n]
    FROM (SELECT session, inbox_head, array_position($1, session) AS n FROM opened) o)
SELECT n, message AS known, seq, fingerprint, NULL::uuid AS session, NULL::uuid AS run, NULL::int2 AS state,
    NULL::int8 AS epoch, NULL::int8 AS log_head, NULL::int8 AS context_base, now() AS now
FROM known
UNION ALL SELECT NULL, NULL, inbox_head, NULL, session, run, state, epoch, log_head, context_base, now() FROM opened";

/// How many messages of a session wait or run.
pub(super) const WAITING: &str =
    "SELECT inbox_head - inbox_done AS waiting FROM regrow.lanes WHERE session = $1";

/// What became of a message, and whether its session now waits for somebody to claim it.
pub(super) struct Answer {
    pub(super) accepted: Accepted,
    pub(super) is_ready: bool,
}

/// A message on its way.
pub(super) struct Message {
    pub(super) session: SessionId,
    pub(super) asked: Accept,
}

impl Intent for Message {
    type Answer = Answer;

    fn session(&self) -> SessionId {
        self.session
    }

    fn bytes(&self) -> usize {
        self.asked.body.len() + 256
    }

    fn goes_with(&self, other: &Self) -> bool {
        self.asked.cap == other.asked.cap
    }

    async fn carry_out(links: &Links, group: &[&Self]) -> Result<Vec<Answer>, Failure> {
        accept(links, group).await
    }
}

/// Accepts messages of different sessions, all with the same cap.
pub(super) async fn accept(run: &impl Run, group: &[&Message]) -> Result<Vec<Answer>, Failure> {
    let all = || group.iter().map(|message| &message.asked);
    let sessions: Vec<Uuid> = group.iter().map(|message| row::of_session(message.session)).collect();
    let keys: Vec<&str> = all().map(|m| m.session.as_str()).collect();
    let messages: Vec<Uuid> = all().map(|m| row::of_run(m.message)).collect();
    let dedupes: Vec<_> = all().map(|m| m.dedupe.as_deref().map(row::text)).collect();
    let fingerprints: Vec<i64> = all().map(|m| m.fingerprint.cast_signed()).collect();
    let bodies: Vec<&[u8]> = all().map(|m| m.body.as_slice()).collect();
    let claimers: Vec<Option<Uuid>> = all().map(|m| m.claim_for.map(row::of_replica)).collect();
    let cap = i64::from(group.first().map_or(0, |message| message.asked.cap));
    let params: [Param<'_>; 8] =
        [&sessions, &keys, &messages, &dedupes, &fingerprints, &bodies, &claimers, &cap];
    let mut answers: Vec<Option<Answer>> = Vec::new();
    answers.resize_with(group.len(), || None);
    for r in &run.query(ACCEPT, &params).await? {
        let known = r.try_get::<_, Option<i64>>("n")?.is_some();
        let place = if known { place(r)? } else { place_of(r, &sessions)? };
        if let (Some(answer), Some(message)) = (answers.get_mut(place), group.get(place)) {
            *answer = Some(if known { duplicate(r)? } else { new(r, message)? });
        }
    }
    let mut all = Vec::with_capacity(group.len());
    for (answer, session) in answers.into_iter().zip(&sessions) {
        all.push(match answer {
            Some(answer) => answer,
            None => full(run, session).await?,
        });
    }
    Ok(all)
}

/// The place in its group of the message that a row of its session is about.
fn place_of(r: &Row, sessions: &[Uuid]) -> Result<usize, Failure> {
    let session: Uuid = r.try_get("session")?;
    Ok(sessions.iter().position(|other| *other == session).unwrap_or(usize::MAX))
}

fn duplicate(r: &Row) -> Result<Answer, Failure> {
    let fingerprint: i64 = r.try_get("fingerprint")?;
    let accepted = Accepted::Duplicate {
        message: row::run(r, "known")?,
        seq: r.try_get("seq")?,
        fingerprint: fingerprint.cast_unsigned(),
    };
    Ok(Answer { accepted, is_ready: false })
}

async fn full(run: &impl Run, session: &Uuid) -> Result<Answer, Failure> {
    let found = run.query(WAITING, &[session]).await?;
    let waiting: i64 = found.first().map_or(Ok(0), |r| r.try_get("waiting"))?;
    let waiting = u32::try_from(waiting.max(0)).unwrap_or(u32::MAX);
    Ok(Answer { accepted: Accepted::Full { waiting }, is_ready: false })
}

fn new(r: &Row, message: &Message) -> Result<Answer, Failure> {
    let (asked, seq) = (&message.asked, r.try_get("seq")?);
    let begins = r.try_get::<_, Option<Uuid>>("run")? == Some(row::of_run(asked.message));
    let state: i16 = r.try_get("state")?;
    let claimed = match asked.claim_for {
        Some(replica) if begins && state == 2 => {
            let (epoch, head) = (Epoch(r.try_get("epoch")?), r.try_get("log_head")?);
            Some(Box::new(Claimed {
                guard: Guard { session: message.session, replica, epoch, head },
                session_key: asked.session.clone(),
                run: asked.message,
                attempt: 1,
                blame: 0,
                run_base: head,
                context_base: r.try_get("context_base")?,
                former: None,
                message: InboxMessage {
                    seq,
                    id: asked.message,
                    accepted_at: row::time(r, "now")?,
                    aborted: false,
                    body: asked.body.clone(),
                },
            }))
        }
        _ => None,
    };
    Ok(Answer { accepted: Accepted::New { seq, claimed }, is_ready: begins && state == 1 })
}
