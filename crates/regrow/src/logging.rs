//! Logs go to standard error: for people on a terminal, as JSON lines otherwise.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{ConsoleStyle, LogLevel, LoggingConfig};

/// Starts logging. `REGROW_LOG` (a tracing filter) goes before the configured level.
pub(crate) fn init(config: &LoggingConfig) {
    let level = match config.level {
        LogLevel::Silent => "off",
        LogLevel::Fatal | LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let filter = EnvFilter::try_from_env("REGROW_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let terminal = std::io::stderr().is_terminal();
    let style =
        config.console_style.unwrap_or(if terminal { ConsoleStyle::Pretty } else { ConsoleStyle::Json });
    // A log that cannot be written (a full disk, a closed pipe) is lost. To complain about that on standard error, as is
    // usual, would panic in whichever thread had something to say.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    // Logging that was started before (by an embedding program) stays as it is.
    let _ = match style {
        ConsoleStyle::Json => builder.json().flatten_event(true).try_init(),
        ConsoleStyle::Compact => builder.with_ansi(terminal).compact().try_init(),
        ConsoleStyle::Pretty => builder.with_ansi(terminal).try_init(),
    };
}
