//! Characters, blanks, strings, keys and numbers of JSON5.
//!
//! Invariant: the scanner only moves forward and stays on character boundaries, so it ends and cannot panic. More
//! lenient than JSON5 in one point: an unquoted key may hold any visible character outside of ASCII.

use super::SyntaxError;
use crate::config::tree::Value;

pub(super) struct Scanner<'a> {
    text: &'a str,
    offset: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, offset: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.offset += next.len_utf8();
        Some(next)
    }

    pub(super) fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.offset += wanted.len_utf8();
        }
        found
    }

    fn eat_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let len = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.offset += len;
        rest.get(..len).unwrap_or_default()
    }

    pub(super) fn error(&self, message: impl Into<String>) -> SyntaxError {
        SyntaxError { offset: self.offset, message: message.into() }
    }

    pub(super) fn expected(&self, wanted: &str) -> SyntaxError {
        match self.peek() {
            None => self.error(format!("expected {wanted}, found the end of the file")),
            Some(found) => self.error(format!("expected {wanted}, found `{}`", found.escape_debug())),
        }
    }

    /// Skips white space and comments.
    pub(super) fn skip_blank(&mut self) -> Result<(), SyntaxError> {
        loop {
            self.eat_while(|c| c.is_whitespace() && c != '\u{85}' || c == '\u{feff}');
            if self.rest().starts_with("//") {
                self.eat_while(|c| !is_line_end(c));
            } else if self.rest().starts_with("/*") {
                let Some(len) = self.rest().get(2..).and_then(|inside| inside.find("*/")) else {
                    return Err(self.error("this comment is never closed with `*/`"));
                };
                self.offset += len + 4;
            } else {
                return Ok(());
            }
        }
    }

    pub(super) fn key(&mut self) -> Result<String, SyntaxError> {
        if matches!(self.peek(), Some('"' | '\'')) {
            return self.string();
        }
        let start = self.offset;
        let mut key = String::new();
        loop {
            key.push_str(self.eat_while(is_identifier));
            if self.peek() != Some('\\') {
                break;
            }
            let escape =
                self.error("a key may only contain escapes of letters and digits; put the key in quotes");
            self.bump();
            match self.bump() {
                Some('u') => key.push(self.unicode()?),
                _ => return Err(escape),
            }
            if !key.ends_with(is_identifier) {
                return Err(escape);
            }
        }
        if key.is_empty() {
            return Err(self.expected("a key or `}`"));
        }
        if key.starts_with(|c: char| !is_identifier_start(c)) {
            self.offset = start;
            return Err(self.error("a key that does not start with a letter must be in quotes"));
        }
        Ok(key)
    }

    /// `true`, `false` or `null`.
    pub(super) fn word(&mut self) -> Result<Value, SyntaxError> {
        let start = self.offset;
        match self.eat_while(is_identifier) {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Null),
            _ => {
                self.offset = start;
                Err(self.error("expected a value; text must be in quotes"))
            }
        }
    }

    pub(super) fn string(&mut self) -> Result<String, SyntaxError> {
        let unclosed = self.error("this string is never closed");
        let quote = self.bump();
        let mut text = String::new();
        loop {
            text.push_str(self.eat_while(|c| Some(c) != quote && !matches!(c, '\\' | '\n' | '\r')));
            match self.peek() {
                Some('\\') => self.escape(&mut text)?,
                Some('\n' | '\r') | None => return Err(unclosed),
                _ => {
                    self.bump();
                    return Ok(text);
                }
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Result<(), SyntaxError> {
        let unknown = self.error("this escape is not part of JSON5");
        self.bump();
        let Some(letter) = self.bump() else { return Err(unknown) };
        text.push(match letter {
            'b' => '\u{8}',
            't' => '\t',
            'n' => '\n',
            'v' => '\u{b}',
            'f' => '\u{c}',
            'r' => '\r',
            '0' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => '\0',
            '0'..='9' => return Err(unknown),
            'x' => char::from_u32(self.hex_digits(2)?).ok_or(unknown)?,
            'u' => self.unicode()?,
            '\r' => {
                self.eat('\n');
                return Ok(());
            }
            end if is_line_end(end) => return Ok(()),
            other => other,
        });
        Ok(())
    }

    /// The character of `\uXXXX`, after the `u`; two of them where one is not enough.
    fn unicode(&mut self) -> Result<char, SyntaxError> {
        let lone = self.error("a surrogate escape must be one of a pair");
        let high = self.hex_digits(4)?;
        if let Some(c) = char::from_u32(high) {
            return Ok(c);
        }
        if !(self.eat('\\') && self.eat('u')) {
            return Err(lone);
        }
        let low = self.hex_digits(4)?;
        if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
            return Err(lone);
        }
        char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)).ok_or(lone)
    }

    fn hex_digits(&mut self, count: usize) -> Result<u32, SyntaxError> {
        let mut value = 0;
        for _ in 0..count {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(16)) else {
                return Err(self.expected("a hexadecimal digit"));
            };
            value = value * 16 + digit;
            self.bump();
        }
        Ok(value)
    }

    pub(super) fn number(&mut self) -> Result<Value, SyntaxError> {
        let start = self.offset;
        let negative = match self.peek() {
            Some('-') => self.eat('-'),
            _ => {
                self.eat('+');
                false
            }
        };
        let literal = self.eat_while(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
        // The sign of an exponent belongs to the number, any other one does not.
        let exponent =
            !literal.starts_with("0x") && !literal.starts_with("0X") && literal.ends_with(['e', 'E']);
        let literal = if exponent && matches!(self.peek(), Some('+' | '-')) {
            self.bump();
            self.eat_while(|c| c.is_ascii_digit());
            self.text.get(start..self.offset).unwrap_or_default().trim_start_matches(['+', '-'])
        } else {
            literal
        };
        number_of(literal, negative).ok_or_else(|| SyntaxError {
            offset: start,
            message: "expected a value; this is not a number, and text must be in quotes".to_owned(),
        })
    }
}

/// The value of an unsigned literal.
fn number_of(literal: &str, negative: bool) -> Option<Value> {
    let sign = if negative { -1.0 } else { 1.0 };
    match literal {
        "Infinity" => return Some(Value::Float(sign * f64::INFINITY)),
        "NaN" => return Some(Value::Float(f64::NAN)),
        _ => {}
    }
    if let Some(hex) = literal.strip_prefix("0x").or_else(|| literal.strip_prefix("0X")) {
        let plain = hex.bytes().all(|b| b.is_ascii_hexdigit());
        return plain
            .then(|| u64::from_str_radix(hex, 16).ok())
            .flatten()
            .map(|value| signed(value, negative));
    }
    let after_digits = literal.trim_start_matches(|c: char| c.is_ascii_digit());
    let has_leading_zero = literal.starts_with('0') && literal.len() - after_digits.len() > 1;
    if has_leading_zero || !literal.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if after_digits.is_empty()
        && let Ok(value) = literal.parse::<u64>()
    {
        return Some(signed(value, negative));
    }
    literal.parse::<f64>().ok().map(|value| Value::Float(sign * value))
}

fn signed(value: u64, negative: bool) -> Value {
    let value = i128::from(value);
    match negative {
        true if value > -i128::from(i64::MIN) => Value::Float(-(value as f64)),
        true => Value::Int(-value),
        false => Value::Int(value),
    }
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

fn is_identifier_start(c: char) -> bool {
    let rare = !c.is_ascii() && !c.is_whitespace() && !c.is_control() && c != '\u{feff}';
    c.is_ascii_alphabetic() || matches!(c, '$' | '_') || rare
}

fn is_identifier(c: char) -> bool {
    is_identifier_start(c) || c.is_ascii_digit()
}
