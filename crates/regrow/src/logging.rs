//! Logs go to standard error: for people on a terminal, as JSON lines otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::reload::Handle;

use crate::config::{ConsoleStyle, LogLevel, LoggingConfig};

/// The level of the log, which can be changed.
pub(crate) struct Level(Option<Box<dyn Fn(EnvFilter) + Send>>);

impl Level {
    /// From now on, lines of the configured level are written.
    pub(crate) fn set(&self, config: &LoggingConfig) {
        if let Some(change) = &self.0 {
            change(filter(config));
        }
    }

    fn of<S: 'static>(handle: Handle<EnvFilter, S>) -> Self {
        // It fails only if nobody logs any more.
        Self(Some(Box::new(move |filter| drop(handle.reload(filter)))))
    }
}

/// `REGROW_LOG` (a tracing filter) goes before the configured level.
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

/// Starts logging.
pub(crate) fn init(config: &LoggingConfig) -> Level {
    let terminal = std::io::stderr().is_terminal();
    let style =
        config.console_style.unwrap_or(if terminal { ConsoleStyle::Pretty } else { ConsoleStyle::Json });
    // A log that cannot be written (a full disk, a closed pipe) is lost. To complain about that on standard error, as is
    // usual, would panic in whichever thread had something to say.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(config))
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    let (level, started) = match style {
        ConsoleStyle::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            (Level::of(builder.reload_handle()), builder.try_init())
        }
        ConsoleStyle::Compact => {
            let builder = builder.with_ansi(terminal).compact().with_filter_reloading();
            (Level::of(builder.reload_handle()), builder.try_init())
        }
        ConsoleStyle::Pretty => {
            let builder = builder.with_ansi(terminal).with_filter_reloading();
            (Level::of(builder.reload_handle()), builder.try_init())
        }
    };
    // Logging that was started before (by an embedding program) stays as it is.
    if started.is_ok() { level } else { Level(None) }
}
