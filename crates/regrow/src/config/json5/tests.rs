//! The parser against the `json5` crate as an oracle, and its own messages.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::{MAX_DEPTH, parse};

/// Numbers compare by what they are worth: one parser may call `1e2` a float and the other an integer.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}

fn assert_agrees(text: &str) {
    let ours = parse(text, 0).map(|node| node.to_json());
    let oracle: Result<Json, json5::Error> = json5::from_str(text);
    match (&ours, &oracle) {
        (Ok(ours), Ok(oracle)) => assert!(same(ours, oracle), "{text:?}: {ours} is not {oracle}"),
        (Err(_), Err(_)) => {}
        _ => panic!("{text:?}: {ours:?}, but the oracle says {oracle:?}"),
    }
}

#[test]
fn reads_what_the_oracle_reads() {
    for text in [
        "{a: 1, 'b': \"two\", $_c9: [3, 4,], /* x */ d: {}, // y\n}",
        "[0xFF, -0x10, +1, .5, 5., 1e5, 1E-2, 2e+3, -0, 0, 0.25, 1.5e3]",
        "[18446744073709551615, 18446744073709551616, -9223372036854775808, -9223372036854775809]",
        r#"["\x41\u0042\n\0\v\'\"\q", '\ud83d\ude00', "a\
b"]"#,
        "\u{feff}\u{a0}{\u{2028}\\u0061b: null, é: true, }",
        "'line\u{2028}separator'",
        "01",
        "1 2",
        "{",
        "[1 2]",
        "{a 1}",
        "{a: }",
        "'open",
        "\"new\nline\"",
        "/* open",
        "{1a: 2}",
        "tru",
        "0x",
        "1e",
        ".",
        "+",
        "'\\u12'",
        "'\\ud800'",
        "'\\1'",
        "{a: 1,, b: 2}",
        "[,]",
        "",
        "  // only\n",
        "- 1",
        "1.2.3",
        "{-a: 1}",
        "'\\ud800\\u0041'",
        "'\\01'",
        "--1",
        "+-1",
        "0x1.5",
        "1_000",
        "nullx",
        "[true false]",
        "{\"a\": 1} x",
        "\u{85}1",
    ] {
        assert_agrees(text);
    }
}

#[test]
fn values_that_json_does_not_have_become_null() {
    assert_eq!(
        parse("[Infinity, -Infinity, NaN]", 0).unwrap().to_json(),
        serde_json::json!([null, null, null])
    );
}

#[test]
fn messages_say_what_was_expected_and_where() {
    for (text, offset, message) in [
        ("{a: 1 b: 2}", 6, "expected `,` or `}` after the value, found `b`"),
        ("{a = 1}", 3, "expected `:` after the key, found `=`"),
        ("{a: hello}", 4, "expected a value, found `h`"),
        ("{a: nothing}", 4, "expected a value; text must be in quotes"),
        ("[1, ", 4, "expected a value, found the end of the file"),
        ("{1a: 2}", 1, "a key that does not start with a letter must be in quotes"),
        ("{a: 'x\n'}", 4, "this string is never closed"),
        ("{} x", 3, "expected the end of the file after the value, found `x`"),
        ("{a: 12px}", 4, "expected a value; this is not a number, and text must be in quotes"),
        ("/* x", 0, "this comment is never closed with `*/`"),
    ] {
        let error = parse(text, 0).unwrap_err();
        assert_eq!((error.offset, error.message.as_str()), (offset, message), "{text:?}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(&nested(MAX_DEPTH), 0).is_ok());
    assert!(parse(&nested(MAX_DEPTH + 1), 0).is_err());
    assert!(parse(&"[".repeat(1_000_000), 0).is_err());
    assert!(parse(&" ".repeat(super::MAX_BYTES + 1), 0).is_err());
}

/// Any JSON value, with text of any characters.
fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-1e9..1e9).prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn reads_any_value_that_is_written_as_json(value in json()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        prop_assert!(same(&parse(&text, 0).unwrap().to_json(), &value));
    }

    #[test]
    fn reads_any_value_that_the_oracle_writes(value in json()) {
        let text = json5::to_string(&value).unwrap();
        prop_assert!(same(&parse(&text, 0).unwrap().to_json(), &value), "{text}");
    }

    #[test]
    fn never_panics_and_points_into_the_text(text in any::<String>()) {
        if let Err(error) = parse(&text, 0) {
            prop_assert!(text.is_char_boundary(error.offset));
        }
    }

    #[test]
    fn agrees_with_the_oracle_on_near_misses(text in r#"[\[\]{}:,'"a-f0-9xeE.+\\/* \n-]{0,24}"#) {
        let ours = parse(&text, 0).map(|node| node.to_json());
        if let (Ok(ours), Ok(oracle)) = (&ours, &json5::from_str::<Json>(&text)) {
            prop_assert!(same(ours, oracle), "{text:?}: {ours} is not {oracle}");
        }
    }
}
