//! The line of a syntax error with a caret, fit to be printed and logged.
//!
//! Invariant: only keys, punctuation and blanks are shown. At a syntax error nobody knows which text is a value, so
//! every word and every string that is not followed by `:` is masked, comments too. Widths stay, so the caret fits.

/// How many characters of a long line are shown around the caret.
const WINDOW: usize = 100;

/// The line around the byte `offset` of `text`, masked, and a caret under that byte.
pub(super) fn masked_line(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
    let caret = before.get(start..).unwrap_or_default().chars().count();
    let skipped = caret.saturating_sub(WINDOW / 2);
    let masked: String = mask(line).into_iter().skip(skipped).take(WINDOW).collect();
    format!("  | {masked}\n  | {}^", " ".repeat(caret - skipped))
}

fn mask(line: &str) -> Vec<char> {
    let mut chars: Vec<char> = line.chars().map(|c| if c == '\t' { ' ' } else { c }).collect();
    let (mut start, mut is_value) = (0, false);
    while let Some(&first) = chars.get(start) {
        let end = token_end(&chars, start);
        let is_key = !is_value && matches!(chars.iter().skip(end).find(|c| !c.is_whitespace()), Some(':'));
        if is_hidden(first) && !is_key {
            let closed = end > start + 1 && chars.get(end - 1) == Some(&first);
            let quotes = usize::from(matches!(first, '"' | '\''));
            let inside_end = if quotes == 1 && closed { end - 1 } else { end };
            chars[start + quotes..inside_end].fill('*');
        }
        is_value = first == ':' || is_value && first.is_whitespace();
        start = end;
    }
    chars
}

/// Whether a token that starts like this can be a value. A slash may open a comment.
fn is_hidden(first: char) -> bool {
    !first.is_whitespace() && !matches!(first, '{' | '}' | '[' | ']' | ',' | ':')
}

/// The index after the token that starts at `start`: a string, a comment, a word, or one other character.
fn token_end(chars: &[char], start: usize) -> usize {
    let rest = &chars[start..];
    let len = match rest {
        ['/', '/' | '*', ..] => rest.len(),
        [quote @ ('"' | '\''), ..] => string_len(rest, *quote),
        [first, ..] if is_hidden(*first) => rest
            .iter()
            .position(|c| !is_hidden(*c) || matches!(c, '"' | '\'' | '/'))
            .unwrap_or(rest.len())
            .max(1),
        _ => 1,
    };
    start + len
}

fn string_len(rest: &[char], quote: char) -> usize {
    let mut escaped = false;
    for (index, c) in rest.iter().enumerate().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if *c == quote => return index + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::masked_line;

    #[test]
    fn shows_keys_and_masks_what_could_be_a_secret() {
        for (line, offset, want) in [
            (r#"a: "secret" b"#, 12, "  | a: \"******\" *\n  |             ^"),
            (r#"{ "to\"ken" : hunter2 }"#, 14, "  | { \"to\\\"ken\" : ******* }\n  |               ^"),
            (r#"k: "never closed, x: 1"#, 3, "  | k: \"******************\n  |    ^"),
            ("x\n  pass: p // s3:", 10, "  |   pass: * ******\n  |         ^"),
            ("token: abc:def", 10, "  | token: ***:***\n  |           ^"),
            ("", 0, "  | \n  | ^"),
        ] {
            assert_eq!(masked_line(line, offset), want, "{line}");
        }
    }
}
