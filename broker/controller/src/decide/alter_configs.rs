//! IncrementalAlterConfigs (KIP-339) and AlterConfigs, as `ConfigurationControlManager` decides them.
//!
//! A resource is altered as a whole or not at all; one that is refused does not hold up the others.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ErrorCode;
use protocol::model::BrokerId;
use serde::{Deserialize, Serialize};

use crate::record::ConfigRecord;
use crate::{
    ApiError, Command, ConfigResource, Context, Decision, MetadataImage, MetadataRecord,
    ResourceType, topic_name,
};

/// The longest value, Kafka's: what a string on the wire may have at most.
pub const CONFIG_VALUE_CHARS_MAX: usize = i16::MAX as usize;

/// A request to change keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncrementalAlterConfigs {
    /// The resources.
    pub resources: Vec<ResourceAlterations>,
    /// Whether nothing is to be changed.
    pub validate_only: bool,
}

/// What is to be changed of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceAlterations {
    /// The resource.
    pub resource: ConfigResource,
    /// The changes, one per key.
    pub alterations: Vec<ConfigAlteration>,
}

/// What is to be done with a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigAlteration {
    /// The key.
    pub key: String,
    /// What to do.
    pub op: ConfigOp,
    /// With what; only a deletion needs none.
    pub value: Option<String>,
}

/// What can be done with a key. The numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConfigOp {
    /// The value becomes the key's.
    Set = 0,
    /// The key is unset.
    Delete = 1,
    /// The parts of the value join the key's list, unless they are there.
    Append = 2,
    /// The parts of the value leave the key's list.
    Subtract = 3,
}

impl ConfigOp {
    /// From the number on the wire.
    pub const fn from_code(code: i8) -> Option<ConfigOp> {
        match code {
            0 => Some(ConfigOp::Set),
            1 => Some(ConfigOp::Delete),
            2 => Some(ConfigOp::Append),
            3 => Some(ConfigOp::Subtract),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            ConfigOp::Set => "SET",
            ConfigOp::Delete => "DELETE",
            ConfigOp::Append => "APPEND",
            ConfigOp::Subtract => "SUBTRACT",
        }
    }
}

/// A request to replace all that is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterConfigs {
    /// The resources.
    pub resources: Vec<ReplacedConfigs>,
    /// Whether nothing is to be changed.
    pub validate_only: bool,
}

/// All that is to be set for one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacedConfigs {
    /// The resource.
    pub resource: ConfigResource,
    /// Keys and values.
    pub configs: Vec<(String, Option<String>)>,
}

/// What became of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlterConfigsResult {
    /// The resource.
    pub resource: ConfigResource,
    /// Whether it is altered.
    pub result: Result<(), ApiError>,
}

/// A key's next value, `None` to unset it.
type Changes = BTreeMap<String, Option<String>>;

impl Command for IncrementalAlterConfigs {
    /// One per resource, in the order they came first.
    type Response = Vec<AlterConfigsResult>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let resources = self
            .resources
            .iter()
            .map(|it| (&it.resource, &it.alterations));
        decide_each(
            context,
            resources,
            self.validate_only,
            |resource, alterations| incremental_changes(context, resource, alterations),
        )
    }
}

impl Command for AlterConfigs {
    /// One per resource, in the order they came first.
    type Response = Vec<AlterConfigsResult>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let resources = self.resources.iter().map(|it| (&it.resource, &it.configs));
        decide_each(
            context,
            resources,
            self.validate_only,
            |resource, configs| replacing_changes(context.image, resource, configs),
        )
    }
}

fn decide_each<'r, T: 'r>(
    context: &Context<'_>,
    resources: impl Iterator<Item = (&'r ConfigResource, &'r T)> + Clone,
    validate_only: bool,
    changes: impl Fn(&ConfigResource, &T) -> Result<Changes, ApiError>,
) -> Decision<Vec<AlterConfigsResult>> {
    let mut counts: BTreeMap<&ConfigResource, usize> = BTreeMap::new();
    for (resource, _) in resources.clone() {
        *counts.entry(resource).or_default() += 1;
    }
    let mut decision = Decision::unchanged(Vec::with_capacity(counts.len()));
    for (resource, alteration) in resources {
        let Some(count) = counts.remove(resource) else {
            continue;
        };
        let result = if count > 1 {
            Err(ApiError::new(
                ErrorCode::InvalidRequest,
                "Each resource must appear at most once.",
            ))
        } else {
            check_name(resource)
                .and_then(|()| changes(resource, alteration))
                .and_then(|changes| alter(context, resource, changes))
        };
        let result = result.map(|records| {
            if !validate_only {
                decision.records.extend(records);
            }
        });
        decision.response.push(AlterConfigsResult {
            resource: resource.clone(),
            result,
        });
    }
    decision
}

/// The rules of `ConfigAdminManager` and `ControllerConfigurationValidator` on what may be altered at all.
fn check_name(resource: &ConfigResource) -> Result<(), ApiError> {
    let refused = |message: &str| Err(ApiError::new(ErrorCode::InvalidRequest, message));
    match (resource.resource_type, resource.name.as_str()) {
        (ResourceType::Topic, "") => refused("Default topic resources are not allowed."),
        (ResourceType::Group, "") => refused("Default group resources are not allowed."),
        (ResourceType::ClientMetrics, "") => refused("Subscription name can't be empty"),
        (ResourceType::Topic, name) => topic_name::validate(name)
            .map_err(|message| ApiError::new(ErrorCode::InvalidTopicException, message)),
        (ResourceType::Broker, name) if !name.is_empty() && broker_id(name).is_none() => {
            refused("Unable to parse broker name as a base 10 number.")
        }
        _ => Ok(()),
    }
}

fn broker_id(name: &str) -> Option<BrokerId> {
    name.parse().ok().and_then(BrokerId::from_wire)
}

fn incremental_changes(
    context: &Context<'_>,
    resource: &ConfigResource,
    alterations: &[ConfigAlteration],
) -> Result<Changes, ApiError> {
    let keys = alterations.iter().map(|it| it.key.as_str());
    check_keys(keys, alterations.len())?;
    let nulls = alterations
        .iter()
        .filter(|it| it.op != ConfigOp::Delete && it.value.is_none());
    check_nulls(nulls.map(|it| it.key.as_str()))?;
    let configs = context.image.configs(resource);
    let mut changes = Changes::new();
    for ConfigAlteration { key, op, value } in alterations {
        let current = configs.and_then(|configs| configs.get(key));
        let value = value.as_deref().unwrap_or_default();
        let next = match op {
            ConfigOp::Set => Some(value.to_owned()),
            ConfigOp::Delete => None,
            ConfigOp::Append | ConfigOp::Subtract => {
                if !context.configs.is_list(resource.resource_type, key) {
                    return Err(ApiError::new(
                        ErrorCode::InvalidConfig,
                        format!(
                            "Can't {} to key {key} because its type is not LIST.",
                            op.name()
                        ),
                    ));
                }
                let default = || context.configs.default_value(resource.resource_type, key);
                let list = current.cloned().or_else(default).unwrap_or_default();
                Some(alter_list(&list, *op, value))
            }
        };
        next.as_deref().map_or(Ok(()), check_value_size)?;
        changes.insert(key.clone(), next);
    }
    Ok(changes)
}

fn alter_list(list: &str, op: ConfigOp, value: &str) -> String {
    let mut parts: Vec<&str> = list.split(',').filter(|part| !part.is_empty()).collect();
    for part in value.split(',').filter(|part| !part.is_empty()) {
        let at = parts.iter().position(|it| *it == part);
        match (op, at) {
            (ConfigOp::Append, None) => parts.push(part),
            (ConfigOp::Subtract, Some(at)) => {
                parts.remove(at);
            }
            _ => {}
        }
    }
    parts.join(",")
}

fn replacing_changes(
    image: &MetadataImage,
    resource: &ConfigResource,
    configs: &[(String, Option<String>)],
) -> Result<Changes, ApiError> {
    check_keys(configs.iter().map(|(key, _)| key.as_str()), configs.len())?;
    check_nulls(
        configs
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(key, _)| key.as_str()),
    )?;
    let current = image
        .configs(resource)
        .into_iter()
        .flat_map(|configs| configs.keys());
    let mut changes: Changes = current.map(|key| (key.clone(), None)).collect();
    for (key, value) in configs {
        value.as_deref().map_or(Ok(()), check_value_size)?;
        changes.insert(key.clone(), value.clone());
    }
    Ok(changes)
}

fn check_keys<'k>(keys: impl Iterator<Item = &'k str>, count: usize) -> Result<(), ApiError> {
    if keys.collect::<BTreeSet<_>>().len() == count {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::InvalidRequest,
        "Error due to duplicate config keys",
    ))
}

fn check_nulls<'k>(nulls: impl Iterator<Item = &'k str>) -> Result<(), ApiError> {
    let nulls: Vec<_> = nulls.collect();
    if nulls.is_empty() {
        return Ok(());
    }
    let message = format!("Null value not supported for : {}", nulls.join(", "));
    Err(ApiError::new(ErrorCode::InvalidRequest, message))
}

/// Kafka counts UTF-16 units, which are never more than the bytes.
pub(super) fn check_value_size(value: &str) -> Result<(), ApiError> {
    if value.len() <= CONFIG_VALUE_CHARS_MAX
        || value.encode_utf16().count() <= CONFIG_VALUE_CHARS_MAX
    {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorCode::InvalidConfig,
        "The configuration value cannot be added because it exceeds the maximum value size of \
         32767 bytes.",
    ))
}

fn alter(
    context: &Context<'_>,
    resource: &ConfigResource,
    changes: Changes,
) -> Result<Vec<MetadataRecord>, ApiError> {
    let existing = context
        .image
        .configs(resource)
        .map(|it| (**it).clone())
        .unwrap_or_default();
    let mut configs = existing.clone();
    for (key, value) in &changes {
        match value {
            Some(value) => configs.insert(key.clone(), value.clone()),
            None => configs.remove(key),
        };
    }
    context.configs.validate(resource, &configs, &existing)?;
    check_exists(context.image, resource)?;
    // A broker reloads files that its configuration names, even if the names are the same (KAFKA-14136).
    let reload = resource.resource_type == ResourceType::Broker;
    let changed = changes
        .into_iter()
        .filter(|(key, value)| existing.get(key) != value.as_ref() || (reload && value.is_some()));
    Ok(changed
        .map(|(key, value)| {
            MetadataRecord::Config(ConfigRecord {
                resource_type: resource.resource_type,
                resource_name: resource.name.clone(),
                key,
                value,
            })
        })
        .collect())
}

fn check_exists(image: &MetadataImage, resource: &ConfigResource) -> Result<(), ApiError> {
    let name = &resource.name;
    match resource.resource_type {
        ResourceType::Topic if image.topic_named(name).is_none() => Err(ApiError::new(
            ErrorCode::UnknownTopicOrPartition,
            format!("The topic '{name}' does not exist."),
        )),
        ResourceType::Broker if broker_id(name).is_some_and(|id| image.broker(id).is_none()) => {
            Err(ApiError::new(
                ErrorCode::BrokerIdNotRegistered,
                format!("No broker with id {name} found."),
            ))
        }
        _ => Ok(()),
    }
}
