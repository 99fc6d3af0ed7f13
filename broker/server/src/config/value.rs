//! From a setting's text to its value, with Kafka's words when it does not fit.

use std::collections::HashSet;
use std::fmt;

use protocol::model::parse_base64_uuid;
use tracing_subscriber::EnvFilter;

use super::definition::{Check, ConfigType, Definition};
use super::listener::Endpoint;

/// A checked value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of a BOOLEAN.
    Boolean(bool),
    /// Of a SHORT, INT or LONG.
    Integer(i64),
    /// Of a DOUBLE.
    Double(f64),
    /// Of a STRING, CLASS or PASSWORD.
    Text(String),
    /// Of a LIST.
    List(Vec<String>),
}

impl fmt::Display for Value {
    /// The canonical text, as Kafka's `ConfigDef.convertToString` gives it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Boolean(value) => write!(f, "{value}"),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Double(value) => write_double(f, *value),
            Value::Text(value) => f.write_str(value),
            Value::List(values) => f.write_str(&values.join(",")),
        }
    }
}

/// As Java's `Double.toString` writes it.
fn write_double(f: &mut fmt::Formatter<'_>, value: f64) -> fmt::Result {
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return write!(f, "{value:?}");
    }
    let text = format!("{value:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => write!(f, "{digits}.0E{exponent}"),
        _ => f.write_str(&text),
    }
}

/// Why a text is no value of a setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The value as Kafka would show it.
    pub shown: String,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a value. Displays as the clause after the colon of Kafka's `ConfigException`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Reason {
    /// Not `true` or `false`.
    #[error("Expected value to be either true or false")]
    NotBoolean,
    /// Not a number, or too large for the type.
    #[error("Not a number of type {}", .0.name())]
    NotANumber(ConfigType),
    /// Below the least value.
    #[error("Value must be at least {0}")]
    BelowMin(i64),
    /// Above the greatest value.
    #[error("Value must be no more than {0}")]
    AboveMax(i64),
    /// Outside a range that has an exception.
    #[error("Value must be between {0} and {1} or equal to {2}")]
    NotBetweenOr(i64, i64, i64),
    /// Not a multiple.
    #[error("Value must be a multiple of {0}")]
    NotMultipleOf(i64),
    /// None of the texts allowed.
    #[error("String must be one of: {}", .0.join(", "))]
    NotOneOf(&'static [&'static str]),
    /// None of the texts allowed, in capitals or not.
    #[error("String must be one of (case insensitive): {}", .0.join(", "))]
    NotOneOfAnyCase(&'static [&'static str]),
    /// A list with an empty entry.
    #[error("values must not be empty.")]
    EmptyEntry,
    /// An empty text where one is needed.
    #[error("String must be non-empty")]
    Empty,
    /// A feature that is not there.
    #[error("{0}")]
    NotSupported(&'static str),
    /// Not in the form the setting has.
    #[error("{0}")]
    Malformed(String),
}

impl Violation {
    fn new(shown: impl Into<String>, reason: Reason) -> Violation {
        Violation {
            shown: shown.into(),
            reason,
        }
    }

    /// The whole message, as Kafka's broker words it.
    pub fn message(&self, name: &str) -> String {
        let Violation { shown, reason } = self;
        match reason {
            Reason::EmptyEntry => format!("Configuration '{name}' {reason}"),
            Reason::NotSupported(why) => (*why).to_owned(),
            _ => format!("Invalid value {shown} for configuration {name}: {reason}"),
        }
    }
}

/// Reads `text` as a value of `definition`. Blanks around it do not count, and of entries that a
/// list has twice the first stays, both as in Kafka.
pub fn parse(definition: &Definition, text: &str) -> Result<Value, Violation> {
    if definition.config_type == ConfigType::Password {
        return Ok(Value::Text(text.to_owned()));
    }
    let text = text.trim();
    match definition.config_type {
        ConfigType::Boolean => parse_boolean(definition, text)
            .map(Value::Boolean)
            .map_err(|reason| Violation::new(text, reason)),
        ConfigType::Short | ConfigType::Int | ConfigType::Long => parse_integer(definition, text)
            .map(Value::Integer)
            .map_err(|reason| Violation::new(text, reason)),
        ConfigType::Double => parse_double(definition, text).map(Value::Double),
        ConfigType::List => parse_list(definition, text).map(Value::List),
        ConfigType::String | ConfigType::Class | ConfigType::Password => {
            check_text(definition.check, text).map_err(|reason| Violation::new(text, reason))?;
            Ok(Value::Text(text.to_owned()))
        }
    }
}

fn parse_boolean(definition: &Definition, text: &str) -> Result<bool, Reason> {
    if text.eq_ignore_ascii_case("false") {
        return Ok(false);
    }
    if !text.eq_ignore_ascii_case("true") {
        return Err(Reason::NotBoolean);
    }
    match definition.check {
        Check::OnlyFalse(why) => Err(Reason::NotSupported(why)),
        _ => Ok(true),
    }
}

fn parse_integer(definition: &Definition, text: &str) -> Result<i64, Reason> {
    let not_a_number = Reason::NotANumber(definition.config_type);
    let value: i64 = text.parse().map_err(|_| not_a_number.clone())?;
    if let Some((min, max)) = definition.config_type.range()
        && !(min..=max).contains(&value)
    {
        return Err(not_a_number);
    }
    match definition.check {
        Check::BetweenOr(min, max, or) if value != or && !(min..=max).contains(&value) => {
            Err(Reason::NotBetweenOr(min, max, or))
        }
        Check::AtLeast(min) | Check::Between(min, _) | Check::MultipleOf(min, ..)
            if value < min =>
        {
            Err(Reason::BelowMin(min))
        }
        Check::Between(_, max) | Check::MultipleOf(_, max, _) if value > max => {
            Err(Reason::AboveMax(max))
        }
        Check::MultipleOf(_, _, unit) if value % unit != 0 => Err(Reason::NotMultipleOf(unit)),
        _ => Ok(value),
    }
}

fn parse_double(definition: &Definition, text: &str) -> Result<f64, Violation> {
    let value = match text.parse::<f64>() {
        Ok(value) if value.is_finite() => value,
        _ => {
            return Err(Violation::new(
                text,
                Reason::NotANumber(definition.config_type),
            ));
        }
    };
    let violation = |reason| Err(Violation::new(format!("{value:?}"), reason));
    match definition.check {
        Check::Ratio if value < 0.0 => violation(Reason::BelowMin(0)),
        Check::Ratio if value > 1.0 => violation(Reason::AboveMax(1)),
        _ => Ok(value),
    }
}

fn parse_list(definition: &Definition, text: &str) -> Result<Vec<String>, Violation> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut seen = HashSet::new();
    let values: Vec<String> = text
        .split(',')
        .map(str::trim)
        .filter(|value| seen.insert(*value))
        .map(str::to_owned)
        .collect();
    match definition.check {
        Check::ListOf(_) | Check::NonEmptyEntries if values.iter().any(String::is_empty) => {
            Err(Violation::new(text, Reason::EmptyEntry))
        }
        Check::ListOf(allowed) => {
            match values
                .iter()
                .find(|value| !allowed.contains(&value.as_str()))
            {
                Some(unknown) => Err(Violation::new(unknown, Reason::NotOneOf(allowed))),
                None => Ok(values),
            }
        }
        Check::ThrottledReplicas if !is_throttled_replicas(&values) => {
            let form = format!(
                "{} must be the literal '*' or a list of replicas in the following format: \
                 [partitionId]:[brokerId],[partitionId]:[brokerId],...",
                definition.name
            );
            Err(Violation::new(
                format!("[{}]", values.join(", ")),
                Reason::Malformed(form),
            ))
        }
        _ => Ok(values),
    }
}

fn is_throttled_replicas(values: &[String]) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    matches!(values, [all] if all == "*")
        || values.iter().all(|value| {
            value
                .split_once(':')
                .is_some_and(|(partition, broker)| is_number(partition) && is_number(broker))
        })
}

fn check_text(check: Check, text: &str) -> Result<(), Reason> {
    match check {
        Check::OneOf(allowed) if !allowed.contains(&text) => Err(Reason::NotOneOf(allowed)),
        Check::OneOfAnyCase(allowed) if !allowed.iter().any(|it| it.eq_ignore_ascii_case(text)) => {
            Err(Reason::NotOneOfAnyCase(allowed))
        }
        Check::ShareOffsetReset if !is_share_offset_reset(text) => Err(Reason::Malformed(format!(
            "Invalid value `{text}` for configuration share.auto.offset.reset. The value must be \
                 either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
        ))),
        Check::LogLevel if text.is_empty() => Err(Reason::Empty),
        Check::OnlyEmpty(why) if !text.is_empty() => Err(Reason::NotSupported(why)),
        Check::HostPort if !text.is_empty() => Endpoint::parse_host_port(text)
            .map(drop)
            .map_err(|error| Reason::Malformed(error.to_string())),
        Check::Id if parse_base64_uuid(text).is_none() => Err(Reason::Malformed("no id".into())),
        Check::LogLevel => EnvFilter::try_new(text)
            .map(drop)
            .map_err(|error| Reason::Malformed(error.to_string())),
        _ => Ok(()),
    }
}

fn is_share_offset_reset(text: &str) -> bool {
    match text.strip_prefix("by_duration:") {
        Some(duration) => is_duration(duration),
        None => matches!(text, "earliest" | "latest"),
    }
}

/// `P1DT2H3M4.5S`, as Java's `Duration.parse` takes it where it is not negative.
fn is_duration(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    let Some(text) = text.strip_prefix('P') else {
        return false;
    };
    let (days, time) = match text.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (text, None),
    };
    let days_are_good = days.is_empty() || days.strip_suffix('D').is_some_and(is_digits);
    match time {
        None => !days.is_empty() && days_are_good,
        Some(time) => !time.is_empty() && days_are_good && is_time(time),
    }
}

/// `2H3M4.5S`
fn is_time(mut text: &str) -> bool {
    for unit in ['H', 'M'] {
        if let Some((number, rest)) = text.split_once(unit) {
            if !is_digits(number) {
                return false;
            }
            text = rest;
        }
    }
    if text.is_empty() {
        return true;
    }
    let Some(seconds) = text.strip_suffix('S') else {
        return false;
    };
    match seconds.split_once(['.', ',']) {
        None => is_digits(seconds),
        Some((whole, fraction)) => {
            is_digits(whole) && fraction.len() <= 9 && (fraction.is_empty() || is_digits(fraction))
        }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
