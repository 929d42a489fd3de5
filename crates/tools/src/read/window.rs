//! A bounded run of lines out of a file of any size: memory stays at the window's size, whatever the lines are like.

use std::io::{self, BufRead};

use crate::refusal::Refusal;

/// The most lines of one window.
pub(super) const MAX_LINES: usize = 2_000;

/// The most bytes of one window.
pub(super) const MAX_BYTES: usize = 50 * 1024;

/// Lines of a file.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The number of the first line wanted, from 1.
    offset: usize,
    /// Lines before the window that were there.
    skipped: usize,
    /// Lines in the window.
    lines: usize,
    bytes: Vec<u8>,
    /// The file goes on behind the window.
    more: bool,
    /// The window's only line is longer than a window, and its rest is left out.
    cut: bool,
}

/// How far a line went.
enum Line {
    Whole,
    TooLong,
    Absent,
}

impl Window {
    /// Reads up to `limit` lines from line `offset` on. Lines that do not fit as a whole stay for the next window; a
    /// first line that is too long is cut.
    pub(super) fn read(reader: &mut impl BufRead, offset: usize, limit: usize) -> io::Result<Self> {
        let mut window = Self { offset, ..Self::default() };
        while window.skipped + 1 < offset {
            if !skip_line(reader)? {
                return Ok(window);
            }
            window.skipped += 1;
        }
        while window.lines < limit {
            let before = window.bytes.len();
            match read_line(reader, &mut window.bytes)? {
                Line::Absent => return Ok(window),
                Line::Whole => window.lines += 1,
                Line::TooLong if window.lines == 0 => {
                    window.cut = true;
                    window.lines = 1;
                    skip_line(reader)?;
                    break;
                }
                Line::TooLong => {
                    window.bytes.truncate(before);
                    window.more = true;
                    return Ok(window);
                }
            }
        }
        window.more = !reader.fill_buf()?.is_empty();
        Ok(window)
    }

    /// The window as the model sees it, with a notice where it differs from the file.
    pub(super) fn render(&self, name: &str) -> Result<String, Refusal> {
        if self.lines == 0 {
            return self.nothing(name);
        }
        if self.bytes.contains(&0) {
            return Err(Refusal(format!("`{name}` is a binary file; this tool reads text only")));
        }
        let (first, last) = (self.offset, self.offset + self.lines - 1);
        let (mut text, lossy) = decode(&self.bytes, self.cut);
        let mut notices = Vec::new();
        if lossy {
            notices.push("[Bytes that are not UTF-8 are shown as \u{fffd}.]".to_owned());
        }
        if self.cut {
            notices.push(format!(
                "[Line {first} is longer than {MAX_BYTES} bytes; the rest of it is left out.]"
            ));
        }
        if self.more {
            notices
                .push(format!("[Lines {first} to {last}; more follow. Continue with offset={}.]", last + 1));
        }
        if !notices.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text + &notices.join("\n"))
    }

    fn nothing(&self, name: &str) -> Result<String, Refusal> {
        match (self.offset, self.skipped) {
            (1, _) => Ok(format!("[`{name}` is empty.]")),
            (offset, lines) => {
                let plural = if lines == 1 { "" } else { "s" };
                Err(Refusal(format!("`offset` {offset} is past the end: `{name}` has {lines} line{plural}")))
            }
        }
    }
}

/// Appends a line with its newline to `bytes`, as long as they stay within a window.
fn read_line(reader: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<Line> {
    let mut found = Line::Absent;
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(found);
        }
        let newline = chunk.iter().position(|byte| *byte == b'\n');
        let wanted = newline.map_or(chunk.len(), |at| at + 1);
        let taken = wanted.min(MAX_BYTES - bytes.len());
        bytes.extend_from_slice(&chunk[..taken]);
        reader.consume(taken);
        if taken < wanted {
            return Ok(Line::TooLong);
        }
        found = Line::Whole;
        if newline.is_some() {
            return Ok(found);
        }
    }
}

/// Goes to the start of the next line; false if there was no line to skip.
fn skip_line(reader: &mut impl BufRead) -> io::Result<bool> {
    let mut any = false;
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(any);
        }
        any = true;
        let newline = chunk.iter().position(|byte| *byte == b'\n');
        let length = chunk.len();
        reader.consume(newline.map_or(length, |at| at + 1));
        if newline.is_some() {
            return Ok(true);
        }
    }
}

/// Text with plain newlines, and whether something in it was not UTF-8. A character that the cut divides is dropped.
fn decode(bytes: &[u8], cut: bool) -> (String, bool) {
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if cut && error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    };
    let lossy = std::str::from_utf8(whole).is_err();
    (String::from_utf8_lossy(whole).replace("\r\n", "\n"), lossy)
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// Reads with a buffer that is smaller than the lines.
    fn render(content: &[u8], offset: usize, limit: usize) -> String {
        let mut reader = BufReader::with_capacity(7, content);
        Window::read(&mut reader, offset, limit).unwrap().render("f").unwrap()
    }

    #[test]
    fn windows_join_to_the_whole_file() {
        let content: String = (1..=5_000).map(|n| format!("line {n} {}\n", "x".repeat(n % 90))).collect();
        let (mut joined, mut offset) = (String::new(), 1);
        loop {
            let text = render(content.as_bytes(), offset, MAX_LINES);
            let (part, notice) = text.split_once("[Lines").unwrap_or((&text, ""));
            assert!(part.len() <= MAX_BYTES && part.lines().count() <= MAX_LINES);
            joined.push_str(part);
            let Some(next) = notice.split_once("offset=").and_then(|(_, n)| n.strip_suffix(".]")) else {
                break;
            };
            offset = next.parse().unwrap();
        }
        assert_eq!(joined, content);
    }

    #[test]
    fn a_line_longer_than_a_window_is_cut_between_characters() {
        let long = format!("x{}\nnext\n", "ü".repeat(MAX_BYTES));
        let text = render(long.as_bytes(), 1, MAX_LINES);
        assert!(text.starts_with("xüü") && !text.contains('\u{fffd}'));
        assert!(text.len() < MAX_BYTES + 200);
        assert!(
            text.ends_with("is left out.]\n[Lines 1 to 1; more follow. Continue with offset=2.]"),
            "{text}"
        );
        assert_eq!(render(long.as_bytes(), 2, MAX_LINES), "next\n");
    }

    #[test]
    fn a_long_line_behind_others_waits_for_its_own_window() {
        let content = format!("short\n{}\n", "y".repeat(MAX_BYTES + 1));
        let text = render(content.as_bytes(), 1, MAX_LINES);
        assert_eq!(text, "short\n[Lines 1 to 1; more follow. Continue with offset=2.]");
        assert!(render(content.as_bytes(), 2, MAX_LINES).ends_with("the rest of it is left out.]"));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_marked() {
        assert_eq!(
            render(b"caf\xe9\n", 1, 10),
            "caf\u{fffd}\n[Bytes that are not UTF-8 are shown as \u{fffd}.]"
        );
    }
}
