//! Splits a response body into the data of its server-sent events.
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
    /// Adds a piece of the body and calls `on_data` with the data of each line that it completes.
    pub(super) fn feed(&mut self, mut piece: &[u8], mut on_data: impl FnMut(&str)) {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            self.pending.extend_from_slice(&piece[..end]);
            piece = &piece[end + 1..];
            if let Some(data) = data(&self.pending) {
                on_data(data);
            }
            self.pending.clear();
        }
        if self.pending.len() + piece.len() > MAX_LINE {
            self.pending.clear();
        }
        self.pending.extend_from_slice(piece);
    }
}

fn data(line: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(line).ok()?;
    Some(text.strip_prefix("data:")?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_gives_the_same_data() {
        let body = "event: x\r\ndata: {\"a\":\"ä\"}\r\n\r\n: comment\nid: 7\ndata:[DONE]\n\n".as_bytes();
        for at in 0..=body.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for piece in [&body[..at], &body[at..]] {
                lines.feed(piece, |data| found.push(data.to_owned()));
            }
            assert_eq!(found, ["{\"a\":\"ä\"}", "[DONE]"], "split at {at}");
        }
    }
}
