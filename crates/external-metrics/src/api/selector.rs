//! Kubernetes' label selectors: `release=a`, `release in (a, b)`, `!release`, several with commas.
//!
//! `<` and `>` are for labels that are numbers, which none here is, so they are refused like everything else that is no
//! selector.

mod parse;

use url::form_urlencoded;

use super::Labels;

/// What labels must be like. All of it must hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Debug, PartialEq, Eq)]
struct Requirement {
    label: String,
    must: Must,
}

#[derive(Debug, PartialEq, Eq)]
enum Must {
    Exist,
    NotExist,
    BeIn(Vec<String>),
    /// A label that is not there is in no set.
    NotBeIn(Vec<String>),
}

impl Selector {
    /// The selector in a request's query; without one, everything is selected.
    pub(super) fn of_query(query: &str) -> Result<Self, String> {
        let said = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "labelSelector");
        said.map_or_else(|| Ok(Self::default()), |(_, text)| Self::parse(&text))
    }

    pub(super) fn selects(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.label);
            match &requirement.must {
                Must::Exist => value.is_some(),
                Must::NotExist => value.is_none(),
                Must::BeIn(set) => value.is_some_and(|value| set.contains(value)),
                Must::NotBeIn(set) => !value.is_some_and(|value| set.contains(value)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Labels {
        [("release", "blue"), ("app.kubernetes.io/name", "regrow"), ("empty", "")]
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn selectors_select_as_in_kubernetes() {
        for (text, selects) in [
            ("", true),
            ("  ", true),
            ("release=blue", true),
            ("release==blue", true),
            ("release = blue", true),
            ("release=green", false),
            ("release!=blue", false),
            ("release!=green", true),
            ("other!=blue", true),
            ("other=blue", false),
            ("empty=", true),
            ("release=", false),
            ("release", true),
            ("other", false),
            ("!other", true),
            ("! release", false),
            ("release in (green,blue)", true),
            ("release in (green, )", false),
            ("empty in (green,)", true),
            ("release in(blue)", true),
            ("release notin (green)", true),
            ("release notin (blue)", false),
            ("other notin (blue)", true),
            ("in in (in)", false),
            ("app.kubernetes.io/name=regrow,release in (blue),!x", true),
            ("app.kubernetes.io/name=regrow,release=green", false),
        ] {
            let selector = Selector::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(selector.selects(&labels()), selects, "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in [
            "=",
            "release=blue,",
            ",release",
            "release in",
            "release in blue",
            "release in (blue",
            "release in blue)",
            "release in ()x",
            "release blue",
            "release=blue=green",
            "release>1",
            "a,,b",
            "!",
            "!release=blue",
            "release=bl ue",
            "release=%",
            "(a)",
            "release in (a b)",
            "release=(a)",
        ] {
            let why = Selector::parse(text).unwrap_err();
            assert!(why.contains(text) && why.contains("label selector"), "{text}: {why}");
        }
    }

    #[test]
    fn the_selector_is_found_in_the_query() {
        let query = "limit=1&labelSelector=release%20in%20%28blue%29&watch=false";
        assert_eq!(Selector::of_query(query), Selector::parse("release in (blue)"));
        assert_eq!(Selector::of_query("labelSelector=a+in+(b)"), Selector::parse("a in (b)"));
        assert_eq!(Selector::of_query("limit=1"), Ok(Selector::default()));
        assert!(Selector::of_query("labelSelector=a%3D%3D%3D").is_err());
    }
}
