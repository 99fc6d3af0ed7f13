//! Listeners and the addresses clients are told, in Kafka's notation.

use std::fmt;

use super::error::Problem;
use super::settings::Settings;

/// A named address: where a listener binds, or what clients are told to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The listener's name, upper case.
    pub listener_name: String,
    /// A host name or address; empty means every interface (only where a listener binds).
    pub host: String,
    /// The port. 0 where a listener binds asks the system for a free one; an advertised 0 stands
    /// for the port that was bound.
    pub port: u16,
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// There is no `://`.
    #[error("expected NAME://HOST:PORT, found \"{0}\"")]
    NoName(String),
    /// The name has characters that no listener name has.
    #[error("expected a listener name of letters, digits, _ and -, found \"{0}\"")]
    BadName(String),
    /// There is no `:PORT`, or an IPv6 address has no brackets around it.
    #[error("expected HOST:PORT ([HOST]:PORT for IPv6), found \"{0}\"")]
    NoPort(String),
    /// The port is not a number up to 65535.
    #[error("expected a port from 0 to 65535, found \"{0}\"")]
    BadPort(String),
    /// The host has blanks or a slash.
    #[error("expected a host name or an address, found \"{0}\"")]
    BadHost(String),
}

impl Endpoint {
    /// Reads `NAME://HOST:PORT`.
    pub fn parse(text: &str) -> Result<Endpoint, EndpointError> {
        let (name, address) = text
            .split_once("://")
            .ok_or_else(|| EndpointError::NoName(text.to_owned()))?;
        let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if name.is_empty() || !name.bytes().all(is_name_byte) {
            return Err(EndpointError::BadName(name.to_owned()));
        }
        let (host, port) = Endpoint::parse_host_port(address)?;
        Ok(Endpoint {
            listener_name: name.to_ascii_uppercase(),
            host,
            port,
        })
    }

    /// Reads `HOST:PORT`, the host in brackets if it is an IPv6 address.
    pub fn parse_host_port(text: &str) -> Result<(String, u16), EndpointError> {
        let no_port = || EndpointError::NoPort(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or_else(no_port)?,
            None if host.contains(':') => return Err(no_port()),
            None => host,
        };
        let is_host_byte =
            |b: u8| b.is_ascii_graphic() && !matches!(b, b'/' | b'[' | b']' | b'@' | b',');
        if !host.bytes().all(is_host_byte) {
            return Err(EndpointError::BadHost(host.to_owned()));
        }
        let port = port
            .parse()
            .map_err(|_| EndpointError::BadPort(port.to_owned()))?;
        Ok((host.to_owned(), port))
    }

    /// Whether the host stands for every interface, so that no client could connect to it.
    pub fn is_wildcard(&self) -> bool {
        match self.host.parse::<std::net::IpAddr>() {
            Ok(address) => address.is_unspecified(),
            Err(_) => self.host.is_empty(),
        }
    }

    /// `HOST:PORT` as a socket takes it: every interface for an empty host, brackets for IPv6.
    pub fn bind_address(&self) -> String {
        match self.host.as_str() {
            "" => format!("[::]:{}", self.port),
            host => host_port(host, self.port),
        }
    }
}

/// `HOST:PORT`, the host in brackets if it is an IPv6 address.
pub fn host_port(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}",
            self.listener_name,
            host_port(&self.host, self.port)
        )
    }
}

fn endpoints(settings: &Settings, name: &str, problems: &mut Vec<Problem>) -> Vec<Endpoint> {
    let origin = &settings.get(name).origin;
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for text in settings.list(name) {
        match Endpoint::parse(text) {
            Err(error) => problems.push(Problem::new(origin, name, error.to_string())),
            Ok(endpoint) => {
                let same = endpoints
                    .iter()
                    .any(|e| e.listener_name == endpoint.listener_name);
                if same {
                    let message = format!(
                        "expected a name for each listener, found {} twice",
                        endpoint.listener_name
                    );
                    problems.push(Problem::new(origin, name, message));
                }
                endpoints.push(endpoint);
            }
        }
    }
    endpoints
}

/// `listeners`, each with a protocol that there is.
pub(super) fn listeners(settings: &Settings, problems: &mut Vec<Problem>) -> Vec<Endpoint> {
    let setting = settings.get("listeners");
    if settings.list("listeners").is_empty() {
        problems.push(Problem::new(
            &setting.origin,
            "listeners",
            "expected at least one",
        ));
    }
    let listeners = endpoints(settings, "listeners", problems);
    for listener in &listeners {
        let name = &listener.listener_name;
        let message = match security_protocol(settings, name).as_deref() {
            Some("PLAINTEXT") => continue,
            Some(protocol) => format!(
                "listener {name} has the security protocol {protocol}, expected PLAINTEXT: no \
                 other is supported yet"
            ),
            None => format!(
                "listener {name} has no security protocol; expected {name}:PLAINTEXT in \
                 listener.security.protocol.map"
            ),
        };
        problems.push(Problem::new(&setting.origin, "listeners", message));
    }
    listeners
}

fn security_protocol(settings: &Settings, listener_name: &str) -> Option<String> {
    let map = settings
        .text("listener.security.protocol.map")
        .unwrap_or_default();
    map.split(',').find_map(|entry| {
        let (name, protocol) = entry.split_once(':')?;
        let found = name.trim().eq_ignore_ascii_case(listener_name);
        found.then(|| protocol.trim().to_ascii_uppercase())
    })
}

/// What clients are told for each of `listeners`: its own of `advertised.listeners`, else where it binds.
pub(super) fn advertised_listeners(
    settings: &Settings,
    listeners: &[Endpoint],
    problems: &mut Vec<Problem>,
) -> Vec<Endpoint> {
    let origin = &settings.get("advertised.listeners").origin;
    let mut problem = |origin, name, message| problems.push(Problem::new(origin, name, message));
    let mut parse_problems = Vec::new();
    let advertised = endpoints(settings, "advertised.listeners", &mut parse_problems);
    let complete = parse_problems.is_empty();
    for endpoint in &advertised {
        let name = &endpoint.listener_name;
        if endpoint.is_wildcard() {
            let message =
                format!("expected an address that clients can connect to, found {endpoint}");
            problem(origin, "advertised.listeners", message);
        } else if !listeners
            .iter()
            .any(|listener| listener.listener_name == *name)
        {
            let message = format!("expected the name of one of the listeners, found {name}");
            problem(origin, "advertised.listeners", message);
        }
    }
    let mut for_each = Vec::with_capacity(listeners.len());
    for listener in listeners {
        match advertised
            .iter()
            .find(|e| e.listener_name == listener.listener_name)
        {
            Some(endpoint) => for_each.push(endpoint.clone()),
            None if listener.is_wildcard() => {
                if complete {
                    let message = format!(
                        "{listener} is every interface, which no client can connect to; expected \
                         its address in advertised.listeners (or --advertise HOST:PORT)"
                    );
                    problem(&settings.get("listeners").origin, "listeners", message);
                }
            }
            None => for_each.push(listener.clone()),
        }
    }
    problems.extend(parse_problems);
    for_each
}
