//! Ending a run: last entries, the run's record, the inbox advanced, the lease kept or given up, all or nothing.

use regrow_protocol::{Epoch, Seq};
use rusqlite::{OptionalExtension, named_params};

use super::append;
use super::claim::{first_message, next_epoch};
use super::row;
use super::writer::{Tx, Writer};
use crate::{Claimed, Finish, Finished, Guard, Hint, InboxMessage, WriteError};

/// The guard and everything that the end changes in the lane. `:next` is the run that begins, if a message waits.
const END: &str = "UPDATE lanes SET log_head = log_head + :entries, inbox_done = :done, state = :state,
        replica = CASE WHEN :state = 2 THEN replica END, run = :next, run_base = log_head + :entries,
        epoch = coalesce(:next_epoch, epoch), attempt = CASE WHEN :state = 2 THEN 1 ELSE 0 END, blame = 0,
        abort = :next_abort, ready_at = :now, updated_at = :now
    WHERE session = :session AND replica = :replica AND epoch = :epoch AND state = 2 AND log_head = :head
    RETURNING context_base";

const RECORD: &str = "INSERT INTO runs
        (run, session, status, log_base, log_head, accepted_at, finished_at, error, usage, epoch, kept_epoch)
    VALUES (:run, :session, :status, :log_base, :log_head, :accepted_at, :now, :error, :usage, :epoch, :kept_epoch)";

/// The message's words are in the log now. Chat clients send their whole history with each message, so keeping large
/// ones would store a conversation many times over.
const FORGET: &str =
    "UPDATE inbox SET body = x'' WHERE session = :session AND seq = :seq AND length(body) > 1024";

/// The run that this replica began when it kept the lease, if the answer to that was lost. A lease of the same session
/// that it got in another way has another epoch, and another holder.
const KEPT: &str = "SELECT epoch, run, run_base, log_head, context_base, inbox_done FROM lanes
    WHERE session = :session AND replica = :replica AND state = 2 AND run_base = log_head
        AND epoch = (SELECT kept_epoch FROM runs WHERE runs.run = :run)";

pub(super) async fn finish(
    writer: &Writer,
    claimed: &Claimed,
    finish: &Finish,
) -> Result<Finished, WriteError> {
    let (claimed, finish) = (claimed.clone(), finish.clone());
    let finished = writer.write(move |tx| finish_in(tx, &claimed, &finish)).await?;
    finished.ok_or(WriteError::Fenced)
}

fn finish_in(tx: &Tx<'_>, claimed: &Claimed, finish: &Finish) -> rusqlite::Result<Option<Finished>> {
    let guard = &claimed.guard;
    let waiting = first_message(tx, guard.session, claimed.message.seq)?;
    let state = match (&waiting, finish.keep) {
        (None, _) => 0,
        (Some(_), false) => 1,
        (Some(_), true) => 2,
    };
    let epoch = if state == 2 { Some(next_epoch(tx)?) } else { None };
    let params = named_params! {
        ":session": guard.session.as_bytes(), ":replica": guard.replica.as_bytes(), ":epoch": guard.epoch.0,
        ":head": guard.head, ":entries": append::count(&finish.entries), ":done": claimed.message.seq,
        ":state": state, ":next": waiting.as_ref().map(|message| *message.id.as_bytes()),
        ":next_epoch": epoch.map(|epoch| epoch.0), ":now": tx.now,
        ":next_abort": waiting.as_ref().is_some_and(|message| message.aborted),
    };
    let context_base: Option<Seq> =
        tx.connection.prepare_cached(END)?.query_row(params, |r| r.get(0)).optional()?;
    let Some(context_base) = context_base else { return repeated(tx, claimed, finish) };
    append::insert(tx, guard, claimed.run, &finish.entries)?;
    record(tx, claimed, finish, epoch)?;
    let answered = named_params! { ":session": guard.session.as_bytes(), ":seq": claimed.message.seq };
    tx.connection.prepare_cached(FORGET)?.execute(answered)?;
    tx.hint(Hint::Session(guard.session));
    if state == 1 {
        tx.hint(Hint::Ready);
    }
    let head = guard.head + append::count(&finish.entries);
    let next = epoch.zip(waiting).map(|(epoch, message)| {
        let guard = Guard { epoch, head, ..guard.clone() };
        begun(claimed, guard, context_base, message)
    });
    Ok(Some(Finished { next: next.map(Box::new) }))
}

fn begun(claimed: &Claimed, guard: Guard, context_base: Seq, message: InboxMessage) -> Claimed {
    Claimed {
        run_base: guard.head,
        guard,
        session_key: claimed.session_key.clone(),
        run: message.id,
        attempt: 1,
        blame: 0,
        context_base,
        former: None,
        message,
    }
}

fn record(tx: &Tx<'_>, claimed: &Claimed, finish: &Finish, kept: Option<Epoch>) -> rusqlite::Result<()> {
    let params = named_params! {
        ":run": claimed.run.as_bytes(), ":session": claimed.guard.session.as_bytes(), ":status": finish.status.code(),
        ":log_base": claimed.run_base, ":log_head": claimed.guard.head + append::count(&finish.entries),
        ":accepted_at": claimed.message.accepted_at, ":now": tx.now, ":error": finish.error,
        ":usage": finish.usage, ":epoch": claimed.guard.epoch.0, ":kept_epoch": kept.map(|epoch| epoch.0),
    };
    tx.connection.prepare_cached(RECORD)?.execute(params).map(drop)
}

/// The guard no longer matches: either this very end was written before and its answer lost, or the lease is gone. A writer
/// that gave an end up and tries another one must not be told that the other one is recorded.
fn repeated(tx: &Tx<'_>, claimed: &Claimed, finish: &Finish) -> rusqlite::Result<Option<Finished>> {
    if !is_recorded(tx, claimed, finish)? || !append::stand_behind(tx, &claimed.guard, &finish.entries)? {
        return Ok(None);
    }
    let guard = &claimed.guard;
    let params = named_params! {
        ":session": guard.session.as_bytes(), ":replica": guard.replica.as_bytes(),
        ":run": claimed.run.as_bytes(),
    };
    let mut statement = tx.connection.prepare_cached(KEPT)?;
    let mut rows = statement.query(params)?;
    let Some(r) = rows.next()? else { return Ok(Some(Finished { next: None })) };
    let message = first_message(tx, guard.session, r.get("inbox_done")?)?;
    let next = match message {
        Some(message) if message.id == row::run(r, "run")? => {
            let guard = Guard { epoch: row::epoch(r, "epoch")?, head: r.get("log_head")?, ..guard.clone() };
            Some(Box::new(begun(claimed, guard, r.get("context_base")?, message)))
        }
        _ => None,
    };
    Ok(Some(Finished { next }))
}

/// This lease has ended the run, in this way.
fn is_recorded(tx: &Tx<'_>, claimed: &Claimed, finish: &Finish) -> rusqlite::Result<bool> {
    let params = named_params! {
        ":run": claimed.run.as_bytes(), ":epoch": claimed.guard.epoch.0, ":status": finish.status.code(),
        ":log_head": claimed.guard.head + append::count(&finish.entries),
    };
    let sql = "SELECT EXISTS (SELECT 1 FROM runs
        WHERE run = :run AND epoch = :epoch AND status = :status AND log_head = :log_head)";
    tx.connection.prepare_cached(sql)?.query_row(params, |r| r.get(0))
}
