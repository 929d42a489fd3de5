//! The event-stream decoder: bytes in, in any pieces; events out. It holds at most one unfinished line and one
//! unfinished event, both bounded: a server that exceeds a bound fails the call.
//!
//! It follows the HTML standard: a byte-order mark at the start is skipped; lines end with LF, CR or CRLF; an event
//! ends at an empty line; one that is unfinished when the stream ends does not count. `id` and `retry` have no use
//! here, because a model call cannot be resumed.

/// The most bytes of a line.
const MAX_LINE: usize = 1024 * 1024;

/// The most bytes of an event's data.
const MAX_EVENT: usize = 8 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A line or an event is longer than its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line or an event of the stream is too long")]
pub(crate) struct TooLong;

/// The decoder of one stream. After an error it must not be used again.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// The start of a line whose end has not come yet; at most `MAX_LINE`.
    line: Vec<u8>,
    /// The data lines of the current event, each followed by LF; at most `MAX_EVENT`.
    data: Vec<u8>,
    /// The current event has been handed out, so its data can go.
    spent: bool,
    /// The last line ended with CR: an LF that follows belongs to it.
    after_cr: bool,
    /// No line has been read yet.
    first: bool,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { line: Vec::new(), data: Vec::new(), spent: false, after_cr: false, first: true }
    }

    /// The data of the next event; consumes what it reads of `input`. Without an event all of it is consumed.
    pub(crate) fn next(&mut self, input: &mut &[u8]) -> Result<Option<&[u8]>, TooLong> {
        if std::mem::take(&mut self.spent) {
            self.data.clear();
        }
        while !input.is_empty() {
            if std::mem::take(&mut self.after_cr) && input[0] == b'\n' {
                *input = &input[1..];
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', input) else {
                self.keep(input)?;
                *input = &[];
                break;
            };
            let (piece, rest) = input.split_at(end);
            self.after_cr = rest[0] == b'\r';
            *input = &rest[1..];
            if self.finish_line(piece)? {
                self.spent = true;
                return Ok(self.data.split_last().map(|(_, data)| data));
            }
        }
        Ok(None)
    }

    /// Keeps the start of a line until its end comes.
    fn keep(&mut self, piece: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + piece.len() > MAX_LINE {
            return Err(TooLong);
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    /// Reads a line that ends with `piece`; tells whether it ended an event that has data.
    fn finish_line(&mut self, piece: &[u8]) -> Result<bool, TooLong> {
        if self.line.is_empty() {
            // The usual case: the whole line lies in one piece and need not be copied together.
            if piece.len() > MAX_LINE {
                return Err(TooLong);
            }
            return self.read_line(piece);
        }
        self.keep(piece)?;
        let mut line = std::mem::take(&mut self.line);
        let ended = self.read_line(&line);
        line.clear();
        self.line = line;
        ended
    }

    fn read_line(&mut self, mut line: &[u8]) -> Result<bool, TooLong> {
        if std::mem::take(&mut self.first) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(!self.data.is_empty());
        }
        if let Some(value) = data_of(line) {
            if self.data.len() + value.len() + 1 > MAX_EVENT {
                return Err(TooLong);
            }
            self.data.extend_from_slice(value);
            self.data.push(b'\n');
        }
        Ok(false)
    }
}

/// The value of a `data` line; none for comments and other fields. The event's name is not needed: both dialects
/// repeat it in the data, and some servers leave it out.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"data")?;
    match rest.split_first() {
        None => Some(&[]),
        Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, TooLong> {
        let mut decoder = Decoder::new();
        let mut events = Vec::new();
        for mut piece in pieces {
            while let Some(data) = decoder.next(&mut piece)? {
                events.push(String::from_utf8(data.to_vec()).unwrap());
            }
            assert!(piece.is_empty());
        }
        Ok(events)
    }

    #[test]
    fn reads_what_the_standard_allows() {
        for (stream, want) in [
            ("data: a\n\ndata:b\r\n\r\ndata:  c\r\r", vec!["a", "b", " c"]),
            ("\u{feff}data: a\n\n", vec!["a"]),
            ("\u{feff}\u{feff}data: a\n\n", vec![]),
            ("data: a\ndata: b\n\n", vec!["a\nb"]),
            ("data\n\n", vec![""]),
            ("data:\ndata:\n\n", vec!["\n"]),
            (": ping\n\nevent: x\nid: 1\nretry: 5\n\n", vec![]),
            ("event: x\ndata: a\n\n\n\n", vec!["a"]),
            ("database: a\nDATA: a\n data: a\n\n", vec![]),
            ("data: whole\n\ndata: unfinished\n", vec!["whole"]),
            ("data: ümläut 🦎\n\n", vec!["ümläut 🦎"]),
        ] {
            assert_eq!(decode([stream.as_bytes()]).unwrap(), want, "{stream:?}");
        }
    }

    #[test]
    fn bounds_lines_and_events() {
        let long = vec![b'x'; MAX_LINE + 1];
        assert_eq!(decode([long.as_slice()]), Err(TooLong), "an unfinished line");
        assert_eq!(decode([[long.as_slice(), b"\n"].concat().as_slice()]), Err(TooLong), "a whole line");
        assert_eq!(decode([&long[..MAX_LINE], b"x\n"]), Err(TooLong), "a line in pieces");

        let line = [b"data:".as_slice(), &vec![b'x'; MAX_LINE - 6], b"\n"].concat();
        assert_eq!(decode(vec![line.as_slice(); 9]), Err(TooLong), "an event of many lines");
        let events = decode([[line.as_slice(), b"\n"].concat().as_slice(); 9]).unwrap();
        assert_eq!(events.len(), 9, "many events are no long event");
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(
            lines in prop::collection::vec(("(\u{feff})?(data|data: |data:|:|event: |id)[aü🦎 :]{0,6}|", "\n|\r|\r\n"), 0..24),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let stream: String = lines.iter().flat_map(|(line, end)| [line.as_str(), end.as_str()]).collect();
            let stream = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let whole = decode([stream]).unwrap();
            let pieces = decode(cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]])).unwrap();
            let bytes = decode(stream.chunks(1)).unwrap();
            prop_assert_eq!(&whole, &pieces);
            prop_assert_eq!(&whole, &bytes);
        }
    }
}
