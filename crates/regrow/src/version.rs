//! Which build of the program this is.

use std::sync::LazyLock;

/// The version of the release.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, if whoever built the program named it in `REGROW_REVISION`. A build knows nothing of version control by
/// itself.
pub(crate) fn revision() -> Option<&'static str> {
    option_env!("REGROW_REVISION").filter(|revision| !revision.is_empty())
}

/// Version and commit, for people: `0.1.0 (abc1234)`.
pub(crate) fn shown() -> &'static str {
    static SHOWN: LazyLock<String> = LazyLock::new(|| full(revision()));
    &SHOWN
}

fn full(revision: Option<&str>) -> String {
    match revision {
        None => VERSION.to_owned(),
        Some(revision) => format!("{VERSION} ({revision})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_shown_if_it_is_known() {
        assert_eq!(full(Some("abc1234")), format!("{VERSION} (abc1234)"));
        assert_eq!(full(None), VERSION);
    }
}
