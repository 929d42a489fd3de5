//! Keys that take effect at a start only.
//!
//! One list says both which keys these are and how the old value stays in force, so that the two cannot drift apart. What
//! is not in it takes effect while a replica runs.

use super::document::Config;

/// A key, with all that is below it, and how it keeps the value of before.
type Kept = (&'static str, fn(&mut Config, &Config));

/// `regrow.noticeSeconds` and `drainSeconds` belong together with how long the supervisor of the process waits, which does
/// not change while it runs.
const KEPT: &[Kept] = &[
    ("gateway.port", |new, old| new.gateway.port = old.gateway.port),
    ("gateway.bind", |new, old| new.gateway.bind = old.gateway.bind),
    ("gateway.customBindHost", |new, old| new.gateway.custom_bind_host = old.gateway.custom_bind_host),
    ("agents.defaults.maxConcurrent", |new, old| {
        new.agents.defaults.max_concurrent = old.agents.defaults.max_concurrent;
    }),
    ("logging.consoleStyle", |new, old| new.logging.console_style = old.logging.console_style),
    ("diagnostics.otel", |new, old| new.diagnostics.otel.clone_from(&old.diagnostics.otel)),
    ("regrow.store", |new, old| new.regrow.store.clone_from(&old.regrow.store)),
    ("regrow.storeConnections", |new, old| new.regrow.store_connections = old.regrow.store_connections),
    ("regrow.advertise", |new, old| new.regrow.advertise.clone_from(&old.regrow.advertise)),
    ("regrow.metricsPort", |new, old| new.regrow.metrics_port = old.regrow.metrics_port),
    ("regrow.roles", |new, old| new.regrow.roles.clone_from(&old.regrow.roles)),
    ("regrow.slots", |new, old| new.regrow.slots = old.regrow.slots),
    ("regrow.leaseSeconds", |new, old| new.regrow.lease_seconds = old.regrow.lease_seconds),
    ("regrow.drainSeconds", |new, old| new.regrow.drain_seconds = old.regrow.drain_seconds),
    ("regrow.noticeSeconds", |new, old| new.regrow.notice_seconds = old.regrow.notice_seconds),
];

/// Whether a change of this key takes effect at the next start only.
pub fn needs_restart(key: &str) -> bool {
    KEPT.iter()
        .any(|(kept, _)| key.strip_prefix(kept).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Puts the values of before in the place of those that take effect at the next start.
pub fn keep(config: &mut Config, before: &Config) {
    KEPT.iter().for_each(|(_, keep)| keep(config, before));
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn every_kept_key_exists() {
        let schema = schema();
        for (key, _) in KEPT {
            let pointer: String = key.split('.').map(|part| format!("/properties/{part}")).collect();
            assert!(schema.pointer(&pointer).is_some(), "{key}");
        }
    }
}
