//! How much of a run's text a client has, in a form that any replica can check.
//!
//! A cursor is a length and a digest of the text up to it. After a takeover the new owner may produce another text; the
//! digest decides, without any shared memory, whether a client can be given just the rest.

use std::fmt;
use std::str::FromStr;

/// Offset basis and prime of the 64-bit FNV-1a hash. It guards against accidents, not against attackers: who could
/// forge a cursor only garbles their own stream.
const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// A position in the text of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    len: usize,
    digest: u64,
}

impl Cursor {
    /// Before the first byte.
    pub const START: Self = Self { len: 0, digest: FNV_BASIS };

    /// Bytes before the cursor.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Nothing is before the cursor.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The cursor after `text`.
    pub fn advance(&mut self, text: &str) {
        self.len += text.len();
        self.digest =
            text.bytes().fold(self.digest, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
    }

    /// What of `text` follows the cursor; `None` if `text` begins otherwise than what the cursor has seen. A text that
    /// is still shorter than the cursor is no contradiction yet and gives an empty rest.
    pub fn rest<'a>(&self, text: &'a str) -> Option<&'a str> {
        if text.len() < self.len {
            return Some("");
        }
        let (seen, rest) = (text.get(..self.len)?, text.get(self.len..)?);
        let mut check = Self::START;
        check.advance(seen);
        (check.digest == self.digest).then_some(rest)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.len, self.digest)
    }
}

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a stream position")]
pub struct NotACursor;

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (len, digest) = text.split_once('-').ok_or(NotACursor)?;
        let len = len.parse().map_err(|_| NotACursor)?;
        let digest = u64::from_str_radix(digest, 16).map_err(|_| NotACursor)?;
        Ok(Self { len, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_gives_the_rest() {
        let mut cursor = Cursor::START;
        cursor.advance("Grü");
        cursor.advance("ezi");
        let again: Cursor = cursor.to_string().parse().unwrap();
        assert_eq!(again, cursor);
        assert_eq!(again.rest("Grüezi mitenand"), Some(" mitenand"));
        assert_eq!(again.rest("Grü"), Some(""));
        assert_eq!(again.rest("Grüessech mitenand"), None);
        assert_eq!(Cursor::START.rest("x"), Some("x"));
    }

    #[test]
    fn a_cursor_inside_a_character_of_another_text_is_a_contradiction() {
        let mut cursor = Cursor::START;
        cursor.advance("a");
        assert_eq!(cursor.rest("ü"), None);
    }

    #[test]
    fn refuses_what_is_not_a_cursor() {
        for text in ["", "-", "1-", "x-0", "1-zz", "-1-0"] {
            assert!(text.parse::<Cursor>().is_err(), "{text:?}");
        }
    }
}
