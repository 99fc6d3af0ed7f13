//! What DescribeConfigs answers about a topic and about the broker.

use std::collections::BTreeMap;

use super::definition::{ConfigType, Definition};
use super::settings::{Setting, Settings};
use super::topic::{resolve, synonym_group};
use super::topic_definitions::TOPIC_DEFINITIONS;

/// Where a described value comes from, Kafka's `DescribeConfigsResponse.ConfigSource`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// `DYNAMIC_TOPIC_CONFIG`: the topic's own.
    DynamicTopic,
    /// `STATIC_BROKER_CONFIG`: file, environment or flags of the broker.
    StaticBroker,
    /// `DEFAULT_CONFIG`.
    Default,
}

impl ConfigSource {
    /// The source's number in a response.
    pub const fn wire_code(self) -> i8 {
        match self {
            ConfigSource::DynamicTopic => 1,
            ConfigSource::StaticBroker => 4,
            ConfigSource::Default => 5,
        }
    }

    fn of(setting: &Setting) -> ConfigSource {
        if setting.is_default() {
            ConfigSource::Default
        } else {
            ConfigSource::StaticBroker
        }
    }
}

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

/// All settings of a topic, by name.
pub fn describe_topic(
    overrides: &BTreeMap<String, String>,
    settings: &Settings,
) -> Vec<ConfigEntry> {
    let describe = |topic: &super::topic_definitions::TopicDefinition| {
        let resolved = resolve(topic, overrides, settings);
        let name = topic.definition.name;
        let value = resolved.value.to_string();
        let own = (!resolved.from_broker && overrides.contains_key(name)).then(|| ConfigSynonym {
            name: name.to_owned(),
            value: Some(value.clone()),
            source: ConfigSource::DynamicTopic,
        });
        let brokers = topic.synonyms.iter().map(|(synonym, _)| *synonym);
        let synonyms = own
            .into_iter()
            .chain(broker_synonyms(brokers, settings))
            .collect();
        entry(&topic.definition, name.to_owned(), Some(value), synonyms)
    };
    TOPIC_DEFINITIONS.iter().map(describe).collect()
}

/// The broker's settings: all that have an effect, and what was given without effect, by name.
pub fn describe_broker(settings: &Settings) -> Vec<ConfigEntry> {
    let honoured = settings.honoured().map(|setting| {
        let name = setting.definition.name;
        let synonyms = match synonym_group(name).as_slice() {
            [] => broker_synonyms([name].into_iter(), settings),
            group => broker_synonyms(group.iter().copied(), settings),
        };
        entry(
            setting.definition,
            name.to_owned(),
            setting.text(),
            synonyms,
        )
    });
    let accepted = settings.accepted().map(|setting| {
        let definition = Definition::new("", setting.config_type, None, "Has no effect here.");
        let value = (!definition.is_sensitive()).then(|| setting.value.clone());
        let synonym = ConfigSynonym {
            name: setting.name.clone(),
            value: value.clone(),
            source: ConfigSource::StaticBroker,
        };
        entry(&definition, setting.name.clone(), value, vec![synonym])
    });
    let mut entries: Vec<ConfigEntry> = honoured.chain(accepted).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

fn entry(
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
        read_only: !definition.dynamic,
        sensitive: definition.is_sensitive(),
        synonyms,
        config_type: definition.config_type,
        documentation: definition.doc,
    }
}

/// First what is set, in order of precedence, then defaults (Kafka's `ConfigHelper`).
fn broker_synonyms<'a>(
    names: impl Iterator<Item = &'a str>,
    settings: &Settings,
) -> Vec<ConfigSynonym> {
    let described = names
        .map(|name| settings.get(name))
        .filter(|setting| setting.value.is_some());
    let mut synonyms: Vec<ConfigSynonym> = described
        .flat_map(|setting| {
            let name = setting.definition.name.to_owned();
            let default = ConfigSynonym {
                name: name.clone(),
                value: setting.definition.default.map(str::to_owned),
                source: ConfigSource::Default,
            };
            let given = (!setting.is_default()).then(|| ConfigSynonym {
                name,
                value: setting.text(),
                source: ConfigSource::of(setting),
            });
            given
                .into_iter()
                .chain([default].into_iter().filter(|d| d.value.is_some()))
        })
        .collect();
    synonyms.sort_by_key(|synonym| synonym.source == ConfigSource::Default);
    synonyms
}
