//! The log of the process: text for people or JSON for collectors, on standard error.

use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::{LogFormat, LoggingConfig};

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

/// Sends the log of this process to standard error, from now on.
pub fn init(config: &LoggingConfig) -> Result<(), LoggingError> {
    let subscriber = subscriber(config, io::stderr, io::stderr().is_terminal())?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LoggingError::AlreadySet)
}

/// A log that goes elsewhere.
pub fn subscriber<W>(
    config: &LoggingConfig,
    writer: W,
    colours: bool,
) -> Result<Box<dyn Subscriber + Send + Sync>, LoggingError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&config.level)?)
        .with_writer(writer)
        .with_ansi(colours);
    Ok(match config.format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    })
}

#[cfg(test)]
mod tests;
