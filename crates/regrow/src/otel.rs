//! From the configuration and OpenTelemetry's variables to what is sent to a collector.
//!
//! A key of the configuration goes before its variable. What is wrong with the collector keeps no replica from starting.

use std::env;
use std::time::Duration;

use regrow_telemetry::otlp::{Error, Exporter, Options};
use tokio::runtime::Handle;

use crate::config::{DiagnosticsConfig, LogsExporter, OtelConfig};
use crate::version;

/// How long what is left may take at the end.
pub(crate) const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// Where a collector is if nobody says.
const USUAL: &str = "http://localhost:4318";

/// Looks up an environment variable that is set and not empty.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Starts to send what is configured; nothing if that is nothing.
pub(crate) fn start(config: &DiagnosticsConfig, runtime: &Handle) -> Option<Result<Exporter, Error>> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let options = options(config, &variable)?;
    Some(Exporter::start(&options, runtime))
}

fn options(config: &DiagnosticsConfig, variable: Variables<'_>) -> Option<Options> {
    let otel = &config.otel;
    let is_disabled =
        variable("OTEL_SDK_DISABLED").is_some_and(|said| said.trim().eq_ignore_ascii_case("true"));
    let sends_logs = otel.logs && otel.logs_exporter != LogsExporter::Stdout;
    if !config.enabled || !otel.enabled || is_disabled || !(otel.traces || sends_logs) {
        return None;
    }
    let url = |own: &Option<String>, signal: &str| url(otel, own.as_deref(), signal, variable);
    Some(Options {
        traces: otel.traces.then(|| url(&otel.traces_endpoint, "traces")),
        logs: sends_logs.then(|| url(&otel.logs_endpoint, "logs")),
        headers: otel.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect(),
        service: service(otel, variable),
        version: version::VERSION,
        sample_rate: otel.sample_rate,
        flush_interval: otel.flush_interval_ms.map(|ms| Duration::from_millis(u64::from(ms))),
    })
}

/// A URL of one signal is taken as it is; one of all gets the signal's path, unless it names it.
fn url(otel: &OtelConfig, own: Option<&str>, signal: &str, variable: Variables<'_>) -> String {
    let named = format!("OTEL_EXPORTER_OTLP_{}_ENDPOINT", signal.to_uppercase());
    if let Some(url) = own.map(str::to_owned).or_else(|| variable(&named)) {
        return url;
    }
    let of_all = otel.endpoint.clone().or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"));
    let of_all = of_all.unwrap_or_else(|| USUAL.to_owned());
    let path = format!("/v1/{signal}");
    if of_all.contains(&path) { of_all } else { format!("{}{path}", of_all.trim_end_matches('/')) }
}

/// A name, unless the variables have one.
fn service(otel: &OtelConfig, variable: Variables<'_>) -> Option<String> {
    let in_variables = || {
        variable("OTEL_SERVICE_NAME").is_some()
            || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|all| all.contains("service.name="))
    };
    otel.service_name.clone().or_else(|| (!in_variables()).then(|| "regrow".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(config: &str, variables: &[(&str, &str)]) -> Option<Options> {
        let config = json5::from_str(config).unwrap();
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        options(&config, &variable)
    }

    #[test]
    fn nothing_is_sent_unless_it_is_asked_for() {
        for config in [
            "{}",
            "{enabled: false, otel: {enabled: true}}",
            "{otel: {enabled: true, traces: false}}",
            "{otel: {enabled: true, traces: false, logs: true, logsExporter: 'stdout'}}",
        ] {
            let url = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")];
            assert!(sent(config, &url).is_none(), "{config}");
        }
        assert!(sent("{otel: {enabled: true}}", &[("OTEL_SDK_DISABLED", "true")]).is_none());
    }

    #[test]
    fn keys_go_before_variables_and_one_signal_before_all() {
        let usual = Some("http://localhost:4318/v1/traces");
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://v:4318/");
        let one = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t/x");
        for (config, variables, want) in [
            ("enabled: true", &[][..], usual),
            ("enabled: true", &[all], Some("http://v:4318/v1/traces")),
            ("enabled: true, endpoint: 'http://c'", &[all], Some("http://c/v1/traces")),
            ("enabled: true, endpoint: 'http://c/v1/traces?a=b'", &[all], Some("http://c/v1/traces?a=b")),
            ("enabled: true, endpoint: 'http://c'", &[all, one], Some("http://t/x")),
            ("enabled: true, endpoint: 'http://c', tracesEndpoint: 'http://d'", &[one], Some("http://d")),
            ("enabled: true, traces: false, logs: true", &[one], None),
        ] {
            let options = sent(&format!("{{otel: {{{config}}}}}"), variables).unwrap();
            assert_eq!(options.traces.as_deref(), want, "{config}");
        }
    }

    #[test]
    fn the_service_has_a_name() {
        for (config, variables, want) in [
            ("", &[][..], Some("regrow")),
            (", serviceName: 'mine'", &[("OTEL_SERVICE_NAME", "x")], Some("mine")),
            ("", &[("OTEL_SERVICE_NAME", "x")], None),
            ("", &[("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=x")], None),
        ] {
            let options = sent(&format!("{{otel: {{enabled: true{config}}}}}"), variables).unwrap();
            assert_eq!(options.service.as_deref(), want, "{config} {variables:?}");
        }
    }
}
