//! Appending to logs, under the guard: session, replica, epoch, running, and the head that the writer has seen.
//!
//! No statement about one lane asks for `state = 2`. A constraint of the table says that only running lanes have a replica;
//! and a planner that is asked for running lanes may look through all of them, by the index of owners, for the one.

use regrow_protocol::{RunId, Seq, SessionId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::failure::Failure;
use super::links::{Links, Param};
use super::row;
use super::writers::Intent;
use crate::{Claimed, Control, Guard, NewEntry};

/// The guard and the new heads in one statement: no row, no write. Progress resets the count of attempts and what the run
/// was blamed for. Entries are found by their place in the arrays, because a join would look at all of them for each
/// session.
pub(super) const APPEND: &str = "WITH asked AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::uuid[])
        WITH ORDINALITY AS u(session, replica, epoch, head, first, entries, context_base, run, n)
    ORDER BY session),
advanced AS (
    UPDATE regrow.lanes t SET log_head = t.log_head + u.entries, attempt = 0, blame = 0, updated_at = now(),
        context_base = coalesce(u.context_base, t.context_base)
    FROM asked u
    WHERE t.session = u.session AND t.replica = u.replica AND t.epoch = u.epoch AND t.log_head = u.head
    RETURNING u.n, u.session, u.head, u.first, u.entries, u.epoch, u.run, t.inbox_done),
written AS (
    INSERT INTO regrow.log (session, seq, run, epoch, kind, payload)
    SELECT a.session, a.head + i, a.run, a.epoch, ($9::int2[])[a.first + i], ($10::bytea[])[a.first + i]
    FROM advanced a CROSS JOIN LATERAL generate_series(1, a.entries) AS i)
SELECT a.n, EXISTS (SELECT 1 FROM regrow.inbox i
    WHERE i.session = a.session AND i.seq = a.inbox_done + 1 AND i.aborted) AS abort
FROM advanced a";

/// What stands behind the head that a writer has seen.
pub(super) const BEHIND: &str = "SELECT epoch, kind, payload FROM regrow.log
    WHERE session = $1 AND seq > $2 ORDER BY seq LIMIT $3";

/// The lease is still held, and nothing was written behind the new head.
pub(super) const HELD: &str = "SELECT EXISTS (SELECT 1 FROM regrow.inbox i
        WHERE i.session = l.session AND i.seq = l.inbox_done + 1 AND i.aborted) AS abort
    FROM regrow.lanes l
    WHERE l.session = $1 AND l.replica = $2 AND l.epoch = $3 AND l.log_head = $4";

/// Entries on their way to the log.
pub(super) struct Batch {
    pub(super) guard: Guard,
    pub(super) run: RunId,
    pub(super) entries: Vec<NewEntry>,
    pub(super) context_base: Option<Seq>,
}

impl Batch {
    pub(super) fn new(claimed: &Claimed, entries: &[NewEntry], context_base: Option<Seq>) -> Self {
        Self { guard: claimed.guard.clone(), run: claimed.run, entries: entries.to_vec(), context_base }
    }
}

impl Intent for Batch {
    /// Nothing if the lease is gone.
    type Answer = Option<Control>;

    fn session(&self) -> SessionId {
        self.guard.session
    }

    fn bytes(&self) -> usize {
        bytes(&self.entries)
    }

    fn goes_with(&self, _other: &Self) -> bool {
        true
    }

    async fn carry_out(links: &Links, group: &[&Self]) -> Result<Vec<Self::Answer>, Failure> {
        let guards = Guards::of(group.iter().map(|batch| (&batch.guard, batch.entries.as_slice())));
        let bases: Vec<Option<Seq>> = group.iter().map(|batch| batch.context_base).collect();
        let runs: Vec<Uuid> = group.iter().map(|batch| row::of_run(batch.run)).collect();
        let entries = Entries::of(group.iter().map(|batch| batch.entries.as_slice()));
        let params: [Param<'_>; 10] = [
            &guards.sessions,
            &guards.replicas,
            &guards.epochs,
            &guards.heads,
            &guards.first,
            &guards.entries,
            &bases,
            &runs,
            &entries.kinds,
            &entries.payloads,
        ];
        let rows = links.query(APPEND, &params).await?;
        let mut answers: Vec<Option<Control>> = vec![None; group.len()];
        for r in &rows {
            if let Some(answer) = answers.get_mut(place(r)?) {
                *answer = Some(Control { abort: r.try_get("abort")? });
            }
        }
        for (answer, batch) in answers.iter_mut().zip(group).filter(|(answer, _)| answer.is_none()) {
            *answer = repeated(links, batch).await?;
        }
        Ok(answers)
    }
}

/// The guard no longer matches: either this very batch was written before and its answer lost, or the lease is gone.
async fn repeated(links: &Links, batch: &Batch) -> Result<Option<Control>, Failure> {
    if !stand_behind(links, &batch.guard, &batch.entries).await? {
        return Ok(None);
    }
    let guard = &batch.guard;
    let (session, replica) = (row::of_session(guard.session), row::of_replica(guard.replica));
    let head = guard.head + count(&batch.entries);
    let held = links.query_opt(HELD, &[&session, &replica, &guard.epoch.0, &head]).await?;
    held.map(|r| Ok(Control { abort: r.try_get("abort")? })).transpose()
}

/// These entries of this lease stand behind the head: the write had happened and its answer was lost. A writer that gave a
/// write up and tries another one must not be told that the other one is in the log.
pub(super) async fn stand_behind(
    links: &Links,
    guard: &Guard,
    entries: &[NewEntry],
) -> Result<bool, Failure> {
    let (session, limit) = (row::of_session(guard.session), count(entries));
    let rows = links.query(BEHIND, &[&session, &guard.head, &limit]).await?;
    if rows.len() != entries.len() {
        return Ok(false);
    }
    for (r, entry) in rows.iter().zip(entries) {
        let (epoch, kind, payload): (i64, i16, &[u8]) =
            (r.try_get("epoch")?, r.try_get("kind")?, r.try_get("payload")?);
        if (epoch, kind, payload) != (guard.epoch.0, i16::from(entry.kind.code()), &entry.payload[..]) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Guards as columns.
pub(super) struct Guards {
    pub(super) sessions: Vec<Uuid>,
    pub(super) replicas: Vec<Uuid>,
    pub(super) epochs: Vec<i64>,
    pub(super) heads: Vec<Seq>,
    /// How many entries those before it write.
    pub(super) first: Vec<i64>,
    /// How many entries each writes.
    pub(super) entries: Vec<i64>,
}

impl Guards {
    pub(super) fn of<'a>(all: impl Iterator<Item = (&'a Guard, &'a [NewEntry])>) -> Self {
        let mut columns = Self {
            sessions: Vec::new(),
            replicas: Vec::new(),
            epochs: Vec::new(),
            heads: Vec::new(),
            first: Vec::new(),
            entries: Vec::new(),
        };
        let mut first = 0;
        for (guard, entries) in all {
            columns.sessions.push(row::of_session(guard.session));
            columns.replicas.push(row::of_replica(guard.replica));
            columns.epochs.push(guard.epoch.0);
            columns.heads.push(guard.head);
            columns.first.push(first);
            columns.entries.push(count(entries));
            first += count(entries);
        }
        columns
    }
}

/// Entries of a group as columns, those of one intent after those of another.
pub(super) struct Entries<'a> {
    pub(super) kinds: Vec<i16>,
    pub(super) payloads: Vec<&'a [u8]>,
}

impl<'a> Entries<'a> {
    pub(super) fn of(all: impl Iterator<Item = &'a [NewEntry]>) -> Self {
        let mut columns = Self { kinds: Vec::new(), payloads: Vec::new() };
        for entry in all.flatten() {
            columns.kinds.push(i16::from(entry.kind.code()));
            columns.payloads.push(&entry.payload);
        }
        columns
    }
}

/// The place in its group of the intent that a row is about.
pub(super) fn place(r: &Row) -> Result<usize, Failure> {
    let n: i64 = r.try_get("n")?;
    Ok(usize::try_from(n - 1).unwrap_or(usize::MAX))
}

pub(super) fn count(entries: &[NewEntry]) -> i64 {
    i64::try_from(entries.len()).unwrap_or(i64::MAX)
}

pub(super) fn bytes(entries: &[NewEntry]) -> usize {
    entries.iter().map(|entry| entry.payload.len() + 64).sum::<usize>() + 128
}
