//! `${VAR}` in strings.
//!
//! Only `[A-Z_][A-Z0-9_]*` is a variable; `$${VAR}` stands for the text `${VAR}`; any other `$` is itself. A variable
//! that is not set is a problem at its string. The process environment goes before `env.vars`.

use std::collections::BTreeMap;

use super::problem::Report;
use super::tree::{KeyPath, Node, Value};

/// The most bytes of one string after substitution; a longer one is a problem.
const MAX_BYTES: usize = 1024 * 1024;

/// Replaces all variables below `node`.
pub(super) fn substitute(node: &mut Node, env: &dyn Fn(&str) -> Option<String>, report: &mut Report) {
    // Inline variables see the process environment, but not each other: no order to get wrong.
    if let Some(vars) = node.get_mut("env").and_then(|section| section.get_mut("vars")) {
        walk(vars, &|name| set(env, name), &KeyPath::of(&["env", "vars"]), report);
    }
    let inline = inline_vars(node);
    let lookup = |name: &str| set(env, name).or_else(|| inline.get(name).cloned());
    let Value::Map(members) = &mut node.value else { return };
    for member in members.iter_mut().filter(|member| member.key != "env") {
        walk(&mut member.node, &lookup, &KeyPath::of(&[&member.key]), report);
    }
}

/// An empty variable counts as unset: that is what a missing secret looks like in most deployments.
fn set(env: &dyn Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    env(name).filter(|value| !value.is_empty())
}

fn inline_vars(root: &Node) -> BTreeMap<String, String> {
    let Some(Value::Map(vars)) = root.get("env").and_then(|env| env.get("vars")).map(|vars| &vars.value)
    else {
        return BTreeMap::new();
    };
    vars.iter().filter_map(|var| Some((var.key.clone(), var.node.text()?.to_owned()))).collect()
}

fn walk(node: &mut Node, lookup: &dyn Fn(&str) -> Option<String>, path: &KeyPath, report: &mut Report) {
    match &mut node.value {
        Value::Text(text) if text.contains("${") => match replaced(text, lookup) {
            Ok((text, from_env)) => {
                node.value = Value::Text(text);
                node.from_env = from_env;
            }
            Err(message) => {
                report.problem(Some(node.at), path, message);
                node.value = Value::Invalid;
            }
        },
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, lookup, &path.with_index(index), report);
            }
        }
        Value::Map(members) => {
            for member in members {
                walk(&mut member.node, lookup, &path.with_key(&member.key), report);
            }
        }
        _ => {}
    }
}

/// The text with its variables replaced, and whether there were any.
fn replaced(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<(String, bool), String> {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut from_env) = (text, false);
    while let Some(dollar) = rest.find('$') {
        let (before, tail) = rest.split_at(dollar);
        out.push_str(before);
        let escaped = tail.strip_prefix('$').filter(|next| variable(next).is_some());
        if let Some((name, len)) = escaped.and_then(variable) {
            out.push_str(&format!("${{{name}}}"));
            rest = &tail[1 + len..];
        } else if let Some((name, len)) = variable(tail) {
            let missing = || {
                format!(
                    "the environment variable {name} is not set; set it, or write $${{{name}}} for the text"
                )
            };
            out.push_str(&lookup(name).ok_or_else(missing)?);
            from_env = true;
            rest = &tail[len..];
        } else {
            out.push('$');
            rest = &tail[1..];
        }
        if out.len() > MAX_BYTES {
            return Err(format!("more than {MAX_BYTES} bytes after substitution"));
        }
    }
    out.push_str(rest);
    Ok((out, from_env))
}

/// The variable that `text` starts with, and how many bytes it takes: `${NAME}`.
fn variable(text: &str) -> Option<(&str, usize)> {
    let (name, _) = text.strip_prefix("${")?.split_once('}')?;
    let first = name.bytes().next()?;
    let shaped = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    (shaped && !first.is_ascii_digit()).then_some((name, name.len() + 3))
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn replaces_only_what_is_a_variable() {
        let env = |name: &str| (name == "KEY_1").then(|| "${KEY_1}!".to_owned());
        for (text, want) in [
            ("a ${KEY_1} b${KEY_1}", Ok("a ${KEY_1}! b${KEY_1}!")),
            ("$${KEY_1} $$${KEY_1}", Ok("${KEY_1} $${KEY_1}")),
            ("${lower} ${1A} ${} $X $ ${OPEN", Ok("${lower} ${1A} ${} $X $ ${OPEN")),
            ("é${KEY_1}é$", Ok("é${KEY_1}!é$")),
            (
                "x${NONE}",
                Err("the environment variable NONE is not set; set it, or write $${NONE} for the text"),
            ),
        ] {
            let got = replaced(text, &env).map(|(text, _)| text);
            assert_eq!(got.as_deref().map_err(String::as_str), want, "{text}");
        }
    }
}
