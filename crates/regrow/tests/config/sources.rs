//! Included files, references to secrets, variables, and overrides.

use regrow::config::{Auth, Bind, REDACTED};

use crate::bench::{Bench, set_mode};

#[test]
fn included_files_are_merged_and_siblings_win() {
    let bench = Bench::new(
        "{ gateway: { $include: ['sub/a.json5', 'b.json'], port: 3 }, agents: { $include: './agents.json5' } }",
    )
    .file("sub/a.json5", "{ $include: 'deep.json', port: 1, bind: 'lan', auth: { token: 'x' } }")
    .file("sub/deep.json", "{ customBindHost: '127.0.0.1', port: 0 }")
    .file("b.json", "{ bind: 'custom' }")
    .file("agents.json5", "{ entries: { b: {}, a: {} } }");
    let config = bench.load().unwrap().config;
    assert_eq!(config.gateway.listen_address().to_string(), "127.0.0.1:3");
    assert!(matches!(config.gateway.auth.effective(), Auth::Token(token) if token.expose() == "x"));
    assert_eq!(config.agents.entries.len(), 2);
    assert_eq!(config.agents.default_agent(), "a");
}

#[test]
fn arrays_of_included_files_are_joined() {
    let bench = Bench::new("{ tools: { $include: 'tools.json', deny: ['c'] } }")
        .file("tools.json", "{ deny: ['a', 'b'] }");
    assert_eq!(bench.load().unwrap().config.tools.deny, ["a", "b", "c"]);
}

#[test]
fn places_lead_to_the_included_file() {
    let bench = Bench::new("{ gateway: { $include: 'g.json' } }").file("g.json", "{\n  port: 'x',\n}");
    assert_eq!(
        bench.load().unwrap_err(),
        "g.json:2:9: gateway.port: expected an integer from 0 to 65535, found a string\n"
    );
}

#[test]
fn includes_that_may_not_be_read_are_problems() {
    let outside = tempfile::TempDir::new().unwrap();
    let secret = outside.path().join("x.json");
    std::fs::write(&secret, "{}").unwrap();
    let refused = format!(
        "openclaw.json:1:13: {} is outside of the configuration's directory; move it there or name its directory in OPENCLAW_INCLUDE_ROOTS\n",
        secret.display()
    );
    let root = format!("{{ $include: '{}' }}", secret.display());
    assert_eq!(Bench::new(&root).load().unwrap_err(), refused);
    let allowed = outside.path().canonicalize().unwrap();
    assert!(Bench::new(&root).var("OPENCLAW_INCLUDE_ROOTS", allowed.to_str().unwrap()).load().is_ok());

    let link = Bench::new("{ $include: 'link.json' }");
    std::os::unix::fs::symlink(&secret, link.path("link.json")).unwrap();
    assert!(link.load().unwrap_err().contains("is outside of the configuration's directory"));
}

#[test]
fn broken_includes_are_problems_at_their_place() {
    for (files, want) in [
        (
            vec![
                ("openclaw.json", "{ $include: 'a.json' }"),
                ("a.json", "{ gateway: { $include: 'a.json' } }"),
            ],
            "a.json:1:24: gateway: a.json includes itself, directly or through others\n",
        ),
        (
            vec![("openclaw.json", "{ $include: 'none.json' }")],
            "openclaw.json:1:13: cannot read none.json: No such file or directory (os error 2)\n",
        ),
        (
            vec![("openclaw.json", "{ $include: 5 }")],
            "openclaw.json:1:13: `$include` takes a file name or an array of them\n",
        ),
        (
            vec![("openclaw.json", "{ tools: { $include: 'a.json', deny: [] } }"), ("a.json", "[]")],
            "openclaw.json:1:22: tools: the included file must hold an object, because there are keys beside `$include`\n",
        ),
        (
            vec![("openclaw.json", "{ gateway: { $include: 'a.json' } }"), ("a.json", "{ port 1 }")],
            "a.json:1:8: expected `:` after the key, found `1`\n  | { **** * }\n  |        ^\n",
        ),
    ] {
        let bench = files.iter().fold(Bench::new("{}"), |bench, (name, text)| bench.file(name, text));
        assert_eq!(bench.load().unwrap_err(), want);
    }
}

#[test]
fn includes_are_bounded_in_depth_and_number() {
    let chain = (0..12).fold(Bench::new("{ $include: 'f0.json' }"), |bench, n| {
        bench.file(&format!("f{n}.json"), format!("{{ $include: 'f{}.json' }}", n + 1))
    });
    let problems = chain.load().unwrap_err();
    assert!(problems.starts_with("f9.json:1:13: includes lead more than 10 levels deep"), "{problems}");

    let list = "'a.json',".repeat(300);
    let wide = Bench::new(&format!("{{ $include: [{list}] }}")).file("a.json", "{}").load().unwrap_err();
    assert!(wide.contains("more than 256 files are included"), "{wide}");
}

#[test]
fn references_to_secrets_become_their_text() {
    let bench = Bench::new(
        "{ secrets: { providers: { one: { source: 'file', path: 'one', mode: 'singleValue' },
                                   many: { source: 'file', path: 'many.json' } } },
           gateway: { auth: { mode: 'token', token: { source: 'file', id: 'token' }, password: { source: 'env', provider: 'default', id: 'PW' } } },
           models: { providers: { p: { baseUrl: 'http://h', apiKey: { source: 'file', provider: 'one', id: 'value' },
             headers: { a: { source: 'file', provider: 'many', id: '/k/0' } } } } } }",
    )
    .file("token", "tok\n")
    .file("one", "uno\r\n")
    .file("many.json", r#"{"k": ["dos"]}"#)
    .var("PW", "pass");
    let loaded = bench.load().unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let provider = &loaded.config.models.providers["p"];
    let auth = &loaded.config.gateway.auth;
    let found =
        [&auth.token, &auth.password, &provider.api_key].map(|secret| secret.as_ref().unwrap().expose());
    assert_eq!(found, ["tok", "pass", "uno"]);
    assert_eq!(provider.headers["a"].expose(), "dos");
    let printed = format!("{:?}{}", loaded.config, loaded.config.to_redacted_json());
    for secret in ["tok\"", "pass\"", "uno", "dos"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    assert_eq!(loaded.config.to_redacted_json()["models"]["providers"]["p"]["apiKey"], REDACTED);
}

#[test]
fn references_that_lead_nowhere_are_problems() {
    for (reference, want) in [
        (
            "{ source: 'env', id: 'lower' }",
            "`id` must name an environment variable: A-Z, 0-9 and `_`, a letter first",
        ),
        (
            "{ source: 'env', id: 'NONE' }",
            "the environment variable NONE is not set; set it or change the reference",
        ),
        ("{ source: 'file', id: 'none' }", "cannot read none: No such file or directory (os error 2)"),
        ("{ source: 'file', id: '.' }", ". is not a regular file"),
        ("{ source: 'file', id: 'empty' }", "empty is empty"),
        ("{ source: 'file', id: 'huge' }", "huge has more than 65536 bytes"),
        (
            "{ source: 'file', id: 'x', provider: 'none' }",
            "`secrets.providers` has no `none`; add it or correct the name",
        ),
        (
            "{ source: 'file', id: '/a', provider: 'one' }",
            "the secret provider `one` holds one value; its `id` is `value`",
        ),
        (
            "{ source: 'file', id: '/none', provider: 'many' }",
            "`id` points at nothing; it is a JSON pointer such as `/providers/openai/key`",
        ),
        (
            "{ source: 'file', id: '/n', provider: 'many' }",
            "`id` points at something that is not a non-empty string",
        ),
        ("{ source: 'file', id: '/n', provider: 'broken' }", "the secret provider's file is not JSON"),
    ] {
        let bench = Bench::new(&format!(
            "{{ secrets: {{ providers: {{ one: {{ source: 'file', path: 'one', mode: 'singleValue' }},
               many: {{ source: 'file', path: 'many.json' }}, broken: {{ source: 'file', path: 'one' }} }} }},
               gateway: {{ auth: {{\ntoken: {reference} }} }} }}"
        ))
        .file("empty", "\n")
        .file("huge", "x".repeat(65537))
        .file("one", "uno")
        .file("many.json", r#"{"n": 1}"#);
        assert_eq!(bench.load().unwrap_err(), format!("openclaw.json:4:8: gateway.auth.token: {want}\n"));
    }
}

#[test]
fn secrets_that_everyone_can_read_are_a_warning() {
    let bench =
        Bench::new("{ gateway: { auth: { token: { source: 'file', id: 'token' } } } }").file("token", "tok");
    set_mode(&bench.path("token"), 0o644);
    assert_eq!(
        bench.warnings(),
        "openclaw.json:1:29: gateway.auth.token: token can be read by every user of this machine; `chmod o-r` it\n"
    );
}

#[test]
fn inline_variables_never_override_the_environment() {
    let bench = Bench::new(
        "{ env: { vars: { A: 'inline', B: '${A}-b' } }, tools: { allow: ['${A}', '${B}', '$${A}'] } }",
    );
    let missing = bench.load().unwrap_err();
    assert!(
        missing.starts_with("openclaw.json:1:34: env.vars.B: the environment variable A is not set"),
        "{missing}"
    );
    let config = bench.var("A", "real").load().unwrap().config;
    assert_eq!(config.tools.allow, ["real", "real-b", "${A}"]);
}

#[test]
fn variables_go_before_the_file() {
    let bench =
        Bench::new("{ gateway: { port: 1, bind: 'loopback', auth: { mode: 'token', token: 'file' } } }")
            .var("OPENCLAW_GATEWAY_PORT", "2")
            .var("OPENCLAW_GATEWAY_BIND", "lan")
            .var("OPENCLAW_GATEWAY_TOKEN", "openclaw")
            .var("REGROW_TOKEN", "regrow")
            .var("REGROW_PORT", "")
            .var("REGROW_STORE", "sqlite:x.db");
    let config = bench.load().unwrap().config;
    assert_eq!(config.gateway.listen_address().to_string(), "0.0.0.0:2");
    assert!(matches!(config.gateway.auth.effective(), Auth::Token(token) if token.expose() == "regrow"));
    assert_eq!(config.regrow.store.as_deref(), Some("sqlite:x.db"));
}

#[test]
fn bad_variables_are_problems_that_name_them_and_hide_their_value() {
    let bench = Bench::new("{}")
        .var("REGROW_PORT", "http")
        .var("OPENCLAW_GATEWAY_BIND", "0.0.0.0")
        .var("REGROW_STORE", "redis://user:hunter2@db/0");
    assert_eq!(
        bench.load_path(None).unwrap_err(),
        "$REGROW_STORE: regrow.store: this kind of store is not supported yet; write `postgres://…` or `sqlite:` and a file path\n\
         $REGROW_PORT: gateway.port: expected an integer from 0 to 65535, found a string\n\
         $OPENCLAW_GATEWAY_BIND: gateway.bind: unknown value (from the environment, not shown); one of auto, loopback, lan, custom\n"
    );
}

#[test]
fn without_a_file_there_are_defaults() {
    let loaded = Bench::new("{}").load_path(None).unwrap();
    assert!(loaded.warnings.is_empty() && loaded.path.is_none());
    let gateway = &loaded.config.gateway;
    assert_eq!(
        (gateway.port, gateway.bind, gateway.http.endpoints.chat_completions.enabled),
        (18789, Bind::Loopback, true)
    );
    assert_eq!(loaded.config.agents.default_agent(), "main");
    assert_eq!((loaded.config.regrow.max_queued, loaded.config.regrow.run.max_steps), (128, 50));
}

#[test]
fn whatever_was_read_or_is_missing_is_watched() {
    let bench = Bench::new(
        "{ $include: 'sub/a.json', gateway: { auth: { token: { source: 'file', id: 'token' } } },
           secrets: { providers: { vault: { source: 'file', path: 'vault.json' } } } }",
    )
    .file(
        "sub/a.json",
        "{ models: { $include: 'missing.json' }, regrow: { storePassword:
        { source: 'file', provider: 'vault', id: '/password' } } }",
    )
    .file("vault.json", r#"{ "password": "secret" }"#);
    let mut watched = bench.watched();
    watched.sort();
    assert_eq!(watched, ["openclaw.json", "sub/a.json", "sub/missing.json", "token", "vault.json"]);
    assert!(bench.load().is_err());
    assert_eq!(Bench::new("{").watched(), ["openclaw.json"]);
}
