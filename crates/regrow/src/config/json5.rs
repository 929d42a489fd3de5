//! A JSON5 parser that keeps places: text in, spanned tree out.
//!
//! Owns the grammar of values, arrays and objects; `scan` owns characters, strings and numbers. Bounded: at most
//! `MAX_BYTES` of text and `MAX_DEPTH` levels. It stops at the first syntax error, because what follows one is a guess.

mod scan;

use super::tree::{Member, Node, Span, Value};
use scan::Scanner;

/// The most bytes of one file.
pub(super) const MAX_BYTES: usize = 2 * 1024 * 1024;

/// The deepest nesting of arrays and objects: far above what any configuration has, far below the end of the stack.
const MAX_DEPTH: usize = 128;

/// Why text is not JSON5.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// The byte at which it was noticed.
    pub(super) offset: usize,
    /// What was expected and what was found.
    pub(super) message: String,
}

/// Reads `text` as one JSON5 value; `source` goes into every place.
pub(super) fn parse(text: &str, source: usize) -> Result<Node, SyntaxError> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len());
        return Err(SyntaxError { offset: 0, message });
    }
    let mut parser = Parser { scanner: Scanner::new(text), source };
    let node = parser.value(0)?;
    parser.scanner.skip_blank()?;
    match parser.scanner.peek() {
        None => Ok(node),
        Some(_) => Err(parser.scanner.expected("the end of the file after the value")),
    }
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    source: usize,
}

impl Parser<'_> {
    fn here(&self) -> Span {
        Span { source: self.source, offset: self.scanner.offset() }
    }

    fn value(&mut self, depth: usize) -> Result<Node, SyntaxError> {
        self.scanner.skip_blank()?;
        let at = self.here();
        let value = match self.scanner.peek() {
            Some('{') => self.object(depth)?,
            Some('[') => self.array(depth)?,
            Some('"' | '\'') => Value::Text(self.scanner.string()?),
            Some('+' | '-' | '.' | '0'..='9' | 'I' | 'N') => self.scanner.number()?,
            Some('t' | 'f' | 'n') => self.scanner.word()?,
            _ => return Err(self.scanner.expected("a value")),
        };
        Ok(Node::new(at, value))
    }

    fn array(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        self.enter(depth)?;
        let mut items = Vec::new();
        loop {
            self.scanner.skip_blank()?;
            if self.scanner.eat(']') {
                return Ok(Value::List(items));
            }
            items.push(self.value(depth + 1)?);
            self.separator(']')?;
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, SyntaxError> {
        self.enter(depth)?;
        let mut members = Vec::new();
        loop {
            self.scanner.skip_blank()?;
            if self.scanner.eat('}') {
                return Ok(Value::Map(members));
            }
            let key_at = self.here();
            let key = self.scanner.key()?;
            self.scanner.skip_blank()?;
            if !self.scanner.eat(':') {
                return Err(self.scanner.expected("`:` after the key"));
            }
            let node = self.value(depth + 1)?;
            members.push(Member { key, key_at, node });
            self.separator('}')?;
        }
    }

    /// Steps over the opening bracket.
    fn enter(&mut self, depth: usize) -> Result<(), SyntaxError> {
        if depth == MAX_DEPTH {
            return Err(self.scanner.error(format!("more than {MAX_DEPTH} levels of nesting")));
        }
        self.scanner.bump();
        Ok(())
    }

    /// After a value: a comma is eaten, the closing bracket is left for the loop to see.
    fn separator(&mut self, close: char) -> Result<(), SyntaxError> {
        self.scanner.skip_blank()?;
        if self.scanner.eat(',') || self.scanner.peek() == Some(close) {
            return Ok(());
        }
        Err(self.scanner.expected(&format!("`,` or `{close}` after the value")))
    }
}

#[cfg(test)]
mod tests;
