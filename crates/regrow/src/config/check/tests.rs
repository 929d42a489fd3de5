//! The schema that the types produce must stay within what the check understands.

use serde_json::Value as Json;

use crate::config::schema;

const KEYWORDS: &[&str] = &[
    "$schema",
    "title",
    "description",
    "default",
    "type",
    "properties",
    "additionalProperties",
    "patternProperties",
    "items",
    "enum",
    "const",
    "anyOf",
    "oneOf",
    "required",
    "minimum",
    "maximum",
    "format",
    "pattern",
    "x-secret",
    "x-inert",
];

const FORMATS: &[&str] = &["uint8", "uint16", "uint32", "uint64", "double", "ip"];

fn walk(schema: &Json, visit: &mut impl FnMut(&serde_json::Map<String, Json>)) {
    let Some(map) = schema.as_object() else { return };
    visit(map);
    for word in ["properties", "patternProperties"] {
        map.get(word)
            .and_then(Json::as_object)
            .into_iter()
            .flatten()
            .for_each(|(_, schema)| walk(schema, visit));
    }
    for word in ["anyOf", "oneOf"] {
        map.get(word).and_then(Json::as_array).into_iter().flatten().for_each(|schema| walk(schema, visit));
    }
    for word in ["items", "additionalProperties"] {
        map.get(word).into_iter().for_each(|schema| walk(schema, visit));
    }
}

#[test]
fn schema_keywords_are_understood() {
    let mut seen = 0;
    walk(&schema(), &mut |map| {
        seen += 1;
        for key in map.keys() {
            assert!(KEYWORDS.contains(&key.as_str()), "the check does not know `{key}`");
        }
        if let Some(format) = map.get("format").and_then(Json::as_str) {
            assert!(FORMATS.contains(&format), "the check does not know the format `{format}`");
        }
        if map.contains_key("properties") {
            assert_eq!(
                map.get("additionalProperties"),
                Some(&Json::Bool(false)),
                "an object takes unknown keys"
            );
        }
    });
    assert!(seen > 100, "only {seen} schemas were visited");
}
