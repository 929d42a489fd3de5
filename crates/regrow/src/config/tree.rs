//! The configuration as a tree in which every value remembers where it was written.
//!
//! Invariant: a node never changes its place, so that a problem found in any later stage points at the text that a
//! person can edit. A node that a stage has complained about becomes `Invalid`, and no later stage complains again.

use std::fmt;

use serde_json::Value as Json;

/// Where a value was written: which source, and the byte in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) source: usize,
    pub(super) offset: usize,
}

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) at: Span,
    pub(super) value: Value,
    /// Part of the text came from the environment, so messages must not quote it.
    pub(super) from_env: bool,
}

/// What was written. Whole numbers outside of `i64::MIN..=u64::MAX` are floats.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Member>),
    /// Already reported as a problem.
    Invalid,
}

/// A key of an object with its value.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) key_at: Span,
    pub(super) node: Node,
}

impl Node {
    pub(super) fn new(at: Span, value: Value) -> Self {
        Self { at, value, from_env: false }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(members) => members.iter().find(|member| member.key == key).map(|member| &member.node),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.value {
            Value::Map(members) => {
                members.iter_mut().find(|member| member.key == key).map(|member| &mut member.node)
            }
            _ => None,
        }
    }

    /// The node at `path`, or nothing if some part of the way is missing.
    pub(super) fn at_mut(&mut self, path: &KeyPath) -> Option<&mut Node> {
        path.0.iter().try_fold(self, |node, segment| match (segment, &mut node.value) {
            (Segment::Key(key), Value::Map(members)) => {
                members.iter_mut().find(|member| member.key == *key).map(|member| &mut member.node)
            }
            (Segment::Index(index), Value::List(items)) => items.get_mut(*index),
            _ => None,
        })
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_invalid(&self) -> bool {
        matches!(self.value, Value::Invalid)
    }

    /// What was found, for messages: never the value itself, which may be a secret.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "an array",
            Value::Map(_) => "an object",
            Value::Invalid => "something invalid",
        }
    }

    /// The plain value, without what is invalid. Floats that are whole become integers, as in JavaScript.
    pub(super) fn to_json(&self) -> Json {
        match &self.value {
            Value::Null | Value::Invalid => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => int_to_json(*value),
            Value::Float(value) => match whole(*value) {
                Some(value) => int_to_json(value),
                None => serde_json::Number::from_f64(*value).map_or(Json::Null, Json::Number),
            },
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => items.iter().filter(|item| !item.is_invalid()).map(Node::to_json).collect(),
            Value::Map(members) => members
                .iter()
                .filter(|member| !member.node.is_invalid())
                .map(|member| (member.key.clone(), member.node.to_json()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

fn int_to_json(value: i128) -> Json {
    match (u64::try_from(value), i64::try_from(value)) {
        (Ok(value), _) => value.into(),
        (_, Ok(value)) => value.into(),
        _ => Json::Null,
    }
}

/// The integer that a float stands for, where floats are exact.
pub(super) fn whole(value: f64) -> Option<i128> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i128)
}

/// The way from the root to a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct KeyPath(pub(super) Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

impl KeyPath {
    pub(super) fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Segment::Key((*key).to_owned())).collect())
    }

    pub(super) fn with_key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.to_owned()))
    }

    pub(super) fn with_index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        let mut path = self.clone();
        path.0.push(segment);
        path
    }

    /// Whether this path fits a dotted pattern in which `*` stands for any one key or index.
    pub(super) fn matches(&self, pattern: &str) -> bool {
        let mut parts = pattern.split('.');
        let all = self.0.iter().all(|segment| match (parts.next(), segment) {
            (Some("*"), _) => true,
            (Some(part), Segment::Key(key)) => part == key,
            _ => false,
        });
        all && parts.next().is_none()
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    f.write_str(&shown(key))?;
                }
            }
        }
        Ok(())
    }
}

/// A key as messages show it: quoted if it is not a plain word, and clipped if somebody pasted a novel.
pub(super) fn shown(key: &str) -> String {
    const LONGEST: usize = 64;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$' | '/');
    if !key.is_empty() && key.len() <= LONGEST && key.chars().all(plain) {
        return key.to_owned();
    }
    let clipped: String = key.chars().take(LONGEST).collect();
    let dots = if clipped.len() < key.len() { "…" } else { "" };
    format!("{:?}", format!("{clipped}{dots}"))
}
