//! The configuration of a cluster: the smallest that serves OpenAI clients from a scripted model.

use std::fs;
use std::path::Path;

use anyhow::Result;
use regrow::replica_process::Launch;
use serde_json::{Value, json};

use super::Options;

/// Writes the configuration into `directory`, and says how replicas are launched on it.
pub(super) fn prepare(directory: &Path, options: &Options, token: &str) -> Result<Launch> {
    let state_dir = directory.join("state");
    fs::create_dir(&state_dir)?;
    fs::create_dir(directory.join("workspace"))?;
    let content = openclaw_json(directory, &options.model_base_url, token, &options.extra_config);
    let config = directory.join("openclaw.json");
    fs::write(&config, format!("{content:#}"))?;
    let sqlite = || format!("sqlite:{}", state_dir.join("regrow.sqlite").display());
    Ok(Launch {
        program: options.binary.clone(),
        config,
        store: options.store.clone().unwrap_or_else(sqlite),
        state_dir,
        log_dir: directory.to_owned(),
        env: options.env.clone(),
    })
}

/// The content of `openclaw.json` for replicas that share `directory`.
fn openclaw_json(directory: &Path, model_base_url: &str, token: &str, extra: &Value) -> Value {
    let mut config = json!({
        "gateway": {
            "auth": {"mode": "token", "token": token},
            "http": {"endpoints": {"chatCompletions": {"enabled": true}}},
        },
        "models": {"providers": {"fake": {
            "baseUrl": model_base_url,
            "apiKey": "sk-fake",
            "api": "openai-completions",
            "models": [{"id": "fake-1", "name": "Fake 1", "contextWindow": 128_000, "maxTokens": 4096}],
        }}},
        "agents": {"defaults": {
            "model": {"primary": "fake/fake-1"},
            "workspace": directory.join("workspace"),
            "skipBootstrap": true,
        }},
    });
    merge(&mut config, extra);
    config
}

/// Puts `extra` over `base`: objects key by key, everything else as a whole.
fn merge(base: &mut Value, extra: &Value) {
    match (base, extra) {
        (Value::Object(base), Value::Object(extra)) => {
            for (key, value) in extra {
                merge(base.entry(key.as_str()).or_insert(Value::Null), value);
            }
        }
        (base, extra) => *base = extra.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_keys_stand_beside_the_kits_own() {
        let extra = json!({"gateway": {"auth": {"token": "other"}}, "regrow": {"slots": 2}});
        let config = openclaw_json(Path::new("/tmp/x"), "http://127.0.0.1:1/v1", "token", &extra);
        assert_eq!(config["gateway"]["auth"], json!({"mode": "token", "token": "other"}));
        assert_eq!(config["regrow"]["slots"], 2);
        assert_eq!(config["models"]["providers"]["fake"]["baseUrl"], "http://127.0.0.1:1/v1");
    }
}
