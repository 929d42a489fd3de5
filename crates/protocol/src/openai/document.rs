//! A request body as JSON, with a bound on how much memory it can become.
//!
//! A body of many tiny values would take twenty times its size as a tree; counting the values while they are read
//! bounds that. Depth is bounded by `serde_json` (128 levels).

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserializer, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Invalid;

/// The most values of a body. A conversation of 2,000 messages with tool schemas stays far below; a body at this bound
/// takes some 20 MB as a tree.
const MAX_VALUES: usize = 200_000;

/// Fields that say how a reply is sent, not what is asked.
const TRANSPORT_FIELDS: [&str; 2] = ["stream", "stream_options"];

/// A body that is a JSON object.
#[derive(Debug, Clone)]
pub struct Document(pub(super) Map<String, Value>);

impl Document {
    /// Reads a body. Refusals carry line and column.
    pub fn parse(body: &[u8]) -> Result<Self, Invalid> {
        let room = Cell::new(MAX_VALUES);
        let mut reader = serde_json::Deserializer::from_slice(body);
        let value =
            Bounded { room: &room }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
        match value {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(Invalid::body("The body must be a JSON object.")),
            Err(error) => Err(Invalid::body(format!("The body is not valid JSON: {error}."))),
        }
    }

    /// Adds what is asked to a digest: the fields in the order of the tree, without those that only say how the reply
    /// is sent. Two bodies that differ in nothing else give the same bytes.
    pub fn digest_into(&self, digest: &mut Sha256) {
        // Writing JSON into a digest cannot fail: the digest takes every byte, and keys are strings.
        let mut writer = serde_json::Serializer::new(DigestWriter(digest));
        let asked = self.0.iter().filter(|(name, _)| !TRANSPORT_FIELDS.contains(&name.as_str()));
        let written = (&mut writer).serialize_map(None).and_then(|mut map| {
            asked.into_iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
            map.end()
        });
        debug_assert!(written.is_ok());
    }
}

/// Feeds a digest through `io::Write`.
struct DigestWriter<'a>(&'a mut Sha256);

impl std::io::Write for DigestWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Reads a `Value` and takes each one from the room that is left.
#[derive(Clone, Copy)]
struct Bounded<'a> {
    room: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.room.get().checked_sub(1);
        let left = left.ok_or_else(|| D::Error::custom(format_args!("more than {MAX_VALUES} values")))?;
        self.room.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            map.insert(name, entries.next_value_seed(self)?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_an_object_of_bounded_size() {
        let deep = "[".repeat(100_000);
        let many = format!("[{}0]", "0,".repeat(MAX_VALUES));
        for (body, want) in [
            (&b""[..], "EOF while parsing a value at line 1 column 0"),
            (b"[1]", "must be a JSON object"),
            (b"{\"a\":1} x", "trailing characters at line 1 column 9"),
            (b"{\n\"a\":}", "expected value at line 2 column 5"),
            (b"{\"a\":\"\xff\"}", "invalid unicode code point at line 1 column 7"),
            (deep.as_bytes(), "recursion limit exceeded"),
            (many.as_bytes(), "more than 200000 values"),
        ] {
            let error = Document::parse(body).unwrap_err();
            assert!(error.message.contains(want), "{:?}", error.message);
        }
    }

    #[test]
    fn the_digest_is_about_what_is_asked() {
        let digest = |body: &str| {
            let mut digest = Sha256::new();
            Document::parse(body.as_bytes()).unwrap().digest_into(&mut digest);
            digest.finalize()
        };
        let plain = digest(r#"{"model":"openclaw","messages":[]}"#);
        assert_eq!(plain, digest(r#"{"stream":true,"model":"openclaw","stream_options":{},"messages":[ ]}"#));
        assert_ne!(plain, digest(r#"{"model":"openclaw","messages":[{}]}"#));
    }
}
