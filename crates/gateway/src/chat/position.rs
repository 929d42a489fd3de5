//! The position in a completion's event stream: what stands in `id:` of each event, and in `Last-Event-ID` of a client
//! that comes back.
//!
//! It is `<run>/<cursor>` while text is streamed, and `<run>/<cursor>/<n>` after the n-th closing event. The closing
//! events follow from the recorded reply, so any replica can leave out those that the client has.

use std::fmt;
use std::str::FromStr;

use http::HeaderMap;
use regrow_protocol::RunId;
use regrow_worker::Cursor;

use super::LAST_EVENT_ID;
use crate::header;
use crate::refusal::Refusal;

/// A position in the event stream of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    /// The run.
    pub(super) run: RunId,
    /// The text up to here.
    pub(super) cursor: Cursor,
    /// Closing events up to here.
    pub(super) closing: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.cursor)?;
        if self.closing > 0 { write!(f, "/{}", self.closing) } else { Ok(()) }
    }
}

/// The text is not a position.
#[derive(Debug)]
pub(super) struct NotAPosition;

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, '/');
        let (Some(run), Some(cursor)) = (parts.next(), parts.next()) else { return Err(NotAPosition) };
        let run = run.parse().map_err(|_| NotAPosition)?;
        let cursor = cursor.parse().map_err(|_| NotAPosition)?;
        let closing = parts.next().map_or(Ok(0), |count| count.parse().map_err(|_| NotAPosition))?;
        Ok(Self { run, cursor, closing })
    }
}

/// Where a client that comes back left off.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<Position>, Refusal> {
    let Some(text) = header::text(headers, &LAST_EVENT_ID)? else { return Ok(None) };
    let position = text.parse();
    let problem = "`Last-Event-ID` is not the id of an event of this API.";
    position.map(Some).map_err(|NotAPosition| Refusal::invalid(problem, LAST_EVENT_ID.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back() {
        let mut cursor = Cursor::START;
        cursor.advance("Grüezi");
        for closing in [0, 2] {
            let position = Position { run: RunId::new(), cursor, closing };
            assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
        }
    }

    #[test]
    fn refuses_what_is_not_a_position() {
        let run = RunId::new();
        for text in ["", "1", &format!("{run}"), &format!("{run}/x"), &format!("{run}/0-0/x"), "x/0-0"] {
            assert!(text.parse::<Position>().is_err(), "{text:?}");
        }
    }
}
