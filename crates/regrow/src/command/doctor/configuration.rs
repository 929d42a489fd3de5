//! The configuration: whether it is valid, and whether only its owner reads the secrets in it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use regrow_store::Finding;

use crate::config::{Config, Secret};
use crate::state::State;

pub(super) fn check(state: &State) -> Vec<Finding> {
    let mut findings = vec![validity(state)];
    findings.extend(state.config_path.as_deref().and_then(|path| secrets_of_file(path, &state.config)));
    findings.extend(token(&state.token_path()));
    findings
}

fn validity(state: &State) -> Finding {
    let subject = "configuration";
    let of = match &state.config_path {
        Some(path) => path.display().to_string(),
        None => "no file; the defaults".to_owned(),
    };
    match state.warnings.as_slice() {
        [] => Finding::ok(subject, of),
        [only] => Finding::warning(subject, only.to_string(), "see: regrow config check"),
        [first, rest @ ..] => Finding::warning(
            subject,
            format!("{first}; and {} more", rest.len()),
            "see all of them: regrow config check",
        ),
    }
}

/// Secrets that stand in the file itself, not in the environment or in files that it refers to.
fn secrets_of_file(path: &Path, config: &Config) -> Option<Finding> {
    let text = std::fs::read_to_string(path).ok()?;
    let auth = &config.gateway.auth;
    let providers = config.models.providers.values();
    let keys = providers.flat_map(|provider| provider.api_key.iter().chain(provider.headers.values()));
    let mut secrets = auth.token.iter().chain(&auth.password).chain(keys).map(Secret::expose);
    let written = secrets.any(|secret| !secret.is_empty() && text.contains(secret));
    (written || !config.env.vars.is_empty()).then(|| readers("secrets", path, "it holds secrets"))
}

fn token(path: &Path) -> Option<Finding> {
    path.exists().then(|| readers("token", path, "it opens the gateway"))
}

fn readers(subject: &'static str, path: &Path, why: &str) -> Finding {
    let path_shown = path.display();
    let mode = std::fs::metadata(path).map_or(0, |file| file.permissions().mode());
    if mode & 0o077 == 0 {
        return Finding::ok(subject, format!("only its owner reads {path_shown}"));
    }
    let what = format!("others can read {path_shown}, and {why}");
    Finding::warning(subject, what, format!("chmod go-rwx {path_shown}"))
}

#[cfg(test)]
mod tests {
    use regrow_store::Level;

    use super::*;
    use crate::config::{Source, load};

    fn level(text: &str, mode: u32) -> Option<Level> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("openclaw.json");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let env = Box::new(|name: &str| (name == "TOKEN").then(|| "sesame-open".to_owned()));
        let config = load(&Source { path: Some(path.clone()), env }).unwrap().config;
        secrets_of_file(&path, &config).map(|finding| finding.level)
    }

    #[test]
    fn a_file_that_holds_a_secret_is_its_owners() {
        let inside = "{ gateway: { auth: { token: 'sesame-open' } } }";
        assert_eq!(level(inside, 0o600), Some(Level::Ok));
        assert_eq!(level(inside, 0o640), Some(Level::Warning));
        assert_eq!(level(inside, 0o604), Some(Level::Warning));
        assert_eq!(level("{ env: { vars: { KEY: 'x' } } }", 0o644), Some(Level::Warning));
    }

    #[test]
    fn a_file_that_only_refers_to_secrets_may_be_read() {
        for text in ["{}", "{ gateway: { auth: { token: '${TOKEN}' } } }"] {
            assert_eq!(level(text, 0o644), None);
        }
        assert_eq!(level("{ gateway: { auth: { token: { source: 'env', id: 'TOKEN' } } } }", 0o644), None);
    }
}
