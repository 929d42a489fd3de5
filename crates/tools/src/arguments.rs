//! Reads a call's arguments, which a model wrote. What does not fit becomes a sentence that names the field and says
//! what is expected; fields that a tool does not know are ignored.

use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// The arguments of one call: a JSON object.
pub(crate) struct Arguments(Map<String, Value>);

impl Arguments {
    /// Takes an object; nothing at all counts as an empty one.
    pub(crate) fn new(value: Value) -> Result<Self, Refusal> {
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            Value::Null => Ok(Self(Map::new())),
            other => Err(Refusal(format!("the arguments must be a JSON object, not {}", kind(&other)))),
        }
    }

    /// A field's value; `null` counts as absent.
    pub(crate) fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    /// Takes a required string out of the arguments.
    pub(crate) fn take_text(&mut self, field: &str) -> Result<String, Refusal> {
        match self.0.remove(field) {
            Some(Value::String(text)) => Ok(text),
            None | Some(Value::Null) => Err(Refusal(format!("`{field}` is missing: it must be a string"))),
            Some(other) => Err(Refusal(format!("`{field}` must be a string, not {}", kind(&other)))),
        }
    }

    /// An optional whole number from 1 up.
    pub(crate) fn count(&self, field: &str) -> Result<Option<usize>, Refusal> {
        let Some(value) = self.get(field) else { return Ok(None) };
        match whole_number(value) {
            Some(number) if number >= 1 => Ok(Some(usize::try_from(number).unwrap_or(usize::MAX))),
            _ => Err(Refusal(format!("`{field}` must be a whole number from 1 up, not {value}"))),
        }
    }
}

/// A number without a fraction; models also write `10.0` for 10.
fn whole_number(value: &Value) -> Option<u64> {
    let exact =
        |number: f64| (number.fract() == 0.0 && (0.0..=9e15).contains(&number)).then_some(number as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(exact))
}

/// What kind of JSON value this is, in words.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_are_whole_numbers_from_one() {
        for (value, want) in [
            (json!(1), Ok(Some(1))),
            (json!(10.0), Ok(Some(10))),
            (json!(null), Ok(None)),
            (json!(0), Err("`limit` must be a whole number from 1 up, not 0")),
            (json!(-3), Err("`limit` must be a whole number from 1 up, not -3")),
            (json!(1.5), Err("`limit` must be a whole number from 1 up, not 1.5")),
            (json!("7"), Err("`limit` must be a whole number from 1 up, not \"7\"")),
        ] {
            let arguments = Arguments::new(json!({ "limit": value })).unwrap();
            assert_eq!(arguments.count("limit"), want.map_err(|sentence| Refusal(sentence.into())));
        }
    }

    #[test]
    fn errors_name_the_field_and_what_is_expected() {
        for (value, want) in [
            (json!({}), "`path` is missing: it must be a string"),
            (json!(null), "`path` is missing: it must be a string"),
            (json!({ "path": null }), "`path` is missing: it must be a string"),
            (json!({ "path": 3 }), "`path` must be a string, not a number"),
            (json!([1]), "the arguments must be a JSON object, not an array"),
        ] {
            let result = Arguments::new(value).and_then(|mut arguments| arguments.take_text("path"));
            assert_eq!(result, Err(Refusal(want.into())));
        }
    }
}
