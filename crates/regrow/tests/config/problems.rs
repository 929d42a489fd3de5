//! Bad configurations and exactly what a person is told about them.

use regrow::config::render;

use crate::bench::Bench;

/// Root files, and the rendered problems.
const BAD: &[(&str, &str)] = &[
    // Syntax: one problem, the line, a caret, and no values.
    (
        "{\n  gateway: { port: 1, auth: { token: \"s3cret\" } bind: \"lan\" }\n}",
        "openclaw.json:2:49: expected `,` or `}` after the value, found `b`\n\
         \x20 |   gateway: { port: *, auth: { token: \"******\" } bind: \"***\" }\n\
         \x20 |                                                 ^\n",
    ),
    ("", "openclaw.json:1:1: expected a value, found the end of the file\n  | \n  | ^\n"),
    // Types, ranges and choices, all at once and in order.
    (
        "{\n  gateway: {\n    port: \"x\",\n    bind: 'lam',\n    auth: { rateLimit: { maxAttempts: 0, windowMs: 1.5, exemptLoopback: 'yes' } },\n  },\n  agents: [],\n  logging: { level: 4 },\n}",
        "openclaw.json:3:11: gateway.port: expected an integer from 0 to 65535, found a string\n\
         openclaw.json:4:11: gateway.bind: unknown value \"lam\" (did you mean `lan`?); one of auto, loopback, lan, custom\n\
         openclaw.json:5:39: gateway.auth.rateLimit.maxAttempts: expected an integer from 1 to 4294967295, found 0\n\
         openclaw.json:5:52: gateway.auth.rateLimit.windowMs: expected an integer from 1 to 9007199254740991, found a number\n\
         openclaw.json:5:73: gateway.auth.rateLimit.exemptLoopback: expected true or false, found a string\n\
         openclaw.json:7:11: agents: expected an object, found an array\n\
         openclaw.json:8:21: logging.level: expected one of silent, fatal, error, warn, info, debug, trace, found an integer\n",
    ),
    ("[]", "openclaw.json:1:1: expected an object, found an array\n"),
    (
        "{ gateway: { port: 65536, auth: { token: 5 } } }",
        "openclaw.json:1:20: gateway.port: expected an integer from 0 to 65535, found 65536\n\
         openclaw.json:1:42: gateway.auth.token: expected a string or an object, found an integer\n",
    ),
    // Unknown keys, in used and unused sections.
    (
        "{ gatway: {}, gateway: { prot: 1 }, update: { chekOnStart: true }, regrow: { meta: 1 }, zzz: 1 }",
        "openclaw.json:1:3: gatway: unknown key (did you mean `gateway`?); correct or remove it\n\
         openclaw.json:1:26: gateway.prot: unknown key (did you mean `port`?); correct or remove it\n\
         openclaw.json:1:47: update.chekOnStart: unknown key (did you mean `checkOnStart`?); correct or remove it\n\
         openclaw.json:1:78: regrow.meta: unknown key; correct or remove it\n\
         openclaw.json:1:89: zzz: unknown key; correct or remove it\n",
    ),
    (
        "{ gateway: { port: 1, port: 2 }, session: {}, 'session': {} }",
        "openclaw.json:1:23: gateway.port: this key is given twice; remove one of them\n\
         openclaw.json:1:47: session: this key is given twice; remove one of them\n",
    ),
    // What OpenClaw takes and Regrow does not.
    (
        "{ models: { providers: { fake: { baseUrl: 'http://h/v1', api: 'ollama', auth: 'oauth' }, b: { baseUrl: 'http://h', api: 'x' } } },\n  gateway: { bind: 'tailnet', auth: { mode: 'trusted-proxy', token: { source: 'exec', id: 'x' } } } }",
        "openclaw.json:1:63: models.providers.fake.api: \"ollama\" is not supported: reach the provider through an endpoint that speaks one of the other APIs; one of openai-completions, anthropic-messages\n\
         openclaw.json:1:79: models.providers.fake.auth: \"oauth\" is not supported: use an API key; one of api-key\n\
         openclaw.json:1:121: models.providers.b.api: unknown value \"x\"; one of openai-completions, anthropic-messages\n\
         openclaw.json:2:20: gateway.bind: \"tailnet\" is not supported: Regrow does not look for Tailscale; use `custom` with the address in `customBindHost`; one of auto, loopback, lan, custom\n\
         openclaw.json:2:45: gateway.auth.mode: \"trusted-proxy\" is not supported: put a token between the proxy and Regrow; one of none, token, password\n\
         openclaw.json:2:79: gateway.auth.token.source: \"exec\" is not supported: let the platform put the secret into a variable or a file; one of env, file\n",
    ),
    (
        "{ diagnostics: { otel: { protocol: 'grpc', endpoint: 'collector:4317', sampleRate: 2 } } }",
        "openclaw.json:1:36: diagnostics.otel.protocol: \"grpc\" is not supported: name the collector's port for OTLP over HTTP, which is 4318 as a rule, and leave this out; one of http/protobuf\n\
         openclaw.json:1:54: diagnostics.otel.endpoint: expected a URL that starts with `https://` or `http://`\n\
         openclaw.json:1:84: diagnostics.otel.sampleRate: expected a number from 0 to 1, found 2\n",
    ),
    // Missing keys, and what depends on them.
    (
        "{ models: { providers: { p: { models: [{ name: 'x' }] } } }, agents: { defaults: { model: 'p/x' } } }",
        "openclaw.json:1:29: models.providers.p: `baseUrl` is missing; add it here\n\
         openclaw.json:1:40: models.providers.p.models[0]: `id` is missing; add it here\n",
    ),
    // Variables.
    (
        "{ gateway: { auth: { token: '${NO_TOKEN}' }, bind: '${A}${B}' } }",
        "openclaw.json:1:29: gateway.auth.token: the environment variable NO_TOKEN is not set; set it, or write $${NO_TOKEN} for the text\n\
         openclaw.json:1:52: gateway.bind: the environment variable A is not set; set it, or write $${A} for the text\n",
    ),
    // Combinations.
    (
        "{ gateway: { bind: 'lan', auth: { mode: 'none' } } }",
        "openclaw.json:1:20: gateway.bind: with `gateway.auth.mode: \"none\"`, everyone who reaches this address controls the agents; set REGROW_TOKEN or `gateway.auth.token`, or bind to loopback\n",
    ),
    (
        "{ gateway: { bind: 'custom', auth: { mode: 'token' } } }",
        "openclaw.json:1:12: gateway.customBindHost: `bind: \"custom\"` needs an address here, such as \"192.0.2.10\"\n",
    ),
    (
        "{ gateway: { bind: 'custom', customBindHost: 'host', auth: { token: 'a', password: ' ' } } }",
        "openclaw.json:1:46: gateway.customBindHost: expected an IP address, found \"host\"\n\
         openclaw.json:1:60: gateway.auth.mode: both a token and a password are set; say which one counts with `mode`\n\
         openclaw.json:1:84: gateway.auth.password: this is empty, so an empty guess would be right; set it or remove it\n",
    ),
    (
        "{ gateway: { trustedProxies: ['10.0.0.0/8', 'balancer'] } }",
        "openclaw.json:1:45: gateway.trustedProxies[1]: not an address or a network such as `10.0.0.0/8`\n",
    ),
    (
        "{ models: { providers: { a: { baseUrl: 'http://u:p@h' }, b: { baseUrl: 'h:1' } } },\n  agents: { defaults: { model: { primary: 'c/x', fallbacks: ['demo/demo', 'gpt'] } }, entries: { helper: { model: 'd/y' } } } }",
        "openclaw.json:1:40: models.providers.a.baseUrl: credentials in a URL end up in logs; put the key into `apiKey` or `headers`\n\
         openclaw.json:1:72: models.providers.b.baseUrl: expected a URL that starts with `https://` or `http://`\n\
         openclaw.json:2:43: agents.defaults.model.primary: no provider `c` is configured, so no run of this agent could call its model; configured: a, b\n\
         openclaw.json:2:75: agents.defaults.model.fallbacks[1]: expected `provider/model`, such as \"openai/gpt-5\"\n\
         openclaw.json:2:115: agents.entries.helper.model: no provider `d` is configured, so no run of this agent could call its model; configured: a, b\n",
    ),
    (
        "{ regrow: { store: 'redis://user:p@h/db', roles: [] } }",
        "openclaw.json:1:20: regrow.store: this kind of store is not supported yet; write `postgres://…` or `sqlite:` and a file path\n\
         openclaw.json:1:50: regrow.roles: a replica without a role does nothing; name \"gateway\", \"worker\" or both\n",
    ),
    // Agents.
    (
        "{ agents: { list: [{ id: 'a' }, { id: 'a' }, {}, { id: 'B ad' }] } }",
        "openclaw.json:1:39: agents.list[1]: an agent with this `id` is already there; remove one of them\n\
         openclaw.json:1:46: agents.list[2]: expected an object with a text `id`\n\
         openclaw.json:1:56: agents.entries.\"B ad\": an agent id has only a-z, 0-9, `_` and `-`, a letter or digit first, and at most 64 characters\n",
    ),
];

#[test]
fn each_bad_file_is_told_exactly() {
    for (text, want) in BAD {
        let got = Bench::new(text).load().map(|_| "it loaded").unwrap_err();
        assert_eq!(got, *want, "\n--- for {text}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let bench = Bench::new("{}");
    let missing = bench.load_path(Some(bench.path("none.json"))).unwrap_err();
    assert_eq!(missing, "cannot read none.json: No such file or directory (os error 2)\n");
    let folder = bench.load_path(Some(bench.path(""))).unwrap_err();
    assert!(folder.ends_with("is not a regular file\n"), "{folder}");
    let binary = bench.file("openclaw.json", b"{\n'\xff'}").load().unwrap_err();
    assert_eq!(binary, "cannot read openclaw.json: it is not UTF-8 text (line 2); save it as UTF-8\n");
}

#[test]
fn problems_are_bounded() {
    let keys: String = (0..5000).map(|n| format!("unknown{n}: 1,")).collect();
    let problems = Bench::new(&format!("{{{keys}}}")).load().unwrap_err();
    assert_eq!(problems.lines().count(), 101);
    assert_eq!(problems.lines().last(), Some("more than 100 problems; the others are not shown"));
}

#[test]
fn values_from_the_environment_are_not_shown() {
    let bench = Bench::new("{ gateway: { bind: '${SECRET}' }, logging: { level: '${SECRET}' } }");
    let problems = bench.var("SECRET", "hunter2").load().unwrap_err();
    assert!(!problems.contains("hunter2"), "{problems}");
    assert!(problems.contains("unknown value (from the environment, not shown)"), "{problems}");
}

#[test]
fn no_problems_render_as_nothing() {
    assert_eq!(render(&[]), "");
}
