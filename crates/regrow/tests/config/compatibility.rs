//! Configurations of OpenClaw, the schema, and input that is no configuration.

use std::collections::BTreeSet;

use proptest::prelude::*;
use regrow::config::{ModelApi, REDACTED, schema};
use serde_json::Value as Json;

use crate::bench::Bench;

#[test]
fn a_minimal_configuration_of_openclaw_loads() {
    let bench = Bench::new(
        r#"{
  gateway: { mode: "local", port: 18789, bind: "loopback",
    auth: { mode: "token", token: "${OPENCLAW_GATEWAY_TOKEN}" },
    http: { endpoints: { chatCompletions: { enabled: true }, responses: { enabled: true } } } },
  update: { checkOnStart: false },
  hooks: { enabled: true, token: "hook-secret", path: "/hooks", allowedAgentIds: ["main"] },
  models: { mode: "merge", providers: { fake: {
    baseUrl: "http://127.0.0.1:9911/v1", apiKey: "sk-fake", api: "openai-completions",
    models: [{ id: "fake-1", name: "Fake 1", reasoning: false, input: ["text"],
      cost: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 }, contextWindow: 128000, maxTokens: 4096 }] } } },
  agents: { defaults: { model: { primary: "fake/fake-1" }, workspace: "~/.openclaw/workspace", skipBootstrap: true } },
}"#,
    )
    .var("OPENCLAW_GATEWAY_TOKEN", "tok");
    assert_eq!(
        bench.warnings(),
        "openclaw.json:4:62: gateway.http.endpoints.responses: known to OpenClaw, not used by Regrow\n\
         openclaw.json:5:3: update: known to OpenClaw, not used by Regrow\n\
         openclaw.json:6:3: hooks: known to OpenClaw, not used by Regrow\n"
    );
    let config = bench.load().unwrap().config;
    let provider = &config.models.providers["fake"];
    assert_eq!(
        (provider.api, provider.models[0].context_window),
        (ModelApi::OpenaiCompletions, Some(128_000))
    );
    assert_eq!(config.agents.model_of("main").unwrap().primary, "fake/fake-1");
    assert_eq!(config.agents.workspace_of("main"), Some("~/.openclaw/workspace"));
}

#[test]
fn older_spellings_are_read() {
    let bench = Bench::new(
        "{ agents: { defaults: { compaction: { reserve: 5 } }, list: [{ id: 'b', name: 'B' }, { id: 'c', default: true }] } }",
    );
    assert_eq!(
        bench.warnings(),
        "openclaw.json:1:55: agents.list: the older form; write `agents.entries`, an object with the ids as keys\n"
    );
    let agents = bench.load().unwrap().config.agents;
    assert_eq!(agents.default_agent(), "c");
    assert_eq!(agents.entries["b"].name.as_deref(), Some("B"));
    assert_eq!(agents.defaults.compaction.reserve_tokens, 5);
}

#[test]
fn what_is_kept_for_its_replies_is_not_deleted_earlier() {
    let bench = Bench::new("{ regrow: { retention: { keysDays: 7, sessionsDays: 3, historyDays: 9 } } }");
    assert_eq!(
        bench.warnings(),
        "openclaw.json:1:53: regrow.retention.sessionsDays: this is shorter than `keysDays`, so it has no effect: senders may ask for their replies that long\n",
    );
}

#[test]
fn what_has_no_effect_is_a_warning() {
    let bench = Bench::new(
        "{ session: { dmScope: 'per-peer', mainKey: 'x' }, agents: { defaults: { thinkingDefault: 'low', model: 'p/y' } },
  gateway: { customBindHost: '127.0.0.1', auth: { mode: 'none', token: 't' } },
  models: { providers: { p: { baseUrl: 'http://h', models: [{ id: 'x' }] } } } , channels: { any: { thing: 1 } } }",
    );
    assert_eq!(
        bench.warnings(),
        "openclaw.json:1:23: session.dmScope: accepted, but Regrow does not act on it\n\
         openclaw.json:1:35: session.mainKey: known to OpenClaw, not used by Regrow\n\
         openclaw.json:1:73: agents.defaults.thinkingDefault: known to OpenClaw, not used by Regrow\n\
         openclaw.json:1:104: agents.defaults.model: the provider's `models` do not list this one, so its limits are unknown\n\
         openclaw.json:2:30: gateway.customBindHost: this has no effect unless `gateway.bind` is \"custom\"\n\
         openclaw.json:2:57: gateway.auth.mode: a token or password is set, but `none` ignores it: every caller is let in\n\
         openclaw.json:3:82: channels: known to OpenClaw, not used by Regrow\n"
    );
}

#[test]
fn what_a_collector_does_not_get_is_a_warning() {
    let bench = Bench::new(
        "{ diagnostics: { flags: ['x'], otel: { enabled: true, endpoint: 'http://c:4318', protocol: 'http/protobuf',
  traces: true, metrics: true, logs: false, sampleRate: 0.2, metricNamePrefix: 'x', captureContent: true } } }",
    );
    assert_eq!(
        bench.warnings(),
        "openclaw.json:1:18: diagnostics.flags: known to OpenClaw, not used by Regrow\n\
         openclaw.json:2:17: diagnostics.otel.metrics: known to OpenClaw, not used by Regrow\n\
         openclaw.json:2:62: diagnostics.otel.metricNamePrefix: known to OpenClaw, not used by Regrow\n\
         openclaw.json:2:85: diagnostics.otel.captureContent: known to OpenClaw, not used by Regrow\n"
    );
}

/// The dotted paths of all named keys of a schema; keys of maps are `*`, items of arrays `[]`.
fn schema_paths(schema: &Json, path: &str, out: &mut BTreeSet<String>) {
    // How a secret is written is not a key of its own.
    if schema.get("x-secret").is_some() {
        return;
    }
    for word in ["anyOf", "oneOf"] {
        schema
            .get(word)
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .for_each(|s| schema_paths(s, path, out));
    }
    for (key, below) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
        let path = format!("{path}.{key}");
        out.insert(path.clone());
        schema_paths(below, &path, out);
    }
    for word in ["additionalProperties", "patternProperties"] {
        let below = schema.get(word).filter(|below| below.is_object());
        let below = below
            .and_then(|s| if word == "patternProperties" { s.as_object()?.values().next() } else { Some(s) });
        below.into_iter().for_each(|below| schema_paths(below, &format!("{path}.*"), out));
    }
    schema.get("items").into_iter().for_each(|items| schema_paths(items, &format!("{path}[]"), out));
}

/// Whether some value of `json` stands at `path`.
fn holds(json: &Json, path: &str) -> bool {
    let Some(rest) = path.strip_prefix('.') else {
        return match path.strip_prefix("[]") {
            Some(rest) => json.as_array().is_some_and(|items| items.iter().any(|item| holds(item, rest))),
            None => !json.is_null(),
        };
    };
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    match (json.as_object(), rest.split_at(end)) {
        (Some(map), ("*", below)) => map.values().any(|value| holds(value, below)),
        (Some(map), (key, below)) => map.get(key).is_some_and(|value| holds(value, below)),
        (None, _) => false,
    }
}

#[test]
fn every_key_of_the_schema_is_read_into_the_configuration() {
    let text = include_str!("full.json5");
    let bench =
        Bench::new(text).file("vault.json", r#"{"cloud": {"key": "sk-cloud"}}"#).var("TEST_PASSWORD", "pw");
    let written: Json = json5::from_str(text).unwrap();
    let read = bench.load().unwrap().config.to_redacted_json();
    let mut paths = BTreeSet::new();
    schema_paths(&schema(), "", &mut paths);
    assert!(paths.len() > 90, "only {} paths", paths.len());
    for path in &paths {
        assert!(holds(&written, path), "full.json5 lacks {path}");
    }
    assert_same("", &written, &read);
}

/// What was read must be what was written; secrets are redacted, and a lone model is a choice without fallbacks.
fn assert_same(path: &str, written: &Json, read: &Json) {
    if *read == REDACTED {
        return;
    }
    match (written, read) {
        (Json::Object(written), Json::Object(read)) => {
            for (key, value) in written {
                assert_same(&format!("{path}.{key}"), value, read.get(key).unwrap_or(&Json::Null));
            }
        }
        (Json::Array(written), Json::Array(read)) => {
            assert_eq!(written.len(), read.len(), "{path}");
            written.iter().zip(read).for_each(|(written, read)| assert_same(path, written, read));
        }
        (Json::String(model), Json::Object(choice)) => assert_eq!(choice["primary"], *model, "{path}"),
        (Json::Number(written), Json::Number(read)) => assert_eq!(written.as_f64(), read.as_f64(), "{path}"),
        _ => assert_eq!(written, read, "{path}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = Bench::new("").file("openclaw.json", &bytes).load();
    }

    #[test]
    fn arbitrary_values_of_real_keys_never_panic_and_never_pass_as_unreadable(
        section in prop::sample::select(vec!["gateway", "agents", "models", "secrets", "regrow", "tools", "env", "session"]),
        key in prop::sample::select(vec!["auth", "list", "entries", "providers", "defaults", "vars", "port", "model", "$include"]),
        value in r#"[\[\]{}:,'"a-c0-9$\\.-]{0,20}|\{ ?[a-z]{1,4}: (\[\]|\{\}|1|'x'|null) ?\}|\[1, 'x', null, \{\}\]"#,
    ) {
        let outcome = Bench::new(&format!("{{ {section}: {{ {key}: {value} }} }}")).load();
        if let Err(problems) = outcome {
            prop_assert!(!problems.contains("please report it"), "{problems}");
        }
    }
}
