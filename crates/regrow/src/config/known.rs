//! The keys that OpenClaw's configuration has, so that a key which Regrow does not use is told from a mistake.
//!
//! `known_keys.txt` holds one dotted path per line; `*` stands for any key or index, a trailing `**` for anything
//! below. Inner keys are implied by their leaves.

use std::collections::BTreeMap;
use std::sync::LazyLock;

static ROOT: LazyLock<Known> = LazyLock::new(|| {
    let mut root = Known::default();
    include_str!("known_keys.txt").lines().for_each(|path| root.insert(path.split('.')));
    root
});

/// One key of OpenClaw's configuration, with what may stand below it.
#[derive(Default)]
pub(super) struct Known {
    children: BTreeMap<&'static str, Known>,
    is_open: bool,
}

impl Known {
    /// The whole document.
    pub(super) fn root() -> &'static Known {
        &ROOT
    }

    fn insert(&mut self, mut path: impl Iterator<Item = &'static str>) {
        match path.next() {
            None => {}
            Some("**") => self.is_open = true,
            Some(key) => self.children.entry(key).or_default().insert(path),
        }
    }

    /// What is known about a key of this object.
    pub(super) fn key(&'static self, key: &str) -> Option<&'static Known> {
        self.children.get(key).or_else(|| self.item())
    }

    /// What is known about the items of this array, or the values of this map.
    pub(super) fn item(&'static self) -> Option<&'static Known> {
        self.children.get("*")
    }

    /// OpenClaw takes anything below this key.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// The named keys of this object.
    pub(super) fn names(&'static self) -> impl Iterator<Item = &'static str> {
        self.children.keys().copied().filter(|name| *name != "*")
    }
}

#[cfg(test)]
mod tests {
    use super::Known;

    #[test]
    fn paths_with_wildcards_are_found() {
        for (path, known) in [
            ("update.checkOnStart", true),
            ("update.chekOnStart", false),
            ("models.providers.x.models.0.cost.input", true),
            ("channels", true),
        ] {
            let found = path.split('.').try_fold(Known::root(), Known::key);
            assert_eq!(found.is_some(), known, "{path}");
        }
        assert!(Known::root().key("channels").unwrap().is_open());
    }
}
