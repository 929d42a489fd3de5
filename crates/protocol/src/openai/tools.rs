//! The `tools` and `tool_choice` of a request.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::Invalid;
use super::place::Place;
use super::value::Fields;
use crate::{ToolChoice, ToolSpec};

/// The most tools of a request.
const MAX_TOOLS: usize = 128;

/// The most characters of a tool's name.
const MAX_NAME: usize = 64;

/// Reads all tools. Names are unique: a call could not be told apart otherwise.
pub(super) fn read(list: Vec<Value>, place: &Place<'_>) -> Result<Vec<ToolSpec>, Invalid> {
    if list.len() > MAX_TOOLS {
        return Err(place.refuse(format_args!("has {} tools; at most {MAX_TOOLS} are possible", list.len())));
    }
    let mut tools = Vec::with_capacity(list.len());
    for (index, value) in list.into_iter().enumerate() {
        tools.push(tool(Fields::of(value, &place.index(index))?)?);
    }
    let mut names = HashSet::with_capacity(tools.len());
    let twice = tools.iter().position(|tool: &ToolSpec| !names.insert(tool.name.as_str()));
    match twice {
        Some(index) => Err(place.index(index).field("function").field("name").refuse("is there twice")),
        None => Ok(tools),
    }
}

fn tool(mut tool: Fields<'_>) -> Result<ToolSpec, Invalid> {
    let kind = tool.required_string("type")?;
    if kind != "function" {
        return Err(tool.refuse("type", format_args!("is `{kind}`; only `function` is supported")));
    }
    let place = tool.place.field("function");
    let mut function = Fields::of(tool.required("function")?, &place)?;
    let name = function.required_string("name")?;
    if !is_name(&name) {
        return Err(
            function.refuse("name", format_args!("must be 1 to {MAX_NAME} of letters, digits, `_` and `-`"))
        );
    }
    let description = function.string("description")?.unwrap_or_default();
    let parameters = match function.take("parameters") {
        None => no_parameters(),
        Some(schema @ Value::Object(_)) => schema,
        Some(_) => return Err(function.refuse("parameters", "must be a JSON Schema object")),
    };
    Ok(ToolSpec { name, description, parameters, strict: function.bool("strict")?.unwrap_or(false) })
}

/// The schema of a tool without arguments.
fn no_parameters() -> Value {
    Value::Object(Map::from_iter([
        ("type".to_owned(), Value::from("object")),
        ("properties".to_owned(), Value::Object(Map::new())),
    ]))
}

fn is_name(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// Reads which tool must be called. What it names must be there.
pub(super) fn choice(
    value: Option<Value>,
    place: &Place<'_>,
    tools: &[ToolSpec],
) -> Result<ToolChoice, Invalid> {
    let chosen = match value {
        None => return Ok(ToolChoice::Auto),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => return Ok(ToolChoice::Auto),
            "none" => return Ok(ToolChoice::None),
            "required" if !tools.is_empty() => return Ok(ToolChoice::Required),
            "required" => return Err(place.refuse("is `required`, but there are no tools")),
            other => {
                return Err(
                    place.refuse(format_args!("is `{other}`; it must be auto, none, required or a function"))
                );
            }
        },
        Some(value) => value,
    };
    let mut chosen = Fields::of(chosen, place)?;
    if chosen.required_string("type")? != "function" {
        return Err(chosen.refuse("type", "must be `function`"));
    }
    let place = place.field("function");
    let mut function = Fields::of(chosen.required("function")?, &place)?;
    let name = function.required_string("name")?;
    if !tools.iter().any(|tool| tool.name == name) {
        return Err(function.refuse("name", format_args!("is `{name}`, which is not among the tools")));
    }
    Ok(ToolChoice::Named(name))
}
