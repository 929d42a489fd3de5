//! Hints between replicas. Any of them may be lost at any time: whoever waits for one also polls.

use regrow_protocol::SessionId;

/// Something changed that somebody may be waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hint {
    /// A session is ready to be claimed.
    Ready,
    /// A run of this session began or ended.
    Session(SessionId),
    /// Somebody asked to abort a run of this session.
    Abort(SessionId),
}

/// Bytes of a hint on the wire: its kind and a session.
pub(crate) const RECORD: usize = 17;

/// Hints as they go from process to process.
pub(crate) fn encode(hints: &[Hint]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(hints.len() * RECORD);
    for hint in hints {
        let (kind, session) = match hint {
            Hint::Ready => (1, [0; 16]),
            Hint::Session(session) => (2, *session.as_bytes()),
            Hint::Abort(session) => (3, *session.as_bytes()),
        };
        bytes.push(kind);
        bytes.extend_from_slice(&session);
    }
    bytes
}

/// Reads hints back. Those of kinds that this release does not know are passed over.
pub(crate) fn decode(bytes: &[u8]) -> impl Iterator<Item = Hint> {
    bytes.chunks_exact(RECORD).filter_map(|record| {
        let session = SessionId::from_bytes(record[1..].try_into().ok()?);
        match record[0] {
            1 => Some(Hint::Ready),
            2 => Some(Hint::Session(session)),
            3 => Some(Hint::Abort(session)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_survive_the_wire_and_unknown_kinds_are_passed_over() {
        let session = SessionId::from_bytes([7; 16]);
        let hints = [Hint::Ready, Hint::Session(session), Hint::Abort(session)];
        let mut bytes = encode(&hints);
        assert_eq!(decode(&bytes).collect::<Vec<_>>(), hints);
        bytes[0] = 99;
        bytes.push(1);
        assert_eq!(decode(&bytes).collect::<Vec<_>>(), hints[1..]);
    }
}
