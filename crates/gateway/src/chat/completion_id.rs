//! The id of a completion: its run's, so that every replica knows it.

use std::fmt;

use regrow_protocol::RunId;

use crate::refusal::Refusal;

/// What completion ids begin with.
const PREFIX: &str = "chatcmpl_";

/// A completion's id.
#[derive(Debug, Clone, Copy)]
pub(super) struct CompletionId(pub(super) RunId);

impl fmt::Display for CompletionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0)
    }
}

/// The run of a completion's id, or of a bare run id.
pub(super) fn parse(id: &str) -> Result<RunId, Refusal> {
    let run = id.strip_prefix(PREFIX).unwrap_or(id).parse();
    run.map_err(|_| Refusal::not_found(format!("There is no completion `{id}`.")))
}

/// When the run's message was accepted, in seconds since 1970: ids are time-ordered and begin with their milliseconds,
/// so that all replicas tell the same.
pub(super) fn created(run: RunId) -> u64 {
    let millis = run.as_bytes()[..6].iter().fold(0, |millis, byte| millis << 8 | u64::from(*byte));
    millis / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_times_come_from_the_run() {
        let run: RunId = "018bcfe5-6800-7000-8000-000000000001".parse().unwrap();
        assert_eq!(created(run), 1_700_000_000);
        assert_eq!(CompletionId(run).to_string(), "chatcmpl_018bcfe5-6800-7000-8000-000000000001");
        assert_eq!(parse("chatcmpl_018bcfe5-6800-7000-8000-000000000001").unwrap(), run);
        assert_eq!(parse("018bcfe5-6800-7000-8000-000000000001").unwrap(), run);
        assert!(parse("chatcmpl_x").is_err());
    }
}
