//! From text to a selector.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::{Must, Requirement, Selector};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `=` and `==`.
    Equal,
    /// `!=`.
    Unequal,
    Not,
    Comma,
    Open,
    Close,
}

struct Tokens(Peekable<IntoIter<Token>>);

impl Selector {
    /// Reads a selector. The error is a sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let read = || {
            let mut tokens = Tokens(tokens(text)?.into_iter().peekable());
            tokens.requirements()
        };
        let requirements = read();
        let broken = "is no label selector: say label=value, label!=value, label in (a,b), label notin (a,b), label or \
                      !label, several with commas between them";
        requirements.map(Self).ok_or_else(|| format!("`{text}` {broken}"))
    }
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '=' if rest.starts_with("==") => (Token::Equal, 2),
            '=' => (Token::Equal, 1),
            '!' if rest.starts_with("!=") => (Token::Unequal, 2),
            '!' => (Token::Not, 1),
            ',' => (Token::Comma, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            _ => {
                let length = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
                (Token::Word(rest[..length].to_owned()), length)
            }
        };
        if length == 0 {
            return None;
        }
        tokens.push(token);
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

/// Labels and their values are made of these.
fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/')
}

impl Tokens {
    fn requirements(&mut self) -> Option<Vec<Requirement>> {
        let mut requirements = Vec::new();
        if self.0.peek().is_none() {
            return Some(requirements);
        }
        loop {
            requirements.push(self.requirement()?);
            match self.0.next() {
                None => return Some(requirements),
                Some(Token::Comma) => {}
                Some(_) => return None,
            }
        }
    }

    fn requirement(&mut self) -> Option<Requirement> {
        if self.take(&Token::Not) {
            return Some(Requirement { label: self.word()?, must: Must::NotExist });
        }
        let label = self.word()?;
        let must = match self.0.peek() {
            None | Some(Token::Comma) => Must::Exist,
            Some(Token::Equal) => Must::BeIn(vec![self.operand()]),
            Some(Token::Unequal) => Must::NotBeIn(vec![self.operand()]),
            Some(Token::Word(word)) if word == "in" => Must::BeIn(self.set()?),
            Some(Token::Word(word)) if word == "notin" => Must::NotBeIn(self.set()?),
            Some(_) => return None,
        };
        Some(Requirement { label, must })
    }

    /// What follows an operator; it may be empty.
    fn operand(&mut self) -> String {
        self.0.next();
        self.word().unwrap_or_default()
    }

    /// What follows `in`; its values may be empty.
    fn set(&mut self) -> Option<Vec<String>> {
        self.0.next();
        if !self.take(&Token::Open) {
            return None;
        }
        let mut set = Vec::new();
        loop {
            set.push(self.word().unwrap_or_default());
            match self.0.next()? {
                Token::Comma => {}
                Token::Close => return Some(set),
                _ => return None,
            }
        }
    }

    fn word(&mut self) -> Option<String> {
        match self.0.next_if(|token| matches!(token, Token::Word(_)))? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    fn take(&mut self, token: &Token) -> bool {
        self.0.next_if_eq(token).is_some()
    }
}
