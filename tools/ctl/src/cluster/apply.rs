//! Topics and settings as a file wants them.
//!
//! ```yaml
//! brokerDefaults:
//!   log.retention.ms: 86400000
//! topics:
//!   - name: orders
//!     partitions: 12
//!     replicationFactor: 3
//!     config:
//!       cleanup.policy: compact
//! ```
//!
//! What the file does not name stays as it is: no topic is deleted, and no setting taken away. What cannot be changed (fewer partitions, another number of replicas) is refused before
//! anything is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::Path,
    time::Duration,
};

use client::{ClientError, ConfigChanges, ConfigResource, Connection, TopicMetadata};
use protocol::ErrorCode;
use serde::{Deserialize, Serialize};

use crate::{CtlError, Seeds};

/// A broker that takes longer for an answer is not waited for.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// A file of wishes is not larger.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// How a cluster is to be.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Wanted {
    /// Settings of all brokers that have no value of their own.
    pub broker_defaults: BTreeMap<String, Scalar>,
    /// Topics.
    pub topics: Vec<WantedTopic>,
}

/// How a topic is to be.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WantedTopic {
    /// Its name.
    pub name: String,
    /// How many partitions it has. By default as the cluster makes topics; one that is there keeps what it has.
    #[serde(default)]
    pub partitions: Option<i32>,
    /// How many replicas each has, with the same default.
    #[serde(default)]
    pub replication_factor: Option<i16>,
    /// Settings of its own.
    #[serde(default)]
    pub config: BTreeMap<String, Scalar>,
}

/// A value, as YAML has it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// true or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Another one.
    Number(f64),
    /// Anything else.
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Boolean(it) => it.fmt(f),
            Scalar::Integer(it) => it.fmt(f),
            Scalar::Number(it) => it.fmt(f),
            Scalar::Text(it) => it.fmt(f),
        }
    }
}

/// One thing that is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// A topic is made.
    Create {
        /// Its name.
        topic: String,
        /// Its partitions; -1: as the cluster makes topics.
        partitions: i32,
        /// Its replicas; -1: the same.
        replication_factor: i16,
        /// Its settings.
        config: BTreeMap<String, String>,
    },
    /// A topic gets more partitions.
    Grow {
        /// Its name.
        topic: String,
        /// How many it has.
        from: i32,
        /// How many it gets.
        to: i32,
    },
    /// A topic's settings are changed.
    Configure {
        /// Its name.
        topic: String,
        /// The settings.
        config: BTreeMap<String, String>,
    },
    /// The brokers' settings are set.
    Brokers {
        /// The settings.
        config: BTreeMap<String, String>,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |config: &BTreeMap<String, String>| {
            let pairs: Vec<String> = config
                .iter()
                .map(|(name, it)| format!("{name}={it}"))
                .collect();
            pairs.join(", ")
        };
        match self {
            Step::Create { topic, config, .. } if config.is_empty() => write!(f, "{topic}: made"),
            Step::Create { topic, config, .. } => write!(f, "{topic}: made, {}", listed(config)),
            Step::Grow { topic, from, to } => {
                write!(f, "{topic}: {to} partitions in the place of {from}")
            }
            Step::Configure { topic, config } => write!(f, "{topic}: {}", listed(config)),
            Step::Brokers { config } => write!(f, "all brokers: {}", listed(config)),
        }
    }
}

/// Reads a file of wishes.
pub fn read(path: &Path) -> Result<Wanted, CtlError> {
    let length = fs::metadata(path)
        .map_err(CtlError::file("cannot read", path))?
        .len();
    if length > FILE_BYTES_MAX {
        return Err(CtlError::Refused(format!(
            "{}: larger than {FILE_BYTES_MAX} bytes",
            path.display()
        )));
    }
    let text = fs::read_to_string(path).map_err(CtlError::file("cannot read", path))?;
    serde_yaml::from_str(&text)
        .map_err(|error| CtlError::Refused(format!("{}: {error}", path.display())))
}

/// Has a cluster be as it is wanted, or only says what that takes. While brokers say that they cannot yet, they are asked again for `patience`.
pub fn apply(
    seeds: &Seeds,
    wanted: &Wanted,
    patience: Duration,
    is_dry: bool,
) -> Result<Vec<Step>, CtlError> {
    let now = seeds.ask_patiently(SILENCE_MAX, patience, |it| Now::ask(it, wanted))?;
    let steps = plan(wanted, &now)?;
    if !is_dry {
        for step in &steps {
            seeds.ask_patiently(SILENCE_MAX, patience, |it| take(it, step))?;
        }
    }
    Ok(steps)
}

/// How the topics that are wanted are.
#[derive(Clone, Debug, Default)]
struct Now {
    topics: BTreeMap<String, TopicMetadata>,
    /// By topic and setting.
    configs: BTreeMap<(String, String), String>,
}

impl Now {
    fn ask(connection: &mut Connection, wanted: &Wanted) -> Result<Now, ClientError> {
        let mut now = Now::default();
        for topic in connection.metadata(None)?.topics {
            now.topics.insert(topic.name.clone(), topic);
        }
        let names = wanted.topics.iter().flat_map(|it| it.config.keys());
        let names: BTreeSet<&String> = names.collect();
        let there = wanted.topics.iter().map(|it| it.name.as_str());
        let there: Vec<&str> = there
            .filter(|name| now.topics.contains_key(*name))
            .collect();
        for name in names {
            for (topic, value) in connection.topic_config(&there, name)? {
                now.configs.insert((topic, name.clone()), value);
            }
        }
        Ok(now)
    }
}

/// What it takes. What all brokers go by comes first: topics that are made go by it too.
fn plan(wanted: &Wanted, now: &Now) -> Result<Vec<Step>, CtlError> {
    let texts = |config: &BTreeMap<String, Scalar>| -> BTreeMap<String, String> {
        let texts = config
            .iter()
            .map(|(name, it)| (name.clone(), it.to_string()));
        texts.collect()
    };
    let mut steps = Vec::new();
    if !wanted.broker_defaults.is_empty() {
        let config = texts(&wanted.broker_defaults);
        steps.push(Step::Brokers { config });
    }
    for topic in &wanted.topics {
        let mut config = texts(&topic.config);
        let name = topic.name.clone();
        let Some(there) = now.topics.get(&topic.name) else {
            steps.push(Step::Create {
                topic: name,
                partitions: topic.partitions.unwrap_or(-1),
                replication_factor: topic.replication_factor.unwrap_or(-1),
                config,
            });
            continue;
        };
        let partitions = i32::try_from(there.partitions.len()).unwrap_or(i32::MAX);
        let replicas = there.partitions.first().map(|it| it.replicas.len());
        match topic.partitions {
            Some(wanted) if wanted < partitions => {
                return Err(CtlError::Refused(format!(
                    "{name} has {partitions} partitions, and cannot have {wanted}: partitions are never taken away. Nothing was changed"
                )));
            }
            Some(to) if to > partitions => steps.push(Step::Grow {
                topic: name.clone(),
                from: partitions,
                to,
            }),
            _ => {}
        }
        if let Some(wanted) = topic.replication_factor
            && replicas.is_some_and(|it| it != usize::try_from(wanted).unwrap_or_default())
        {
            return Err(CtlError::Refused(format!(
                "{name} has {} replicas of each partition, and is to have {wanted}: that is changed with kafka-reassign-partitions. Nothing was changed",
                replicas.unwrap_or_default()
            )));
        }
        config.retain(|key, value| {
            let set = now.configs.get(&(name.clone(), key.clone()));
            set != Some(value)
        });
        if !config.is_empty() {
            steps.push(Step::Configure {
                topic: name,
                config,
            });
        }
    }
    Ok(steps)
}

fn take(connection: &mut Connection, step: &Step) -> Result<(), ClientError> {
    let set = |config: &BTreeMap<String, String>| -> ConfigChanges {
        let set = config
            .iter()
            .map(|(name, it)| (name.clone(), Some(it.clone())));
        set.collect()
    };
    match step {
        Step::Create {
            topic,
            partitions,
            replication_factor,
            config,
        } => {
            let config: Vec<_> = config.clone().into_iter().collect();
            let factor = Some(*replication_factor).filter(|it| *it > 0);
            match connection.create_replicated_topic(topic, *partitions, factor, &config) {
                // It was made at an earlier try, whose answer was lost.
                Err(ClientError::Refused {
                    code: ErrorCode::TopicAlreadyExists,
                    ..
                }) => Ok(()),
                made => made,
            }
        }
        Step::Grow { topic, to, .. } => connection.create_partitions(topic, *to),
        Step::Configure { topic, config } => {
            let resource = ConfigResource::Topic(topic.clone());
            connection.alter_configs(&BTreeMap::from([(resource, set(config))]))
        }
        Step::Brokers { config } => {
            connection.alter_configs(&BTreeMap::from([(ConfigResource::AllBrokers, set(config))]))
        }
    }
}

#[cfg(test)]
mod tests;
