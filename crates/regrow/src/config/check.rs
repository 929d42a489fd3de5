//! Compares the tree with the JSON Schema of the configuration types, and reports every difference at its place.
//!
//! The schema is made from the types that are read afterwards, so what is checked, what is published and what is read
//! cannot drift apart. Owns the subset of JSON Schema that those types produce; `schema_keywords_are_understood`
//! fails when a type brings a new keyword. What is wrong becomes `Invalid` and is left out of the later stages.

use std::net::IpAddr;

use serde_json::Value as Json;

use super::known::Known;
use super::problem::Report;
use super::suggest::did_you_mean;
use super::tree::{KeyPath, Node, Span, Value, shown, whole};
use super::unsupported;

/// A check in progress.
pub(super) struct Check<'a> {
    pub(super) report: &'a mut Report,
    /// Where secrets and references to secrets were found.
    pub(super) secrets: Vec<KeyPath>,
}

impl Check<'_> {
    /// Compares `node` with `schema`; `known` is what OpenClaw has at this place.
    pub(super) fn value(
        &mut self,
        node: &mut Node,
        schema: &Json,
        known: Option<&'static Known>,
        path: &KeyPath,
    ) {
        if node.is_invalid() || (matches!(node.value, Value::Null) && takes(schema, "null")) {
            return;
        }
        if schema.get("x-inert").is_some() {
            self.report.warn(Some(node.at), path, "accepted, but Regrow does not act on it");
        }
        if is_secret(schema) {
            self.secrets.push(path.clone());
        }
        let options = options(schema);
        if !options.is_empty() {
            self.option(node, &options, path);
            return;
        }
        match branch(schema, node) {
            Some(schema) => self.typed(node, schema, known, path),
            None => self.reject(node, path, format!("expected {}, found {}", wanted(schema), node.kind())),
        }
    }

    fn typed(&mut self, node: &mut Node, schema: &Json, known: Option<&'static Known>, path: &KeyPath) {
        match &mut node.value {
            Value::Map(_) => self.object(node, schema, known, path),
            Value::List(items) => {
                let Some(item_schema) = schema.get("items") else { return };
                let known = known.and_then(Known::item);
                for (index, item) in items.iter_mut().enumerate() {
                    self.value(item, item_schema, known, &path.with_index(index));
                }
            }
            Value::Int(number) => {
                let number = *number as f64;
                self.range(node, number, schema, path);
            }
            Value::Float(number) => {
                let number = *number;
                self.range(node, number, schema, path);
            }
            Value::Text(text) if schema.get("format").is_some() && text.parse::<IpAddr>().is_err() => {
                let found = quoted(node, node.text().unwrap_or_default());
                self.reject(node, path, format!("expected an IP address, found {found}"));
            }
            _ => {}
        }
    }

    fn object(&mut self, node: &mut Node, schema: &Json, known: Option<&'static Known>, path: &KeyPath) {
        let at = node.at;
        let Value::Map(members) = &mut node.value else { return };
        for member in members.iter_mut() {
            let path = path.with_key(&member.key);
            let known_member = known.and_then(|known| known.key(&member.key));
            if let Some(schema) = member_schema(schema, &member.key) {
                self.value(&mut member.node, schema, known_member, &path);
                continue;
            }
            match known_member {
                Some(known) => {
                    let message = "known to OpenClaw, not used by Regrow";
                    self.report.warn(Some(member.key_at), &path, message);
                    self.strangers(&member.node, known, &path);
                }
                None => self.unknown_key(member.key_at, &member.key, names(schema, known), &path),
            }
            member.node.value = Value::Invalid;
        }
        let required = schema.get("required").and_then(Json::as_array).into_iter().flatten();
        let mut is_complete = true;
        for key in required.filter_map(Json::as_str) {
            match members.iter().find(|member| member.key == key) {
                Some(member) => is_complete &= !member.node.is_invalid(),
                None => {
                    is_complete = false;
                    self.report.problem(Some(at), path, format!("`{key}` is missing; add it here"));
                }
            }
        }
        if !is_complete {
            node.value = Value::Invalid;
        }
    }

    /// Reports the keys below an unused key that OpenClaw does not have either.
    fn strangers(&mut self, node: &Node, known: &'static Known, path: &KeyPath) {
        if known.is_open() {
            return;
        }
        match &node.value {
            Value::List(items) => {
                let Some(known) = known.item() else { return };
                for (index, item) in items.iter().enumerate() {
                    self.strangers(item, known, &path.with_index(index));
                }
            }
            Value::Map(members) => {
                for member in members {
                    let path = path.with_key(&member.key);
                    match known.key(&member.key) {
                        Some(known) => self.strangers(&member.node, known, &path),
                        None => {
                            self.unknown_key(member.key_at, &member.key, known.names().collect(), &path);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    fn unknown_key(&mut self, at: Span, key: &str, names: Vec<&str>, path: &KeyPath) {
        let hint = if self.report.is_full() { String::new() } else { did_you_mean(key, names) };
        self.report.problem(Some(at), path, format!("unknown key{hint}; correct or remove it"));
    }

    fn option(&mut self, node: &mut Node, options: &[&str], path: &KeyPath) {
        let Some(text) = node.text() else {
            let message = format!("expected one of {}, found {}", options.join(", "), node.kind());
            return self.reject(node, path, message);
        };
        if options.contains(&text) {
            return;
        }
        let message = match unsupported::reason(path, text) {
            Some(reason) => {
                format!("{} is not supported: {reason}; one of {}", quoted(node, text), options.join(", "))
            }
            None => {
                let hint = did_you_mean(text, options.iter().copied());
                format!("unknown value {}{hint}; one of {}", quoted(node, text), options.join(", "))
            }
        };
        self.reject(node, path, message);
    }

    fn range(&mut self, node: &mut Node, number: f64, schema: &Json, path: &KeyPath) {
        let (min, max) = bounds(schema);
        if number.is_finite() && number >= min && number <= max {
            return;
        }
        self.reject(node, path, format!("expected {}, found {number}", wanted(schema)));
    }

    fn reject(&mut self, node: &mut Node, path: &KeyPath, message: String) {
        self.report.problem(Some(node.at), path, message);
        node.value = Value::Invalid;
    }
}

/// A value as messages show it.
fn quoted(node: &Node, text: &str) -> String {
    match node.from_env {
        true => "(from the environment, not shown)".to_owned(),
        false => format!("\"{}\"", shown(text).trim_matches('"')),
    }
}

fn is_secret(schema: &Json) -> bool {
    let marked = |schema: &Json| schema.get("x-secret").is_some();
    marked(schema) || branches(schema).any(marked)
}

fn branches(schema: &Json) -> impl Iterator<Item = &Json> {
    ["anyOf", "oneOf"].into_iter().filter_map(|word| schema.get(word)?.as_array()).flatten()
}

/// The texts that an enumeration allows; none if the schema is not one.
fn options(schema: &Json) -> Vec<&str> {
    if let Some(listed) = schema.get("enum").and_then(Json::as_array) {
        return listed.iter().filter_map(Json::as_str).collect();
    }
    if let Some(constant) = schema.get("const").and_then(Json::as_str) {
        return vec![constant];
    }
    let alternatives: Vec<&Json> = branches(schema).filter(|branch| !is_null(branch)).collect();
    let lists: Vec<Vec<&str>> = alternatives.iter().map(|branch| options(branch)).collect();
    match lists.iter().any(Vec::is_empty) {
        true => Vec::new(),
        false => lists.into_iter().flatten().collect(),
    }
}

fn is_null(schema: &Json) -> bool {
    schema.get("type").and_then(Json::as_str) == Some("null")
}

/// The part of a schema that fits the kind of the value.
fn branch<'a>(schema: &'a Json, node: &Node) -> Option<&'a Json> {
    let mut alternatives = branches(schema).peekable();
    if alternatives.peek().is_some() {
        return alternatives.find_map(|alternative| branch(alternative, node));
    }
    let fits = match &node.value {
        Value::Null => takes(schema, "null"),
        Value::Bool(_) => takes(schema, "boolean"),
        Value::Int(_) => takes(schema, "integer") || takes(schema, "number"),
        Value::Float(number) => {
            takes(schema, "number") || takes(schema, "integer") && whole(*number).is_some()
        }
        Value::Text(_) => takes(schema, "string"),
        Value::List(_) => takes(schema, "array"),
        Value::Map(_) => takes(schema, "object"),
        Value::Invalid => true,
    };
    fits.then_some(schema)
}

/// Whether a schema allows a type.
fn takes(schema: &Json, kind: &str) -> bool {
    match schema.get("type") {
        Some(Json::String(only)) => only == kind,
        Some(Json::Array(any)) => any.iter().any(|one| one == kind),
        _ => branches(schema).any(|branch| takes(branch, kind)),
    }
}

/// The schema of an object's member, or nothing if the object does not have that key.
fn member_schema<'a>(schema: &'a Json, key: &str) -> Option<&'a Json> {
    schema
        .get("properties")
        .and_then(|properties| properties.get(key))
        .or_else(|| schema.get("patternProperties")?.as_object()?.values().next())
        .or_else(|| schema.get("additionalProperties").filter(|any| any.is_object()))
}

fn names<'a>(schema: &'a Json, known: Option<&'static Known>) -> Vec<&'a str> {
    let typed = schema.get("properties").and_then(Json::as_object).into_iter().flat_map(|keys| keys.keys());
    let mut names: Vec<&'a str> = typed.map(String::as_str).collect();
    for name in known.into_iter().flat_map(Known::names) {
        names.push(name);
    }
    names
}

/// The inclusive bounds of a number.
fn bounds(schema: &Json) -> (f64, f64) {
    let stated = |word: &str| schema.get(word).and_then(Json::as_f64);
    let widest = match schema.get("format").and_then(Json::as_str) {
        Some("uint32") => f64::from(u32::MAX),
        // Beyond this, a number in a JSON file does not mean what it says to every reader.
        Some("uint64") => 9_007_199_254_740_991.0,
        _ => f64::INFINITY,
    };
    (stated("minimum").unwrap_or(f64::NEG_INFINITY), stated("maximum").unwrap_or(widest))
}

/// What a schema asks for, in words.
fn wanted(schema: &Json) -> String {
    let kinds = [
        ("boolean", "true or false"),
        ("string", "a string"),
        ("integer", "an integer"),
        ("number", "a number"),
        ("array", "an array"),
        ("object", "an object"),
    ];
    let kinds: Vec<&str> =
        kinds.iter().filter(|(kind, _)| takes(schema, kind)).map(|(_, words)| *words).collect();
    let (min, max) = bounds(schema);
    let range = match (min.is_finite(), max.is_finite()) {
        (true, true) => format!(" from {min} to {max}"),
        (true, false) => format!(" of at least {min}"),
        (false, true) => format!(" of at most {max}"),
        (false, false) => String::new(),
    };
    format!("{}{range}", kinds.join(" or "))
}

#[cfg(test)]
mod tests;
