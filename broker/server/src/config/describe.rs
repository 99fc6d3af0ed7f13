//! What DescribeConfigs answers about topics and brokers, as Kafka's `ConfigHelper` has it.

use super::definition::{ConfigType, Definition, Update};
use super::dynamic::Overrides;
use super::error::Origin;
use super::settings::{Setting, Settings};
use super::topic::{resolve, synonym_group};
use super::topic_definitions::{TOPIC_DEFINITIONS, TopicDefinition};

/// Where a described value comes from, Kafka's `DescribeConfigsResponse.ConfigSource`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// `DYNAMIC_TOPIC_CONFIG`: the topic's own.
    DynamicTopic,
    /// `DYNAMIC_BROKER_CONFIG`: set for the broker while it runs.
    DynamicBroker,
    /// `DYNAMIC_DEFAULT_BROKER_CONFIG`: set for all brokers while they run.
    DynamicDefaultBroker,
    /// `STATIC_BROKER_CONFIG`: file, environment or flags of the broker.
    StaticBroker,
    /// `DEFAULT_CONFIG`.
    Default,
    /// `DYNAMIC_BROKER_LOGGER_CONFIG`: a logger's level.
    DynamicBrokerLogger,
    /// `DYNAMIC_CLIENT_METRICS_CONFIG`: the subscription's own.
    DynamicClientMetrics,
    /// `DYNAMIC_GROUP_CONFIG`: the group's own.
    DynamicGroup,
}

impl ConfigSource {
    /// The source's number in a response.
    pub const fn wire_code(self) -> i8 {
        match self {
            ConfigSource::DynamicTopic => 1,
            ConfigSource::DynamicBroker => 2,
            ConfigSource::DynamicDefaultBroker => 3,
            ConfigSource::StaticBroker => 4,
            ConfigSource::Default => 5,
            ConfigSource::DynamicBrokerLogger => 6,
            ConfigSource::DynamicClientMetrics => 7,
            ConfigSource::DynamicGroup => 8,
        }
    }

    const fn of(origin: &Origin) -> ConfigSource {
        match origin {
            Origin::ThisBroker => ConfigSource::DynamicBroker,
            Origin::AllBrokers => ConfigSource::DynamicDefaultBroker,
            Origin::File { .. } | Origin::Environment(_) | Origin::Flag(_) => {
                ConfigSource::StaticBroker
            }
            Origin::Default => ConfigSource::Default,
        }
    }
}

/// The sources of a broker's values, the strongest first.
const BROKER_SOURCES: [ConfigSource; 4] = [
    ConfigSource::DynamicBroker,
    ConfigSource::DynamicDefaultBroker,
    ConfigSource::StaticBroker,
    ConfigSource::Default,
];

/// A setting that a value is taken from when those before it are not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// Its name.
    pub name: String,
    /// Its value, in its own unit.
    pub value: Option<String>,
    /// Where that comes from.
    pub source: ConfigSource,
}

/// A described setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value; `None` where there is none, or where it is sensitive.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it is fixed until the broker restarts.
    pub read_only: bool,
    /// Whether the value is withheld.
    pub sensitive: bool,
    /// From the value that counts to the default. For requests that do not ask for them, leave
    /// them out.
    pub synonyms: Vec<ConfigSynonym>,
    /// Its type.
    pub config_type: ConfigType,
    /// What it does.
    pub documentation: &'static str,
}

/// A topic's settings, by name: all that are wanted.
pub fn describe_topic(
    overrides: &Overrides,
    settings: &Settings,
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<ConfigEntry> {
    let describe = |topic: &TopicDefinition| {
        let resolved = resolve(topic, overrides, settings);
        let name = topic.definition.name;
        let value = resolved.value.to_string();
        let own = (!resolved.from_broker && overrides.contains_key(name)).then(|| ConfigSynonym {
            name: name.to_owned(),
            value: Some(value.clone()),
            source: ConfigSource::DynamicTopic,
        });
        let brokers: Vec<&str> = topic.synonyms.iter().map(|(synonym, _)| *synonym).collect();
        let synonyms = own.into_iter().chain(synonyms(&brokers, settings));
        entry(
            &topic.definition,
            name.to_owned(),
            Some(value),
            synonyms.collect(),
        )
    };
    TOPIC_DEFINITIONS
        .iter()
        .filter(|topic| is_wanted(topic.definition.name))
        .map(describe)
        .collect()
}

/// The broker's settings, by name: of all in the tables and what else was given, those that are wanted.
pub fn describe_broker(settings: &Settings, is_wanted: impl Fn(&str) -> bool) -> Vec<ConfigEntry> {
    let known = settings.known();
    let known = known.filter(|setting| is_wanted(setting.definition.name));
    let known = known.map(|setting| {
        let name = setting.definition.name;
        let synonyms = match synonym_group(name).as_slice() {
            [] => synonyms(&[name], settings),
            // Those before it in the group are its own synonyms' business, not its.
            group => synonyms(
                &group[group.iter().position(|it| *it == name).unwrap_or(0)..],
                settings,
            ),
        };
        entry(
            setting.definition,
            name.to_owned(),
            shown(setting),
            synonyms,
        )
    });
    let others = settings.others().filter(|(name, _)| is_wanted(name));
    let others = others.map(|(name, setting)| {
        let base = Some(setting.definition.name).filter(|base| !base.is_empty() && *base != name);
        let names: Vec<&str> = std::iter::once(name).chain(base).collect();
        let synonyms = synonyms(&names, settings);
        let mut entry = entry(
            setting.definition,
            name.to_owned(),
            shown(setting),
            synonyms,
        );
        // Kafka does not look behind the prefix here.
        entry.read_only |= setting.definition.name != name;
        entry
    });
    let mut entries: Vec<ConfigEntry> = known.chain(others).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// What is set for all brokers while they run, by name.
pub fn describe_all_brokers(
    settings: &Settings,
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<ConfigEntry> {
    let mut entries = describe_broker(settings, is_wanted);
    entries.retain_mut(|entry| {
        let source = ConfigSource::DynamicDefaultBroker;
        entry
            .synonyms
            .retain(|synonym| synonym.source == source && synonym.name == entry.name);
        let Some(synonym) = entry.synonyms.first() else {
            return false;
        };
        entry.value.clone_from(&synonym.value);
        entry.source = source;
        true
    });
    entries
}

pub(super) fn entry(
    definition: &Definition,
    name: String,
    value: Option<String>,
    synonyms: Vec<ConfigSynonym>,
) -> ConfigEntry {
    ConfigEntry {
        name,
        value,
        source: synonyms
            .first()
            .map_or(ConfigSource::Default, |synonym| synonym.source),
        read_only: definition.update == Update::ReadOnly,
        sensitive: definition.is_sensitive(),
        synonyms,
        config_type: definition.config_type,
        documentation: definition.doc,
    }
}

fn shown(setting: &Setting) -> Option<String> {
    setting
        .text()
        .filter(|_| !setting.definition.is_sensitive())
}

/// The values of settings that stand for one another, by source and then in the order of the names. Those before the first value
/// of the first name do not count, whatever they are: so Kafka reports it.
pub(super) fn synonyms(names: &[&str], settings: &Settings) -> Vec<ConfigSynonym> {
    let values = |source: ConfigSource| {
        names.iter().filter_map(move |name| {
            let setting = settings.find(name);
            let value = match (source, setting) {
                (ConfigSource::Default, Some(setting)) if setting.definition.name == *name => {
                    setting.definition.default.map(str::to_owned)
                }
                (_, Some(setting)) => {
                    let mut given = setting.given();
                    let (value, _) =
                        given.find(|(_, origin)| ConfigSource::of(origin) == source)?;
                    Some(value.to_string())
                }
                (_, None) => None,
            };
            let is_sensitive = setting.is_some_and(|it| it.definition.is_sensitive());
            value.map(|value| ConfigSynonym {
                name: (*name).to_owned(),
                value: Some(value).filter(|_| !is_sensitive),
                source,
            })
        })
    };
    BROKER_SOURCES
        .into_iter()
        .flat_map(values)
        .skip_while(|synonym| names.first().is_none_or(|first| synonym.name != *first))
        .collect()
}
