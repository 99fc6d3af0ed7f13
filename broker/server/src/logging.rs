//! The log of the process: text for people or JSON for collectors, on standard error.

use std::io::{self, IsTerminal};
use std::sync::{Arc, OnceLock};

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogFormat, LoggingConfig};

pub use loggers::{LOG_LEVELS, LOGGERS, LoggerError, Loggers, ROOT_LOGGER};

mod loggers;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// `log.level` is no filter.
    #[error("log.level: {0}")]
    BadLevel(#[from] tracing_subscriber::filter::ParseError),
    /// There is one already in this process.
    #[error("logging was set up before")]
    AlreadySet,
}

/// The levels of this process's log, once it has one.
static LOGGERS_OF_PROCESS: OnceLock<Arc<Loggers>> = OnceLock::new();

/// Sends the log of this process to standard error, from now on.
pub fn init(config: &LoggingConfig) -> Result<(), LoggingError> {
    let (subscriber, loggers) = subscriber(config, io::stderr, io::stderr().is_terminal())?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LoggingError::AlreadySet)?;
    LOGGERS_OF_PROCESS
        .set(Arc::new(loggers))
        .map_err(|_| LoggingError::AlreadySet)
}

/// The levels of this process's log.
pub fn loggers() -> Arc<Loggers> {
    let loggers = LOGGERS_OF_PROCESS.get().cloned();
    loggers.unwrap_or_else(|| Arc::new(Loggers::detached()))
}

/// A log that goes elsewhere, and its levels.
pub fn subscriber<W>(
    config: &LoggingConfig,
    writer: W,
    colours: bool,
) -> Result<(Box<dyn Subscriber + Send + Sync>, Loggers), LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The filter's place in the subscriber has a type that depends on the format.
    macro_rules! with_loggers {
        ($builder:expr) => {{
            let builder = $builder.with_filter_reloading();
            let filter = builder.reload_handle();
            let install = Box::new(move |next| {
                // It fails only when the subscriber is gone, and with it the log.
                _ = filter.reload(next);
            });
            (
                Box::new(builder.finish()) as Box<dyn Subscriber + Send + Sync>,
                Loggers::new(&config.level, install),
            )
        }};
    }
    let builder = tracing_subscriber::fmt()
        .with_writer(writer)
        .with_ansi(colours);
    let filter = Loggers::filter(&config.level)?;
    Ok(match config.format {
        LogFormat::Text => with_loggers!(builder.with_env_filter(filter)),
        LogFormat::Json => {
            with_loggers!(builder.json().flatten_event(true).with_env_filter(filter))
        }
    })
}

#[cfg(test)]
mod tests;
