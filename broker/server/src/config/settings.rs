//! Every setting with its value and its source.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::accepted::{ACCEPTED_WITHOUT_EFFECT, accepted_type};
use super::broker::BrokerConfig;
use super::broker_definitions::BROKER_SECTIONS;
use super::definition::{Check, ConfigType, Definition};
use super::error::{ConfigError, Origin, Problem};
use super::not_yet::is_not_yet;
use super::suggest::nearest;
use super::topic_definitions::topic_definition;
use super::value::{Reason, Value, parse};
use super::{environment, file};

/// Where a node's configuration comes from, in rising order.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A YAML file.
    pub file: Option<PathBuf>,
    /// The variables of the environment; those that do not start with `HOLDFAST_` do not count.
    pub environment: Vec<(String, String)>,
    /// From the command line; of two for one setting the later counts.
    pub flags: Vec<FlagSetting>,
}

/// A setting from the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagSetting {
    /// The setting's name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The flag as it was typed, for messages: `--data-dir /var/lib/holdfast`.
    pub flag: String,
}

/// A value as a source gives it; `None` asks for the default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) text: Option<String>,
    pub(super) origin: Origin,
}

/// A setting's value and where it comes from.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The setting.
    pub definition: &'static Definition,
    /// Its value, `None` where it has none.
    pub value: Option<Value>,
    /// Where the value comes from.
    pub origin: Origin,
}

/// A setting of Kafka's that has no effect here.
#[derive(Clone, Debug)]
pub struct AcceptedSetting {
    /// Its name.
    pub name: String,
    /// Its type.
    pub config_type: ConfigType,
    /// Its value, as given.
    pub value: String,
    /// Where it was given.
    pub origin: Origin,
}

/// All settings of a node.
#[derive(Clone, Debug)]
pub struct Settings {
    honoured: BTreeMap<&'static str, Setting>,
    accepted: BTreeMap<String, AcceptedSetting>,
}

/// The settings with an effect, in the order of the reference.
pub(super) fn broker_definitions() -> impl Iterator<Item = &'static Definition> {
    BROKER_SECTIONS
        .iter()
        .flat_map(|section| section.definitions)
}

impl Settings {
    /// Reads all sources and checks each value by itself; all that is wrong comes back at once.
    pub(super) fn resolve(sources: &Sources) -> Result<Settings, ConfigError> {
        let mut problems = Vec::new();
        let mut given = Vec::new();
        if let Some(path) = &sources.file {
            match file::read(path) {
                Ok(from_file) => given.extend(from_file),
                Err(ConfigError::Invalid(in_file)) => problems.extend(in_file),
                Err(unreadable) => return Err(unreadable),
            }
        }
        let (from_environment, in_environment) = environment::read(&sources.environment);
        given.extend(from_environment);
        problems.extend(in_environment);
        given.extend(sources.flags.iter().map(|flag| Given {
            name: flag.name.clone(),
            text: Some(flag.value.clone()),
            origin: Origin::Flag(flag.flag.clone()),
        }));

        let mut settings = Settings::defaults();
        problems.extend(
            given
                .into_iter()
                .filter_map(|given| settings.set(given).err()),
        );
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(ConfigError::Invalid(problems))
        }
    }

    /// The embedded defaults.
    pub fn defaults() -> Settings {
        let honoured = broker_definitions().map(Setting::default_of);
        Settings {
            honoured: honoured
                .map(|setting| (setting.definition.name, setting))
                .collect(),
            accepted: BTreeMap::new(),
        }
    }

    fn set(&mut self, given: Given) -> Result<(), Problem> {
        let Given { name, text, origin } = given;
        if let Some(setting) = self.honoured.get_mut(name.as_str()) {
            *setting = match text {
                None => Setting::default_of(setting.definition),
                Some(text) => Setting {
                    definition: setting.definition,
                    value: Some(parse_broker_value(
                        setting.definition,
                        &name,
                        &text,
                        &origin,
                    )?),
                    origin,
                },
            };
            return Ok(());
        }
        let Some(config_type) = accepted_type(&name) else {
            return Err(Problem::new(&origin, &name, unknown_name(&name)));
        };
        let Some(text) = text else {
            self.accepted.remove(&name);
            return Ok(());
        };
        let definition = Definition::new("", config_type, None, "");
        let value = parse_broker_value(&definition, &name, &text, &origin)?.to_string();
        let setting = AcceptedSetting {
            name: name.clone(),
            config_type,
            value,
            origin,
        };
        self.accepted.insert(name, setting);
        Ok(())
    }

    /// The settings with an effect, in the order of the reference.
    pub fn honoured(&self) -> impl Iterator<Item = &Setting> {
        broker_definitions().map(|definition| self.get(definition.name))
    }

    /// The settings without effect that were given, by name.
    pub fn accepted(&self) -> impl Iterator<Item = &AcceptedSetting> {
        self.accepted.values()
    }

    /// A setting of the table.
    ///
    /// # Panics
    /// For a name that is not in the table.
    pub fn get(&self, name: &str) -> &Setting {
        match self.honoured.get(name) {
            Some(setting) => setting,
            None => panic!("{name} is not in the table of settings"),
        }
    }

    /// What to log once: settings without effect, and dangerous ones.
    pub(super) fn warnings(&self, broker: &BrokerConfig) -> Vec<String> {
        let no_effect = self
            .accepted
            .values()
            .map(|setting| format!("{}: {} has no effect here", setting.origin, setting.name));
        let not_yet = self
            .honoured()
            .filter(|setting| !setting.is_default() && is_not_yet(setting.definition.name))
            .map(|setting| {
                format!(
                    "{}: {} has no effect yet",
                    setting.origin, setting.definition.name
                )
            });
        let unsafe_no_sync = broker.journal.unsafe_no_sync.then(|| {
            "journal.unsafe.no.sync is on: ACKNOWLEDGED RECORDS ARE NOT ON DISK and are lost with \
             the power; this is for tests only"
                .to_owned()
        });
        unsafe_no_sync
            .into_iter()
            .chain(no_effect)
            .chain(not_yet)
            .collect()
    }
}

impl Setting {
    fn default_of(definition: &'static Definition) -> Setting {
        let value = definition
            .default
            .map(|text| match parse(definition, text) {
                Ok(value) => value,
                Err(violation) => panic!("{}", violation.message(definition.name)),
            });
        Setting {
            definition,
            value,
            origin: Origin::Default,
        }
    }

    /// The value as text, unless there is none.
    pub fn text(&self) -> Option<String> {
        self.value.as_ref().map(Value::to_string)
    }

    /// Whether no source gave it.
    pub fn is_default(&self) -> bool {
        self.origin == Origin::Default
    }
}

fn parse_broker_value(
    definition: &Definition,
    name: &str,
    text: &str,
    origin: &Origin,
) -> Result<Value, Problem> {
    parse(definition, text).map_err(|violation| {
        let found = if definition.is_sensitive() {
            "a hidden value"
        } else {
            &format!("\"{text}\"")
        };
        let detail = match (&violation.reason, definition.check) {
            (Reason::Malformed(detail), Check::LogLevel | Check::HostPort) => {
                format!(" ({detail})")
            }
            _ => String::new(),
        };
        let message = format!("expected {}, found {found}{detail}", definition.expected());
        Problem::new(origin, name, message)
    })
}

fn unknown_name(name: &str) -> String {
    if let Some(topic) = topic_definition(name) {
        let synonyms = topic.synonyms.iter().map(|(synonym, _)| *synonym);
        let synonyms: Vec<&str> = synonyms.collect();
        return match synonyms.first() {
            Some(synonym) => format!("a topic's setting; the broker's is {synonym}"),
            None => "a topic's setting, which the broker has no default for".to_owned(),
        };
    }
    let known = broker_definitions().map(|definition| definition.name);
    let known = known.chain(
        ACCEPTED_WITHOUT_EFFECT
            .iter()
            .map(|(accepted, _)| *accepted),
    );
    match nearest(name, known) {
        Some(nearest) => format!("no such setting; did you mean {nearest}?"),
        None => "no such setting; `holdfast config` lists them all".to_owned(),
    }
}
