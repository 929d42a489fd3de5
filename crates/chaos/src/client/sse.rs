//! Splits a response body into the fields of its server-sent events.
//!
//! An event larger than the bound is dropped up to its end; the gateway under test sends none.

/// The most bytes that wait for the end of their line.
const MAX_LINE: usize = 8 << 20;

/// The bytes that do not make a whole line yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
}

impl Lines {
    /// Adds a piece of the body and calls `on_field` with the name and the value of each line that it completes.
    pub(super) fn feed(&mut self, mut piece: &[u8], mut on_field: impl FnMut(&str, &str)) {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(&piece[..end]);
            piece = &piece[end + 1..];
            if let Some((name, value)) = field(&self.pending) {
                on_field(name, value);
            }
            self.pending.clear();
        }
        if self.pending.len() + piece.len() > MAX_LINE {
            self.pending.clear();
        }
        self.pending.extend_from_slice(piece);
    }
}

/// Comments have an empty name.
fn field(line: &[u8]) -> Option<(&str, &str)> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    (!name.is_empty()).then_some((name, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_gives_the_same_fields() {
        let body = "event: x\r\ndata: {\"a\":\"ä\"}\r\n\r\n: comment\nid: 7\ndata:[DONE]\n\n".as_bytes();
        for at in 0..=body.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for piece in [&body[..at], &body[at..]] {
                lines.feed(piece, |name, value| found.push(format!("{name}={value}")));
            }
            assert_eq!(found, ["event=x", "data={\"a\":\"ä\"}", "id=7", "data=[DONE]"], "split at {at}");
        }
    }
}
