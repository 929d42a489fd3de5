//! What others may ask of a session: to abort a run, and to start the conversation afresh.

use regrow_protocol::{EntryKind, RunId, SessionId};

use super::failure::Failure;
use super::links::Links;
use super::{row, views};
use crate::{Error, Reset, RunState, RunView};

pub(super) const FLAG: &str = "UPDATE regrow.inbox SET aborted = true WHERE message = $1 AND NOT aborted";

pub(super) const RESET: &str = "WITH moved AS (
    UPDATE regrow.lanes SET log_head = log_head + 1, context_base = log_head + 1,
        epoch = greatest(nextval('regrow.fence'), epoch + 1), updated_at = now()
    WHERE session = $1 AND state = 0 RETURNING log_head, epoch),
noted AS (
    INSERT INTO regrow.log (session, seq, run, epoch, kind, payload)
    SELECT $1, log_head, $2, epoch, $3, $4 FROM moved)
SELECT EXISTS (SELECT 1 FROM moved) AS moved, EXISTS (SELECT 1 FROM regrow.lanes WHERE session = $1) AS present";

/// Flags the run, unless it has ended; the inbox is the only place where that is noted.
pub(super) async fn abort(links: &Links, run: RunId) -> Result<Option<RunView>, Error> {
    let Some(view) = views::find_run(links, run).await? else { return Ok(None) };
    if !matches!(view.state, RunState::Ended(_)) {
        links.query(FLAG, &[&row::of_run(run)]).await?;
    }
    Ok(Some(view))
}

pub(super) async fn reset(links: &Links, session: SessionId) -> Result<Reset, Error> {
    let payload: &[u8] = br#"{"kind":"reset"}"#;
    let kind = i16::from(EntryKind::Reset.code());
    let params: [super::links::Param<'_>; 4] =
        [&row::of_session(session), &row::of_run(RunId::new()), &kind, &payload];
    let Some(r) = links.query_opt(RESET, &params).await? else { return Ok(Reset::Missing) };
    let read = |column| r.try_get::<_, bool>(column).map_err(Failure::from);
    Ok(match (read("moved")?, read("present")?) {
        (true, _) => Reset::Done,
        (false, true) => Reset::Busy,
        (false, false) => Reset::Missing,
    })
}
