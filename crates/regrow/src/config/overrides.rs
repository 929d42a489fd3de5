//! Environment variables that go before the file.
//!
//! They are written into the tree with the variable as their place, so that the same checks hold for them and a bad
//! value names its variable.

use super::problem::Report;
use super::tree::{Member, Node, Value};

/// Keys and the variables that set them; the first variable that is set (and not empty) counts.
pub const OVERRIDES: &[(&[&str], &[&str])] = &[
    (&["regrow", "store"], &["REGROW_STORE"]),
    (&["regrow", "storePassword"], &["REGROW_STORE_PASSWORD"]),
    (&["regrow", "advertise"], &["REGROW_ADVERTISE"]),
    (&["gateway", "port"], &["REGROW_PORT", "OPENCLAW_GATEWAY_PORT"]),
    (&["gateway", "bind"], &["REGROW_BIND", "OPENCLAW_GATEWAY_BIND"]),
    (&["gateway", "auth", "token"], &["REGROW_TOKEN", "OPENCLAW_GATEWAY_TOKEN"]),
    (&["gateway", "auth", "password"], &["OPENCLAW_GATEWAY_PASSWORD"]),
];

/// Writes the variables that are set into `root`.
pub(super) fn apply(root: &mut Node, env: &dyn Fn(&str) -> Option<String>, report: &mut Report) {
    for (keys, variables) in OVERRIDES {
        let set = variables.iter().find_map(|name| Some((name, env(name).filter(|text| !text.is_empty())?)));
        let Some((name, text)) = set else { continue };
        let value = match keys.last() {
            Some(&"port") => text.trim().parse().map_or(Value::Text(text), Value::Int),
            _ => Value::Text(text),
        };
        let at = report.add_variable(name);
        put(root, keys, Node { at, value, from_env: true });
    }
}

/// Puts `node` at `keys`, making the objects on the way; one that is not an object is left for the check to report.
fn put(root: &mut Node, keys: &[&str], node: Node) {
    let Some((key, below)) = keys.split_first() else {
        *root = node;
        return;
    };
    let Value::Map(members) = &mut root.value else { return };
    let index = members.iter().position(|member| member.key == *key).unwrap_or_else(|| {
        let empty = Node::new(node.at, Value::Map(Vec::new()));
        members.push(Member { key: (*key).to_owned(), key_at: node.at, node: empty });
        members.len() - 1
    });
    put(&mut members[index].node, below, node);
}
