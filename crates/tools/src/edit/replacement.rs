//! What an edit makes of a text. Pure: all edits are checked against the original before any is made.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::arguments::{Arguments, kind};
use crate::refusal::Refusal;

/// Counting stops here; "at least 100 times" says enough.
const MAX_COUNT: usize = 100;

const AMBIGUOUS: &str = "It must occur exactly once; add lines around it.";

/// One piece of text and what takes its place.
#[derive(Debug)]
pub(super) struct Edit {
    /// How the model's arguments name it, such as `edits[0]`.
    label: String,
    old: String,
    new: String,
}

/// The edits of a call: the list `edits`, or one `oldText` and `newText` beside the path, which models also write.
pub(super) fn from_arguments(arguments: &mut Arguments) -> Result<Vec<Edit>, Refusal> {
    match arguments.get("edits") {
        Some(Value::Array(edits)) if !edits.is_empty() => edits.iter().enumerate().map(from_item).collect(),
        Some(Value::Array(_)) => {
            Err(Refusal("`edits` must be a list of at least one {oldText, newText}".into()))
        }
        Some(other) => {
            Err(Refusal(format!("`edits` must be a list of {{oldText, newText}}, not {}", kind(other))))
        }
        None if arguments.get("oldText").is_some() => {
            let (old, new) = (arguments.take_text("oldText")?, arguments.take_text("newText")?);
            Ok(vec![Edit { label: "the edit".into(), old, new }])
        }
        None => Err(Refusal("`edits` is missing: it must be a list of {oldText, newText}".into())),
    }
}

fn from_item((index, item): (usize, &Value)) -> Result<Edit, Refusal> {
    let label = format!("edits[{index}]");
    let Value::Object(fields) = item else {
        return Err(Refusal(format!("`{label}` must be an object {{oldText, newText}}, not {}", kind(item))));
    };
    let (old, new) = (text_of(fields, &label, "oldText")?, text_of(fields, &label, "newText")?);
    Ok(Edit { label: format!("`{label}`"), old, new })
}

fn text_of(fields: &Map<String, Value>, label: &str, field: &str) -> Result<String, Refusal> {
    match fields.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        None | Some(Value::Null) => {
            Err(Refusal(format!("`{label}.{field}` is missing: it must be a string")))
        }
        Some(other) => Err(Refusal(format!("`{label}.{field}` must be a string, not {}", kind(other)))),
    }
}

/// The text after all edits, or why not one of them is made.
pub(super) fn apply(original: &str, edits: &[Edit], name: &str) -> Result<String, Refusal> {
    let crlf = uses_crlf_only(original);
    let mut places = Vec::with_capacity(edits.len());
    for edit in edits {
        let (old, new) = if crlf {
            (with_crlf(&edit.old), with_crlf(&edit.new))
        } else {
            (edit.old.clone(), edit.new.clone())
        };
        places.push((locate(original, edit, &old, name)?, new, &edit.label));
    }
    places.sort_by_key(|(range, ..)| range.start);
    if let Some(pair) = places.windows(2).find(|pair| pair[0].0.end > pair[1].0.start) {
        return Err(Refusal(format!(
            "{} and {} overlap in `{name}`; make them one edit. Nothing was changed.",
            pair[0].2, pair[1].2
        )));
    }
    let edited = splice(original, &places);
    if edited == original {
        return Err(Refusal(format!("the edits change nothing in `{name}`: newText equals oldText")));
    }
    Ok(edited)
}

/// The only place where `old` occurs.
fn locate(original: &str, edit: &Edit, old: &str, name: &str) -> Result<Range<usize>, Refusal> {
    let label = &edit.label;
    if old.is_empty() {
        return Err(Refusal(format!("oldText of {label} is empty; to write a whole file, use `write`")));
    }
    let (times, hint) = match (count(original, old), original.find(old)) {
        (1, Some(start)) => return Ok(start..start + old.len()),
        (0, _) => {
            ("0".to_owned(), "It must match exactly, with spaces and line breaks; read the file again.")
        }
        (MAX_COUNT, _) => (format!("at least {MAX_COUNT}"), AMBIGUOUS),
        (times, _) => (times.to_string(), AMBIGUOUS),
    };
    Err(Refusal(format!("oldText of {label} occurs {times} times in `{name}`. {hint} Nothing was changed.")))
}

/// How often `old` occurs, overlapping places included, up to `MAX_COUNT`.
fn count(original: &str, old: &str) -> usize {
    let step = old.chars().next().map_or(1, char::len_utf8);
    let mut from = 0;
    let mut times = 0;
    while let Some(at) = original[from..].find(old) {
        times += 1;
        from += at + step;
        if times == MAX_COUNT {
            break;
        }
    }
    times
}

fn splice(original: &str, places: &[(Range<usize>, String, &String)]) -> String {
    let mut edited = String::with_capacity(original.len());
    let mut end = 0;
    for (range, new, _) in places {
        edited.push_str(&original[end..range.start]);
        edited.push_str(new);
        end = range.end;
    }
    edited.push_str(&original[end..]);
    edited
}

/// Every line of the text ends in CRLF. `read` shows such lines with plain newlines, so edits come with plain ones.
fn uses_crlf_only(text: &str) -> bool {
    text.contains("\r\n") && text.matches('\n').count() == text.matches("\r\n").count()
}

fn with_crlf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(pairs: &[(&str, &str)]) -> Vec<Edit> {
        let edit = |(index, (old, new)): (usize, &(&str, &str))| Edit {
            label: format!("`edits[{index}]`"),
            old: (*old).into(),
            new: (*new).into(),
        };
        pairs.iter().enumerate().map(edit).collect()
    }

    #[test]
    fn edits_are_made_against_the_original() {
        for (original, pairs, want) in [
            ("a b c", vec![("c", "3"), ("a", "1")], "1 b 3"),
            ("a b", vec![("a", "b"), ("b", "a")], "b a"),
            ("ab", vec![("a", ""), ("b", "ba")], "ba"),
            ("x\r\ny\r\n", vec![("x\ny", "x\nz\ny")], "x\r\nz\r\ny\r\n"),
            ("x\r\ny\n", vec![("y\n", "z\n")], "x\r\nz\n"),
            ("grün ✓", vec![("ü", "ue"), ("✓", "ok")], "gruen ok"),
        ] {
            assert_eq!(apply(original, &edits(&pairs), "f").unwrap(), want, "{original:?}");
        }
    }

    #[test]
    fn errors_name_the_edit_and_how_often_it_occurs() {
        let many = "x ".repeat(300);
        for (original, pairs, want) in [
            ("a b", vec![("a", "1"), ("z", "2")], "oldText of `edits[1]` occurs 0 times in `f`"),
            ("a a a", vec![("a", "1")], "oldText of `edits[0]` occurs 3 times in `f`"),
            ("aaa", vec![("aa", "1")], "oldText of `edits[0]` occurs 2 times in `f`"),
            (many.as_str(), vec![("x", "y")], "occurs at least 100 times in `f`"),
            ("abc", vec![("bc", "1"), ("ab", "2")], "`edits[1]` and `edits[0]` overlap in `f`"),
            ("abc", vec![("b", "b")], "change nothing in `f`"),
            ("abc", vec![("", "b")], "oldText of `edits[0]` is empty"),
        ] {
            let Refusal(sentence) = apply(original, &edits(&pairs), "f").unwrap_err();
            assert!(sentence.contains(want), "{sentence}");
        }
    }
}
