//! Every setting with its value and its source.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::accepted::{ACCEPTED_WITHOUT_EFFECT, is_throttle_with_effect, prefixed_definition};
use super::broker::BrokerConfig;
use super::broker_definitions::BROKER_SECTIONS;
use super::definition::{Check, Definition};
use super::dynamic::{Overrides, dynamic_definition};
use super::error::{ConfigError, Origin, Problem};
use super::not_yet::is_not_yet;
use super::suggest::nearest;
use super::topic_definitions::topic_definition;
use super::value::{Reason, Value, parse};
use super::{environment, file, references};

/// Where a node's configuration comes from, in rising order.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A YAML file.
    pub file: Option<PathBuf>,
    /// The variables of the environment. Those that start with `HOLDFAST_` are settings, and the file may refer to any.
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
    /// What would count without that value, the strongest first; no defaults.
    beneath: Vec<(Value, Origin)>,
}

/// All settings of a node.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Those of the tables.
    known: BTreeMap<&'static str, Setting>,
    /// Those that are in no table because of a prefix, and those that can only be set while the
    /// broker runs. As given, and without effect.
    others: BTreeMap<String, Setting>,
}

/// The settings with an effect, in the order of the reference.
pub(super) fn broker_definitions() -> impl Iterator<Item = &'static Definition> {
    BROKER_SECTIONS
        .iter()
        .flat_map(|section| section.definitions)
}

/// Replicas of a topic, where there are as many nodes and nobody says otherwise.
const REPLICAS_DEFAULT: i64 = 3;

impl Settings {
    /// Reads all sources and checks each value by itself; all that is wrong comes back at once.
    pub(super) fn resolve(sources: &Sources) -> Result<Settings, ConfigError> {
        let mut problems = Vec::new();
        let mut given = Vec::new();
        if let Some(path) = &sources.file {
            match file::read(path) {
                Ok(from_file) => {
                    for in_file in from_file {
                        match references::resolve(in_file, &sources.environment) {
                            Ok(resolved) => given.push(resolved),
                            Err(problem) => problems.push(problem),
                        }
                    }
                }
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
        settings.follow_peers();
        if problems.is_empty() {
            Ok(settings)
        } else {
            Err(ConfigError::Invalid(problems))
        }
    }

    /// In a cluster of several nodes the safe choice is another one than on a single node.
    fn follow_peers(&mut self) {
        let peers = i64::try_from(self.list("peers").len()).unwrap_or(i64::MAX);
        if peers == 0 {
            return;
        }
        let replicas = peers.min(REPLICAS_DEFAULT);
        for (name, value) in [
            ("default.replication.factor", replicas),
            ("min.insync.replicas", (replicas - 1).max(1)),
        ] {
            let setting = self.known.get_mut(name);
            if let Some(setting) = setting.filter(|setting| setting.is_default()) {
                setting.value = Some(Value::Integer(value));
            }
        }
    }

    /// The embedded defaults.
    pub fn defaults() -> Settings {
        let known = broker_definitions().chain(ACCEPTED_WITHOUT_EFFECT);
        Settings {
            known: known
                .map(|definition| (definition.name, Setting::default_of(definition)))
                .collect(),
            others: BTreeMap::new(),
        }
    }

    fn set(&mut self, given: Given) -> Result<(), Problem> {
        let Given { name, text, origin } = given;
        let known = self.known.get(name.as_str());
        let definition = known
            .map(|setting| setting.definition)
            .or_else(|| prefixed_definition(&name));
        let Some(definition) = definition else {
            return Err(Problem::new(&origin, &name, unknown_name(&name)));
        };
        let mut setting = Setting::default_of(definition);
        let is_given = text.is_some();
        if let Some(text) = text {
            setting.value = Some(parse_broker_value(definition, &name, &text, &origin)?);
            setting.origin = origin;
        }
        match self.known.get_mut(name.as_str()) {
            Some(known) => *known = setting,
            None if is_given => _ = self.others.insert(name, setting),
            None => _ = self.others.remove(&name),
        }
        Ok(())
    }

    /// The same with what was set while the cluster runs, for all brokers and above that for this
    /// one. What could not be set by this version does not count.
    #[must_use]
    pub fn with_dynamic(&self, all_brokers: &Overrides, this_broker: &Overrides) -> Settings {
        let mut settings = self.clone();
        settings.overlay(all_brokers, &Origin::AllBrokers);
        settings.overlay(this_broker, &Origin::ThisBroker);
        settings
    }

    fn overlay(&mut self, overrides: &Overrides, origin: &Origin) {
        for (name, text) in overrides {
            let Some(definition) = dynamic_definition(name) else {
                continue;
            };
            let Ok(value) = parse(definition, text) else {
                continue;
            };
            let setting = match self.known.get_mut(name.as_str()) {
                Some(setting) => setting,
                None => self
                    .others
                    .entry(name.clone())
                    .or_insert_with(|| Setting::default_of(definition)),
            };
            setting.put(value, origin.clone());
        }
    }

    /// The settings with an effect, in the order of the reference.
    pub fn honoured(&self) -> impl Iterator<Item = &Setting> {
        broker_definitions().map(|definition| self.get(definition.name))
    }

    /// The settings without effect that were given, by name.
    pub fn accepted(&self) -> impl Iterator<Item = (&str, &Setting)> {
        let known = ACCEPTED_WITHOUT_EFFECT
            .iter()
            .map(|definition| (definition.name, self.get(definition.name)));
        let given = known.filter(|(_, setting)| !setting.is_default());
        given.chain(self.others())
    }

    /// All of the tables, by name.
    pub(super) fn known(&self) -> impl Iterator<Item = &Setting> {
        self.known.values()
    }

    /// Those that are in no table, by name.
    pub(super) fn others(&self) -> impl Iterator<Item = (&str, &Setting)> {
        let others = self.others.iter();
        others.map(|(name, setting)| (name.as_str(), setting))
    }

    /// A setting by its name, if it is in a table or was given.
    pub(super) fn find(&self, name: &str) -> Option<&Setting> {
        self.known.get(name).or_else(|| self.others.get(name))
    }

    /// A whole number that is set, be it only while the broker runs.
    pub fn whole(&self, name: &str) -> Option<i64> {
        match self.find(name)?.value {
            Some(Value::Integer(value)) => Some(value),
            _ => None,
        }
    }

    /// A setting of the tables.
    ///
    /// # Panics
    /// For a name that is in none.
    pub fn get(&self, name: &str) -> &Setting {
        match self.known.get(name) {
            Some(setting) => setting,
            None => panic!("{name} is not in the tables of settings"),
        }
    }

    /// What to log once: settings without effect, and dangerous ones.
    pub(super) fn warnings(&self, broker: &BrokerConfig) -> Vec<String> {
        let unsafe_no_sync = broker.journal.unsafe_no_sync.then(|| {
            "journal.unsafe.no.sync is on: ACKNOWLEDGED RECORDS ARE NOT ON DISK and are lost with \
             the power; this is for tests only"
                .to_owned()
        });
        let unsafe_clock = broker.journal.unsafe_clock_file.as_ref().map(|path| {
            let path = path.display();
            format!("clock.unsafe.offset.file is set: THE CLOCK IS WRONG by what {path} says; this is for tests only")
        });
        unsafe_no_sync
            .into_iter()
            .chain(unsafe_clock)
            .chain(self.without_effect())
            .collect()
    }

    /// A sentence for each setting that was given and does nothing.
    pub fn without_effect(&self) -> impl Iterator<Item = String> {
        let no_effect = self
            .accepted()
            .filter(|(name, _)| !is_throttle_with_effect(name))
            .map(|(name, setting)| format!("{}: {name} has no effect here", setting.origin));
        let not_yet = self
            .honoured()
            .filter(|setting| !setting.is_default() && is_not_yet(setting.definition.name))
            .map(|setting| {
                let name = setting.definition.name;
                format!("{}: {name} has no effect yet", setting.origin)
            });
        no_effect.chain(not_yet)
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
            beneath: Vec::new(),
        }
    }

    /// Lays a value above those that are there.
    fn put(&mut self, value: Value, origin: Origin) {
        let beneath = self.value.replace(value);
        let origin = std::mem::replace(&mut self.origin, origin);
        if let (Some(value), false) = (beneath, origin == Origin::Default) {
            self.beneath.insert(0, (value, origin));
        }
    }

    /// The values that were given, the one that counts first.
    pub(super) fn given(&self) -> impl Iterator<Item = (&Value, &Origin)> {
        let strongest = self.value.iter().map(|value| (value, &self.origin));
        let beneath = self.beneath.iter().map(|(value, origin)| (value, origin));
        strongest.filter(|_| !self.is_default()).chain(beneath)
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
            .map(|definition| definition.name),
    );
    match nearest(name, known) {
        Some(nearest) => format!("no such setting; did you mean {nearest}?"),
        None => "no such setting; `holdfast config` lists them all".to_owned(),
    }
}
