//! Tool arguments on their way back to a model. Models write broken JSON now and then; the journal keeps it verbatim,
//! but servers refuse a history that contains it, which would end the conversation for good.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// The arguments as the text of a JSON object: as they are if they are one, empty if there are none, otherwise wrapped
/// so that the model still sees what it wrote.
pub(crate) fn object_text(arguments: &str) -> Cow<'_, str> {
    let trimmed = arguments.trim();
    if trimmed.is_empty() {
        return Cow::Borrowed("{}");
    }
    if trimmed.starts_with('{') && serde_json::from_str::<IgnoredAny>(trimmed).is_ok() {
        return Cow::Borrowed(trimmed);
    }
    Cow::Owned(serde_json::json!({ "malformed_arguments": arguments }).to_string())
}

/// The same as a value that serialises as it stands.
pub(crate) fn object(arguments: &str) -> Cow<'_, RawValue> {
    match object_text(arguments) {
        Cow::Borrowed(text) => serde_json::from_str(text).map_or_else(|_| Cow::Owned(null()), Cow::Borrowed),
        Cow::Owned(text) => Cow::Owned(RawValue::from_string(text).unwrap_or_else(|_| null())),
    }
}

/// For what cannot happen: text that was found or made to be JSON is not.
fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_always_become_an_object() {
        for (given, want) in [
            ("", "{}"),
            (" \n", "{}"),
            (r#" {"a": [1]} "#, r#"{"a": [1]}"#),
            (r#"{"a": "#, r#"{"malformed_arguments":"{\"a\": "}"#),
            ("[1]", r#"{"malformed_arguments":"[1]"}"#),
            ("null", r#"{"malformed_arguments":"null"}"#),
        ] {
            assert_eq!(object_text(given), want, "{given:?}");
            assert_eq!(object(given).get(), want, "{given:?}");
        }
    }
}
