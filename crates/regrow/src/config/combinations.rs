//! Checks across keys: combinations that are each valid, and together not. Messages state the consequence.
//!
//! A check runs only where its own keys are sound, so that one mistake is one problem.

use std::path::Path;

use regrow_gateway::Network;

use super::agents::AgentId;
use super::document::Config;
use super::gateway::{AuthMode, Bind};
use super::model::ModelChoice;
use super::problem::Report;
use super::tree::{KeyPath, Node, Segment, Span, shown};
use crate::advertise::Advertised;

/// The model that needs no provider.
const DEMO: &str = "demo/demo";

/// Reports bad combinations of `config`, which was read from `root`.
pub(super) fn check(config: &Config, root: &mut Node, report: &mut Report) {
    let mut check = Combinations { config, root, report };
    check.doors();
    check.custom_host();
    check.trusted_proxies();
    check.models();
    check.provider_urls();
    check.store();
    check.advertise();
    check.roles();
    check.retention();
    check.collector();
}

struct Combinations<'a> {
    config: &'a Config,
    root: &'a mut Node,
    report: &'a mut Report,
}

impl Combinations<'_> {
    /// The place of a key, or of the nearest object around it that was written.
    fn place(&mut self, path: &KeyPath) -> Option<Span> {
        (0..=path.0.len()).rev().find_map(|len| {
            let around = KeyPath(path.0.iter().take(len).cloned().collect());
            self.root.at_mut(&around).map(|node| node.at)
        })
    }

    fn problem(&mut self, path: &KeyPath, message: impl Into<String>) {
        let at = self.place(path);
        self.report.problem(at, path, message);
    }

    fn warn(&mut self, path: &KeyPath, message: &str) {
        let at = self.place(path);
        self.report.warn(at, path, message);
    }

    fn doors(&mut self) {
        if !self.report.is_sound(&["gateway", "auth"]) {
            return;
        }
        let auth = &self.config.gateway.auth;
        let path = KeyPath::of(&["gateway", "auth", "mode"]);
        match (auth.mode, &auth.token, &auth.password) {
            (None, Some(_), Some(_)) => {
                self.problem(&path, "both a token and a password are set; say which one counts with `mode`");
            }
            (Some(AuthMode::Password), _, None) => self.problem(
                &path,
                "`password` without a password lets nobody in; set `gateway.auth.password` or OPENCLAW_GATEWAY_PASSWORD",
            ),
            (Some(AuthMode::None), Some(_), _) | (Some(AuthMode::None), _, Some(_)) => {
                self.warn(&path, "a token or password is set, but `none` ignores it: every caller is let in");
            }
            _ => {}
        }
        self.empty_credential();
        let exposed = !self.config.gateway.listen_address().ip().is_loopback();
        let open = auth.mode == Some(AuthMode::None);
        // Without any mode a token is generated, which is safe everywhere.
        if exposed && open && self.report.is_sound(&["gateway", "bind"]) {
            self.problem(
                &KeyPath::of(&["gateway", "bind"]),
                "with `gateway.auth.mode: \"none\"`, everyone who reaches this address controls the agents; set REGROW_TOKEN or `gateway.auth.token`, or bind to loopback",
            );
        }
    }

    /// An empty token would be matched by an empty guess.
    fn empty_credential(&mut self) {
        let auth = &self.config.gateway.auth;
        for (key, secret) in [("token", &auth.token), ("password", &auth.password)] {
            if secret.as_ref().is_some_and(|secret| secret.expose().trim().is_empty()) {
                let path = KeyPath::of(&["gateway", "auth", key]);
                self.problem(&path, "this is empty, so an empty guess would be right; set it or remove it");
            }
        }
    }

    fn custom_host(&mut self) {
        let gateway = &self.config.gateway;
        let path = KeyPath::of(&["gateway", "customBindHost"]);
        match (gateway.bind, gateway.custom_bind_host) {
            (Bind::Custom, None) if self.report.is_sound(&["gateway", "customBindHost"]) => {
                self.problem(&path, "`bind: \"custom\"` needs an address here, such as \"192.0.2.10\"");
            }
            (Bind::Auto | Bind::Loopback | Bind::Lan, Some(_))
                if self.report.is_sound(&["gateway", "bind"]) =>
            {
                self.warn(&path, "this has no effect unless `gateway.bind` is \"custom\"");
            }
            _ => {}
        }
    }

    fn trusted_proxies(&mut self) {
        let wrong = |(index, text): (usize, &String)| Some((index, text.parse::<Network>().err()?));
        let wrong: Vec<_> =
            self.config.gateway.trusted_proxies.iter().enumerate().filter_map(wrong).collect();
        for (index, why) in wrong {
            let path = KeyPath::of(&["gateway", "trustedProxies"]).with_index(index);
            self.problem(&path, why.to_string());
        }
    }

    fn models(&mut self) {
        let agents = &self.config.agents;
        let common =
            agents.defaults.model.iter().map(|model| (KeyPath::of(&["agents", "defaults", "model"]), model));
        let own = |(id, entry): (&AgentId, &'_ super::agents::AgentEntry)| {
            Some((KeyPath::of(&["agents", "entries", id.as_str(), "model"]), entry.model.clone()?))
        };
        let own: Vec<_> = agents.entries.iter().filter_map(own).collect();
        let all: Vec<_> = common.map(|(path, model)| (path, model.clone())).chain(own).collect();
        for (path, choice) in all {
            self.choice(&path, &choice);
        }
    }

    fn choice(&mut self, path: &KeyPath, choice: &ModelChoice) {
        let is_object = self.root.at_mut(path).is_some_and(|node| node.text().is_none());
        let primary = if is_object { path.with_key("primary") } else { path.clone() };
        self.model(&primary, &choice.primary);
        for (index, fallback) in choice.fallbacks.iter().enumerate() {
            self.model(&path.with_key("fallbacks").with_index(index), fallback);
        }
    }

    fn model(&mut self, path: &KeyPath, name: &str) {
        if name == DEMO {
            return;
        }
        let Some((provider, model)) = name.split_once('/').filter(|(p, m)| !p.is_empty() && !m.is_empty())
        else {
            return self.problem(path, "expected `provider/model`, such as \"openai/gpt-5\"");
        };
        let providers = &self.config.models.providers;
        let Some(configured) = providers.get(provider) else {
            let known: Vec<String> = providers.keys().map(|name| shown(name)).collect();
            if !self.report.is_sound(&["models", "providers", provider]) {
                return;
            }
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!(
                "no provider `{}` is configured, so no run of this agent could call its model; configured: {known}",
                shown(provider)
            );
            return self.problem(path, message);
        };
        let is_listed = configured.models.iter().any(|listed| listed.id == model);
        if !configured.models.is_empty() && !is_listed {
            self.warn(path, "the provider's `models` do not list this one, so its limits are unknown");
        }
    }

    fn provider_urls(&mut self) {
        let bad: Vec<(KeyPath, &str)> = self
            .config
            .models
            .providers
            .iter()
            .filter_map(|(name, provider)| {
                let path = KeyPath::of(&["models", "providers", name, "baseUrl"]);
                url_problem(&provider.base_url).map(|message| (path, message))
            })
            .collect();
        for (path, message) in bad {
            self.problem(&path, message);
        }
    }

    fn store(&mut self) {
        let path = KeyPath::of(&["regrow", "store"]);
        let Some(store) = &self.config.regrow.store else { return };
        // The value is not shown: a store's URL may carry a password.
        match store.split_once(':') {
            Some(("sqlite", file)) if !file.is_empty() && Path::new(file).file_name().is_some() => {}
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {}
            Some(("redis" | "rediss", _)) => {
                self.problem(&path, "this kind of store is not supported yet; write `postgres://…` or `sqlite:` and a file path");
            }
            _ => self.problem(
                &path,
                "expected `sqlite:` and a file path, such as \"sqlite:/var/lib/regrow/regrow.db\", or \
                 \"postgres://user@host:5432/database\"",
            ),
        }
    }

    fn retention(&mut self) {
        let retention = &self.config.regrow.retention;
        let keys = retention.keys_days;
        let short: Vec<&str> =
            [("sessionsDays", retention.sessions_days), ("historyDays", retention.history_days)]
                .into_iter()
                .filter_map(|(key, days)| days.is_some_and(|days| days < keys).then_some(key))
                .collect();
        if !self.report.is_sound(&["regrow", "retention"]) {
            return;
        }
        for key in short {
            let path = KeyPath::of(&["regrow", "retention", key]);
            self.warn(
                &path,
                "this is shorter than `keysDays`, so it has no effect: senders may ask for their replies that long",
            );
        }
    }

    fn advertise(&mut self) {
        let said = self.config.regrow.advertise.as_deref().map(Advertised::parse);
        if let Some(Err(message)) = said {
            self.problem(&KeyPath::of(&["regrow", "advertise"]), message);
        }
    }

    fn collector(&mut self) {
        let otel = &self.config.diagnostics.otel;
        let urls = [
            ("endpoint", &otel.endpoint),
            ("tracesEndpoint", &otel.traces_endpoint),
            ("logsEndpoint", &otel.logs_endpoint),
        ];
        let bad = |(key, url): (&'static str, &Option<String>)| Some((key, url_problem(url.as_deref()?)?));
        for (key, message) in urls.into_iter().filter_map(bad).collect::<Vec<_>>() {
            self.problem(&KeyPath::of(&["diagnostics", "otel", key]), message);
        }
    }

    fn roles(&mut self) {
        if self.config.regrow.roles.is_empty() {
            let path = KeyPath(vec![Segment::Key("regrow".to_owned()), Segment::Key("roles".to_owned())]);
            self.problem(
                &path,
                "a replica without a role does nothing; name \"gateway\", \"worker\" or both",
            );
        }
    }
}

fn url_problem(text: &str) -> Option<&'static str> {
    let after = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(after) = after else { return Some("expected a URL that starts with `https://` or `http://`") };
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some("credentials in a URL end up in logs; put the key into `apiKey` or `headers`");
    }
    (authority.is_empty() || text.contains(char::is_whitespace))
        .then_some("expected a URL with a host and no spaces")
}
