//! Which tools an agent has, by OpenClaw's rules: a profile gives the base, `alsoAllow` adds to it, `allow` narrows
//! it, `deny` wins. Names match without regard to case; `*` stands for any characters; `group:…` stands for several
//! tools. A name that no tool has is ignored, because it may be one that OpenClaw has.

use serde::Deserialize;

/// OpenClaw's groups, with the tools that exist here.
const GROUPS: [(&str, &[&str]); 3] = [
    ("group:fs", &["read", "write", "edit"]),
    ("group:web", &["web_fetch"]),
    ("group:sessions", &["session_status"]),
];

/// The base set of tools.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// `session_status` only.
    Minimal,
    /// Files, web and session.
    Coding,
    /// For agents that only talk: `session_status`.
    Messaging,
    /// Every tool.
    #[default]
    Full,
}

impl Profile {
    /// The patterns of its tools.
    fn patterns(self) -> &'static [&'static str] {
        match self {
            Self::Minimal | Self::Messaging => &["session_status"],
            Self::Coding => &["group:fs", "group:web", "group:sessions"],
            Self::Full => &["*"],
        }
    }
}

/// The rules for one agent, with the names of OpenClaw's `tools` section.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Policy {
    /// The base set.
    pub profile: Profile,
    /// If present and not empty, only these of the base set remain.
    pub allow: Option<Vec<String>>,
    /// Added to the base set and to `allow`.
    pub also_allow: Vec<String>,
    /// Never, whatever else says so.
    pub deny: Vec<String>,
}

impl Policy {
    /// Whether an agent under these rules has the tool `name`.
    pub fn allows(&self, name: &str) -> bool {
        let added = matches_any(&self.also_allow, name);
        let in_profile = added || matches_any(self.profile.patterns(), name);
        let allowed = match self.allow.as_deref() {
            None | Some([]) => true,
            Some(patterns) => added || matches_any(patterns, name),
        };
        in_profile && allowed && !matches_any(&self.deny, name)
    }
}

fn matches_any<P: AsRef<str>>(patterns: &[P], name: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| matches(&pattern.as_ref().trim().to_ascii_lowercase(), &name.to_ascii_lowercase()))
}

fn matches(pattern: &str, name: &str) -> bool {
    match GROUPS.iter().find(|(group, _)| *group == pattern) {
        Some((_, members)) => members.contains(&name),
        None => matches_wildcard(pattern, name),
    }
}

/// Whether `name` has the parts of `pattern` between its stars, in order, the first and last at its ends.
fn matches_wildcard(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(head) else { return false };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        // The earliest place for each part leaves the most for those behind it.
        let Some(at) = name.find(part) else { return false };
        name = &name[at + part.len()..];
    }
    name.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOLS: [&str; 5] = ["read", "write", "edit", "web_fetch", "session_status"];

    fn allowed(policy: serde_json::Value) -> Vec<&'static str> {
        let policy: Policy = serde_json::from_value(policy).unwrap();
        TOOLS.into_iter().filter(|tool| policy.allows(tool)).collect()
    }

    #[test]
    fn rules_select_tools() {
        let all = TOOLS.to_vec();
        for (policy, want) in [
            (serde_json::json!({}), all.clone()),
            (serde_json::json!({ "profile": "full" }), all.clone()),
            (serde_json::json!({ "profile": "coding" }), all.clone()),
            (serde_json::json!({ "profile": "minimal" }), vec!["session_status"]),
            (serde_json::json!({ "profile": "messaging" }), vec!["session_status"]),
            (
                serde_json::json!({ "profile": "minimal", "alsoAllow": ["group:web"] }),
                vec!["web_fetch", "session_status"],
            ),
            (serde_json::json!({ "allow": ["group:fs"] }), vec!["read", "write", "edit"]),
            (serde_json::json!({ "allow": ["read"], "alsoAllow": ["web_*"] }), vec!["read", "web_fetch"]),
            (
                serde_json::json!({ "profile": "minimal", "allow": ["read", "session_status"] }),
                vec!["session_status"],
            ),
            (serde_json::json!({ "allow": [] }), all.clone()),
            (serde_json::json!({ "allow": ["browser"] }), vec![]),
            (serde_json::json!({ "deny": ["*"] }), vec![]),
            (serde_json::json!({ "allow": ["write"], "deny": ["WRITE"] }), vec![]),
            (
                serde_json::json!({ "alsoAllow": ["write"], "deny": ["group:FS"] }),
                vec!["web_fetch", "session_status"],
            ),
            (serde_json::json!({ "deny": ["group:runtime", "exec"] }), all.clone()),
        ] {
            assert_eq!(allowed(policy.clone()), want, "{policy}");
        }
    }

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, name, want) in [
            ("*", "read", true),
            ("web_*", "web_fetch", true),
            ("*_fetch", "web_fetch", true),
            ("w*b*h", "web_fetch", true),
            ("*e*t*", "edit", true),
            ("**", "", true),
            ("read", "reader", false),
            ("read*", "read", true),
            ("rea*ad", "read", false),
            ("*x*", "read", false),
            ("", "read", false),
        ] {
            assert_eq!(matches_wildcard(pattern, name), want, "{pattern} {name}");
        }
    }
}
