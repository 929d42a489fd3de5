//! Values that OpenClaw takes and Regrow does not, each with what to do instead.

use super::tree::KeyPath;

/// Key pattern, values, and the reason with the way out. The first row that fits decides.
const VALUES: &[(&str, &[&str], &str)] = &[
    (
        "gateway.bind",
        &["tailnet"],
        "Regrow does not look for Tailscale; use `custom` with the address in `customBindHost`",
    ),
    (
        "gateway.mode",
        &["remote"],
        "Regrow is the gateway; point clients at it with `gateway.remote` of their own file",
    ),
    ("gateway.auth.mode", &["trusted-proxy"], "put a token between the proxy and Regrow"),
    ("models.providers.*.auth", &["aws-sdk", "oauth", "token"], "use an API key"),
    (
        "models.providers.*.api",
        &[
            "openai-responses",
            "openai-chatgpt-responses",
            "google-generative-ai",
            "google-vertex",
            "github-copilot",
            "bedrock-converse-stream",
            "ollama",
            "pi-messages",
            "azure-openai-responses",
        ],
        "reach the provider through an endpoint that speaks one of the other APIs",
    ),
    (
        "diagnostics.otel.protocol",
        &["grpc"],
        "name the collector's port for OTLP over HTTP, which is 4318 as a rule, and leave this out",
    ),
    (
        "secrets.providers.*.source",
        &["exec", "store"],
        "let the platform put the secret into a variable or a file",
    ),
];

/// References to secrets may stand at many keys; only their last key is the same.
const SECRET_SOURCES: &[&str] = &["exec", "store"];

/// Why Regrow does not take this value of OpenClaw's; nothing if OpenClaw does not have it either.
pub(super) fn reason(path: &KeyPath, value: &str) -> Option<&'static str> {
    let row = VALUES.iter().find(|(pattern, values, _)| path.matches(pattern) && values.contains(&value));
    let is_source = || path.to_string().ends_with(".source") && SECRET_SOURCES.contains(&value);
    row.map(|(_, _, reason)| *reason)
        .or_else(|| is_source().then_some("let the platform put the secret into a variable or a file"))
}
