//! The brokers a command is told of.

use std::{
    thread,
    time::{Duration, Instant},
};

use client::{ClientError, Connection};

use crate::CtlError;

/// How this program calls itself.
pub(crate) const CLIENT_ID: &str = "holdfast-ctl";
/// After an answer that says that it is too early.
const BACKOFF: Duration = Duration::from_millis(50);
/// More addresses are not taken.
const ADDRESSES_MAX: usize = 64;

/// Addresses of brokers, of which any one will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(Vec<String>);

impl Seeds {
    /// Reads `HOST:PORT,HOST:PORT`. An IPv6 address is in brackets.
    pub fn parse(text: &str) -> Result<Seeds, String> {
        let addresses: Vec<String> = text
            .split(',')
            .map(|address| address.trim().to_owned())
            .filter(|address| !address.is_empty())
            .collect();
        if addresses.is_empty() || addresses.len() > ADDRESSES_MAX {
            return Err(format!("1 to {ADDRESSES_MAX} addresses, HOST:PORT"));
        }
        for address in &addresses {
            let parts = address.rsplit_once(':');
            let port = parts.and_then(|(_, port)| port.parse::<u16>().ok());
            let is_host = parts.is_some_and(|(host, _)| {
                !host.is_empty() && (!host.contains(':') || host.starts_with('['))
            });
            if port.is_none() || !is_host {
                return Err(format!("{address} is not HOST:PORT"));
            }
        }
        Ok(Seeds(addresses))
    }

    /// They.
    pub fn addresses(&self) -> &[String] {
        &self.0
    }

    /// Connects to the first that answers; each may take `silence_max`.
    pub fn connect(&self, silence_max: Duration) -> Result<Connection, CtlError> {
        self.ask(silence_max, |_| Ok(()))
            .map(|(connection, ())| connection)
    }

    /// Connects to the first that answers a question. Where none does, the error is what a broker said, rather than that
    /// another one could not be reached.
    pub fn ask<T>(
        &self,
        silence_max: Duration,
        question: impl Fn(&mut Connection) -> Result<T, ClientError>,
    ) -> Result<(Connection, T), CtlError> {
        let mut last = None;
        for address in &self.0 {
            let answer = Connection::connect(address, CLIENT_ID, silence_max)
                .and_then(|mut it| question(&mut it).map(|answer| (it, answer)));
            match answer {
                Ok(answer) => return Ok(answer),
                Err(ClientError::Io { .. }) if last.is_some() => {}
                Err(error) => last = Some(error),
            }
        }
        let addresses = self.0.join(", ");
        Err(match last {
            None => CtlError::Refused("no broker is named".to_owned()),
            Some(last @ ClientError::Io { .. }) => CtlError::NoBroker { addresses, last },
            Some(last) => CtlError::Client(last),
        })
    }

    /// The same, again and again while a broker says that it cannot yet, for at most `patience`.
    pub(crate) fn ask_patiently<T>(
        &self,
        silence_max: Duration,
        patience: Duration,
        question: impl Fn(&mut Connection) -> Result<T, ClientError>,
    ) -> Result<T, CtlError> {
        let deadline = Instant::now() + patience;
        loop {
            match self.ask(silence_max, &question) {
                Ok((_, answer)) => return Ok(answer),
                Err(CtlError::Client(error))
                    if error.is_retriable() && Instant::now() < deadline =>
                {
                    thread::sleep(BACKOFF);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests;
