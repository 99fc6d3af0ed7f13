//! What a setting is: its name, type, bounds, default and documentation.

use std::fmt;

/// A setting's type, Kafka's `ConfigDef.Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of 16 bits.
    Short,
    /// A whole number of 64 bits.
    Long,
    /// A number with a fraction.
    Double,
    /// Texts, separated by commas.
    List,
    /// A Java class in Kafka; never loaded here.
    Class,
    /// Text that is never shown.
    Password,
}

impl ConfigType {
    /// Kafka's name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            ConfigType::Boolean => "BOOLEAN",
            ConfigType::String => "STRING",
            ConfigType::Int => "INT",
            ConfigType::Short => "SHORT",
            ConfigType::Long => "LONG",
            ConfigType::Double => "DOUBLE",
            ConfigType::List => "LIST",
            ConfigType::Class => "CLASS",
            ConfigType::Password => "PASSWORD",
        }
    }

    /// The type's number in a DescribeConfigs response (KIP-569).
    pub const fn wire_code(self) -> i8 {
        match self {
            ConfigType::Boolean => 1,
            ConfigType::String => 2,
            ConfigType::Int => 3,
            ConfigType::Short => 4,
            ConfigType::Long => 5,
            ConfigType::Double => 6,
            ConfigType::List => 7,
            ConfigType::Class => 8,
            ConfigType::Password => 9,
        }
    }

    /// The values the type can hold, for whole numbers.
    pub const fn range(self) -> Option<(i64, i64)> {
        match self {
            ConfigType::Short => Some((i16::MIN as i64, i16::MAX as i64)),
            ConfigType::Int => Some((i32::MIN as i64, i32::MAX as i64)),
            ConfigType::Long => Some((i64::MIN, i64::MAX)),
            _ => None,
        }
    }
}

/// How much a setting matters to someone who sets up a broker, Kafka's `ConfigDef.Importance`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Worth a thought on every installation.
    High,
    /// Worth knowing.
    Medium,
    /// Rarely changed.
    Low,
}

impl Importance {
    /// Kafka's name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Importance::High => "high",
            Importance::Medium => "medium",
            Importance::Low => "low",
        }
    }
}

/// What a value must satisfy beyond its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Check {
    /// Any value of the type.
    Any,
    /// A whole number from here on.
    AtLeast(i64),
    /// A whole number between these, both included.
    Between(i64, i64),
    /// A whole number between the first two, both included, or the third.
    BetweenOr(i64, i64, i64),
    /// A whole number between these, both included, that is a multiple of the third.
    MultipleOf(i64, i64, i64),
    /// A fraction between 0 and 1, both included.
    Ratio,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// One of these texts, in capitals or not.
    OneOfAnyCase(&'static [&'static str]),
    /// A list of these texts without repetition; empty is allowed.
    ListOf(&'static [&'static str]),
    /// A list without empty entries; empty is allowed.
    NonEmptyEntries,
    /// `earliest`, `latest`, or `by_duration:` and a duration of ISO 8601.
    ShareOffsetReset,
    /// Only the empty text, because the feature it would turn on is not there; why.
    OnlyEmpty(&'static str),
    /// Only `false`, because the feature it would turn on is not there; why.
    OnlyFalse(&'static str),
    /// `*`, or `[partitionId]:[brokerId]` pairs.
    ThrottledReplicas,
    /// `HOST:PORT`, or empty.
    HostPort,
    /// An id as Kafka's tools print it.
    Id,
    /// A level (`info`), or `target=level` directives with commas between them.
    LogLevel,
}

/// Whether and for whom a setting may change while the broker runs (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// It is read at the start.
    ReadOnly,
    /// For all brokers, or for one.
    ClusterWide,
    /// For one broker.
    PerBroker,
    /// For one listener of a broker, behind the listener's prefix.
    PerListener,
}

impl Update {
    /// Kafka's name of the mode, in its documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Update::ReadOnly => "read-only",
            Update::ClusterWide => "cluster-wide",
            Update::PerBroker => "per-broker",
            Update::PerListener => "per-listener",
        }
    }
}

/// How a default relates to Apache Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaDefault {
    /// Kafka has the setting and the same default.
    Same,
    /// Kafka has the setting with this default.
    Differs(&'static str),
    /// Kafka has no such setting.
    Absent,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// The name; Kafka's where Kafka has the setting.
    pub name: &'static str,
    /// The type of its value.
    pub config_type: ConfigType,
    /// The default, `None` for a setting that has no value until it is given one.
    pub default: Option<&'static str>,
    /// What a value must satisfy beyond its type.
    pub check: Check,
    /// How much it matters.
    pub importance: Importance,
    /// Whether it may change while the broker runs.
    pub update: Update,
    /// How the default relates to Kafka's.
    pub kafka_default: KafkaDefault,
    /// What it does, in one line.
    pub doc: &'static str,
}

impl Definition {
    /// A setting of Kafka's with Kafka's default, of medium importance, fixed at start.
    pub(super) const fn new(
        name: &'static str,
        config_type: ConfigType,
        default: Option<&'static str>,
        doc: &'static str,
    ) -> Definition {
        Definition {
            name,
            config_type,
            default,
            check: Check::Any,
            importance: Importance::Medium,
            update: Update::ReadOnly,
            kafka_default: KafkaDefault::Same,
            doc,
        }
    }

    pub(super) const fn check(mut self, check: Check) -> Definition {
        self.check = check;
        self
    }

    pub(super) const fn at_least(self, min: i64) -> Definition {
        self.check(Check::AtLeast(min))
    }

    pub(super) const fn between(self, min: i64, max: i64) -> Definition {
        self.check(Check::Between(min, max))
    }

    pub(super) const fn high(mut self) -> Definition {
        self.importance = Importance::High;
        self
    }

    pub(super) const fn low(mut self) -> Definition {
        self.importance = Importance::Low;
        self
    }

    pub(super) const fn dynamic(mut self) -> Definition {
        self.update = Update::ClusterWide;
        self
    }

    pub(super) const fn per_broker(mut self) -> Definition {
        self.update = Update::PerBroker;
        self
    }

    pub(super) const fn per_listener(mut self) -> Definition {
        self.update = Update::PerListener;
        self
    }

    pub(super) const fn kafka_default(mut self, default: &'static str) -> Definition {
        self.kafka_default = KafkaDefault::Differs(default);
        self
    }

    pub(super) const fn own(mut self) -> Definition {
        self.kafka_default = KafkaDefault::Absent;
        self
    }

    /// Whether the value must not be shown.
    pub const fn is_sensitive(&self) -> bool {
        matches!(self.config_type, ConfigType::Password)
    }

    /// The least and the greatest whole number the setting takes, `None` for other types.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        let (type_min, type_max) = self.config_type.range()?;
        Some(match self.check {
            Check::AtLeast(min) => (min, type_max),
            Check::Between(min, max) | Check::MultipleOf(min, max, _) => (min, max),
            Check::BetweenOr(min, max, or) => (min.min(or), max.max(or)),
            _ => (type_min, type_max),
        })
    }

    /// What a value has to be, for an error message or a reference.
    pub fn expected(&self) -> Expected<'_> {
        Expected(self)
    }
}

/// Displays what a value of a setting has to be.
pub struct Expected<'a>(&'a Definition);

impl fmt::Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0.config_type {
            ConfigType::Boolean => "true or false",
            ConfigType::String | ConfigType::Class | ConfigType::Password => "a text",
            ConfigType::Int => "a whole number (INT)",
            ConfigType::Short => "a whole number (SHORT)",
            ConfigType::Long => "a whole number (LONG)",
            ConfigType::Double => "a number",
            ConfigType::List => "a list with commas",
        };
        let type_max = self.0.config_type.range().map(|(_, max)| max);
        match self.0.check {
            Check::Any | Check::NonEmptyEntries => f.write_str(kind),
            Check::ShareOffsetReset => f.write_str("latest, earliest, or by_duration:PnDTnHnMn.nS"),
            Check::AtLeast(min) => write!(f, "{kind} of at least {min}"),
            Check::Between(min, max) => write!(f, "{kind} from {min} to {max}"),
            Check::BetweenOr(min, max, or) if Some(max) == type_max => {
                write!(f, "{kind} of at least {min}, or {or}")
            }
            Check::BetweenOr(min, max, or) => write!(f, "{kind} from {min} to {max}, or {or}"),
            Check::MultipleOf(min, max, unit) => {
                write!(f, "{kind} from {min} to {max}, a multiple of {unit}")
            }
            Check::Ratio => write!(f, "{kind} from 0 to 1"),
            Check::OneOf([only]) => write!(f, "{only}"),
            Check::OneOf(values) | Check::OneOfAnyCase(values) => {
                write!(f, "one of {}", values.join(", "))
            }
            Check::ListOf(values) => write!(f, "{kind} of {}", values.join(", ")),
            Check::OnlyEmpty(why) => write!(f, "nothing ({why})"),
            Check::OnlyFalse(why) => write!(f, "false ({why})"),
            Check::ThrottledReplicas => f.write_str("* or [partitionId]:[brokerId],..."),
            Check::HostPort => f.write_str("HOST:PORT, or nothing"),
            Check::Id => {
                f.write_str("an id: 22 characters of URL-safe base64, as Kafka's tools print it")
            }
            Check::LogLevel => f.write_str("error, warn, info, debug, trace, or target=level,..."),
        }
    }
}

/// Settings that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The heading in the reference.
    pub title: &'static str,
    /// The settings, in the order they are read about.
    pub definitions: &'static [Definition],
}
