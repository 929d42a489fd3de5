//! Logs go to standard error: for people on a terminal, as JSON lines otherwise. Beside it, they and what happens to messages
//! may go to a collector.

use std::io::IsTerminal;

use regrow_telemetry::otlp::Exporter;
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::config::{ConsoleStyle, LogLevel, LoggingConfig};

/// The level of the log, which can be changed.
pub(crate) struct Level(Vec<Box<dyn Fn(EnvFilter) + Send>>);

impl Level {
    /// From now on, lines of the configured level are written.
    pub(crate) fn set(&self, config: &LoggingConfig) {
        self.0.iter().for_each(|change| change(filter(config)));
    }

    /// A filter that follows the level.
    fn filter<S: 'static>(&mut self, config: &LoggingConfig) -> reload::Layer<EnvFilter, S> {
        let (filter, handle) = reload::Layer::new(filter(config));
        // It fails only if nobody logs any more.
        self.0.push(Box::new(move |filter| drop(handle.reload(filter))));
        filter
    }
}

/// Starts logging. `REGROW_LOG` (a tracing filter) goes before the configured level.
pub(crate) fn init(config: &LoggingConfig, exporter: Option<&Exporter>) -> Level {
    let mut level = Level(Vec::new());
    let started = match exporter {
        None => tracing_subscriber::registry().with(lines(config)).with(level.filter(config)).try_init(),
        Some(exporter) => tracing_subscriber::registry()
            .with(exporter.layers(level.filter(config)))
            .with(lines(config).with_filter(level.filter(config)))
            .try_init(),
    };
    // Logging that was started before (by an embedding program) stays as it is.
    if started.is_ok() { level } else { Level(Vec::new()) }
}

fn filter(config: &LoggingConfig) -> EnvFilter {
    let level = match config.level {
        LogLevel::Silent => "off",
        LogLevel::Fatal | LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    EnvFilter::try_from_env("REGROW_LOG").unwrap_or_else(|_| EnvFilter::new(level))
}

fn lines<S>(config: &LoggingConfig) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let terminal = std::io::stderr().is_terminal();
    let style =
        config.console_style.unwrap_or(if terminal { ConsoleStyle::Pretty } else { ConsoleStyle::Json });
    // A log that cannot be written (a full disk, a closed pipe) is lost. To complain about that on standard error, as is
    // usual, would panic in whichever thread had something to say.
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    match style {
        ConsoleStyle::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
        ConsoleStyle::Compact => layer.with_ansi(terminal).compact().boxed(),
        ConsoleStyle::Pretty => layer.with_ansi(terminal).boxed(),
    }
}
