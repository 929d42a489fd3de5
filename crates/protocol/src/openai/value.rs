//! Taking typed values out of a body, with the place in each refusal. `null` counts as absent, as OpenAI treats it.

use serde_json::{Map, Value};

use super::Invalid;
use super::place::Place;

/// The fields of an object and where it stands.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    pub(super) map: Map<String, Value>,
    pub(super) place: &'a Place<'a>,
}

impl<'a> Fields<'a> {
    /// The object that `value` must be.
    pub(super) fn of(value: Value, place: &'a Place<'a>) -> Result<Self, Invalid> {
        match value {
            Value::Object(map) => Ok(Self { map, place }),
            _ => Err(place.refuse("must be an object")),
        }
    }

    /// Takes a field's value.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// A refusal of a field.
    pub(super) fn refuse(&self, name: &str, problem: impl std::fmt::Display) -> Invalid {
        self.place.field(name).refuse(problem)
    }

    /// A field that must be there.
    pub(super) fn required(&mut self, name: &str) -> Result<Value, Invalid> {
        self.take(name).ok_or_else(|| self.refuse(name, "is required"))
    }

    /// A string that may be absent.
    pub(super) fn string(&mut self, name: &str) -> Result<Option<String>, Invalid> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.refuse(name, "must be a string")),
        }
    }

    /// A string that must be there and say something.
    pub(super) fn required_string(&mut self, name: &str) -> Result<String, Invalid> {
        match self.string(name)? {
            Some(text) if !text.is_empty() => Ok(text),
            Some(_) => Err(self.refuse(name, "must not be empty")),
            None => Err(self.refuse(name, "is required")),
        }
    }

    /// A boolean that may be absent.
    pub(super) fn bool(&mut self, name: &str) -> Result<Option<bool>, Invalid> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(self.refuse(name, "must be true or false")),
        }
    }

    /// A number in `min..=max` that may be absent.
    pub(super) fn number(&mut self, name: &str, min: f64, max: f64) -> Result<Option<f64>, Invalid> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_f64().filter(|number| (min..=max).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.refuse(name, format_args!("must be a number from {min} to {max}"))),
        }
    }

    /// A positive number of tokens that may be absent.
    pub(super) fn count(&mut self, name: &str) -> Result<Option<u32>, Invalid> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.as_u64().and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0) {
            Some(count) => Ok(Some(count)),
            None => Err(self.refuse(name, "must be a positive integer")),
        }
    }

    /// An integer that may be absent.
    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i64>, Invalid> {
        let Some(value) = self.take(name) else { return Ok(None) };
        value.as_i64().map(Some).ok_or_else(|| self.refuse(name, "must be an integer"))
    }

    /// A list that may be absent; an absent one is empty.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Value>, Invalid> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(self.refuse(name, "must be an array")),
        }
    }
}
