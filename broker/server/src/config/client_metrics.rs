//! The settings of a subscription of client metrics (KIP-714): Kafka's `ClientMetricsConfigs`.
//!
//! Nobody is asked for metrics yet. They are checked, kept and shown.

use super::definition::{
    Check,
    ConfigType::{Int, List},
    Definition,
};
use super::describe::{ConfigEntry, ConfigSource, ConfigSynonym, entry};
use super::dynamic::Overrides;
use super::value::{Value, parse};

/// All settings of a subscription, by name.
pub static CLIENT_METRICS_DEFINITIONS: &[Definition] = &[
    Definition::new(
        "interval.ms",
        Int,
        Some("300000"),
        "The time between two pushes of a client's metrics.",
    )
    .dynamic(),
    Definition::new("match", List, Some(""), "Which clients push; empty is all.")
        .check(Check::NonEmptyEntries)
        .dynamic(),
    Definition::new(
        "metrics",
        List,
        Some(""),
        "Which metrics are pushed, by the beginnings of their names; empty is none.",
    )
    .check(Check::NonEmptyEntries)
    .dynamic(),
];

const INTERVAL_MS_MIN: i64 = 100;
const INTERVAL_MS_MAX: i64 = 3_600_000;

/// What clients can be told apart by.
const SELECTORS: [&str; 6] = [
    "client_id",
    "client_instance_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// Why a subscription cannot have its settings; the messages are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientMetricsError {
    /// Kafka answers INVALID_REQUEST.
    #[error("{0}")]
    Request(String),
    /// Kafka answers INVALID_CONFIG.
    #[error("{0}")]
    Config(String),
}

/// Whether a subscription can have these settings. Whether a pattern is a regular expression of Java's is not looked at.
pub fn validate_client_metrics(overrides: &Overrides) -> Result<(), ClientMetricsError> {
    if let Some(name) = overrides.keys().find(|name| find(name).is_none()) {
        let message = format!("Unknown client metrics configuration: {name}");
        return Err(ClientMetricsError::Request(message));
    }
    for (name, text) in overrides {
        let Some(definition) = find(name) else {
            continue;
        };
        let value = parse(definition, text)
            .map_err(|violation| ClientMetricsError::Config(violation.message(name)))?;
        match value {
            Value::Integer(interval)
                if !(INTERVAL_MS_MIN..=INTERVAL_MS_MAX).contains(&interval) =>
            {
                return Err(ClientMetricsError::Request(format!(
                    "Invalid value {interval} for interval.ms, interval must be between \
                     {INTERVAL_MS_MIN} and {INTERVAL_MS_MAX} (1 hour)"
                )));
            }
            Value::List(patterns) if name == "match" => {
                if let Some(pattern) = patterns.iter().find(|pattern| !is_pattern(pattern)) {
                    let message = format!("Illegal client matching pattern: {pattern}");
                    return Err(ClientMetricsError::Config(message));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// `client_id=a.*`
fn is_pattern(text: &str) -> bool {
    text.split_once('=').is_some_and(|(selector, pattern)| {
        SELECTORS.contains(&selector.trim()) && !pattern.is_empty() && !pattern.contains('=')
    })
}

fn find(name: &str) -> Option<&'static Definition> {
    CLIENT_METRICS_DEFINITIONS
        .iter()
        .find(|definition| definition.name == name)
}

/// A subscription's settings, by name, whether there is such a subscription or not: all that are wanted.
pub fn describe_client_metrics(
    overrides: &Overrides,
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<ConfigEntry> {
    let describe = |definition: &Definition| {
        let name = definition.name;
        let own = overrides
            .get(name)
            .and_then(|text| parse(definition, text).ok());
        let own = own.map(|value| ConfigSynonym {
            name: name.to_owned(),
            value: Some(value.to_string()),
            source: ConfigSource::DynamicClientMetrics,
        });
        let value = own.as_ref().and_then(|own| own.value.clone());
        let value = value.or(definition.default.map(str::to_owned));
        entry(definition, name.to_owned(), value, Vec::from_iter(own))
    };
    CLIENT_METRICS_DEFINITIONS
        .iter()
        .filter(|definition| is_wanted(definition.name))
        .map(describe)
        .collect()
}
