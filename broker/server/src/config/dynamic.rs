//! The settings of brokers that are set while the cluster runs (KIP-226), Kafka's `DynamicBrokerConfig`.
//!
//! They are in the cluster's metadata: for one broker, or for all. A broker's own count more than those for all brokers, and
//! both more than its file, environment and flags.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::accepted::{accepted_definition, prefixed_definition, throttle_definition};
use super::definition::{Definition, Update};
use super::settings::{Settings, broker_definitions};
use super::value::{Value, parse};

/// Settings that may not be 0 while the broker runs.
const NEVER_NONE: [&str; 2] = ["max.connections", "max.connections.per.ip"];

/// What is set of a resource, by name.
pub type Overrides = BTreeMap<String, String>;

/// Why a broker's settings may not be set while it runs. The messages are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DynamicConfigError {
    /// There is no such setting. Kafka keeps it, for plugins.
    #[error("Unknown config name: {0}")]
    Unknown(String),
    /// It can be set, but not so.
    #[error("{0}")]
    Refused(String),
}

/// The settings as they are in force now.
#[derive(Debug)]
pub struct LiveSettings {
    at_start: Settings,
    now: ArcSwap<Settings>,
}

impl LiveSettings {
    /// Those of the start.
    pub fn new(at_start: Settings) -> LiveSettings {
        LiveSettings {
            now: ArcSwap::from_pointee(at_start.clone()),
            at_start,
        }
    }

    /// What counts now.
    pub fn now(&self) -> Arc<Settings> {
        self.now.load_full()
    }

    /// Replaces all that was set while the cluster runs.
    pub fn set(&self, all_brokers: &Overrides, this_broker: &Overrides) {
        let settings = self.at_start.with_dynamic(all_brokers, this_broker);
        self.now.store(Arc::new(settings));
    }
}

/// A setting that may be set while the broker runs, be it only for a listener.
pub(super) fn dynamic_definition(name: &str) -> Option<&'static Definition> {
    let known = known_definition(name)?;
    (is_prefixed(name) || !matches!(known.update, Update::ReadOnly | Update::PerListener))
        .then_some(known)
}

/// A setting of a broker's, whether it may change or not.
pub fn known_definition(name: &str) -> Option<&'static Definition> {
    broker_definitions()
        .find(|definition| definition.name == name)
        .or_else(|| accepted_definition(name))
        .or_else(|| throttle_definition(name))
        .or_else(|| prefixed_definition(name))
}

/// Behind a prefix Kafka lets every setting change.
fn is_prefixed(name: &str) -> bool {
    prefixed_definition(name).is_some()
}

/// Whether these may be all that is set while the cluster runs, for one broker or for all of them. Kafka's checks in Kafka's
/// order.
pub fn validate_broker_configs(
    configs: &Overrides,
    for_one_broker: bool,
) -> Result<(), DynamicConfigError> {
    let mut definitions = Vec::with_capacity(configs.len());
    for (name, text) in configs {
        match known_definition(name) {
            Some(definition) => definitions.push((name.as_str(), text, definition)),
            None => return Err(DynamicConfigError::Unknown(name.clone())),
        }
    }
    let refuse = |names: Vec<&str>, why: &str| match names.as_slice() {
        [] => Ok(()),
        names => Err(DynamicConfigError::Refused(format!(
            "{why}: [{}]",
            names.join(", ")
        ))),
    };
    let that = |test: &dyn Fn(&str, Update) -> bool| -> Vec<&str> {
        let those = definitions
            .iter()
            .filter(|(name, _, definition)| test(name, definition.update));
        those.map(|(name, ..)| *name).collect()
    };
    refuse(
        that(&|name, update| update == Update::ReadOnly && !is_prefixed(name)),
        "Cannot update these configs dynamically",
    )?;
    refuse(
        that(&|name, update| update == Update::PerListener && !is_prefixed(name)),
        "These security configs can be dynamically updated only per-listener using the listener prefix",
    )?;
    for (name, text, definition) in &definitions {
        check_value(name, text, definition)?;
    }
    if for_one_broker {
        return Ok(());
    }
    refuse(
        that(&|_, update| matches!(update, Update::PerBroker | Update::PerListener)),
        "Cannot update these configs at default cluster level, broker id must be specified",
    )
}

fn check_value(name: &str, text: &str, definition: &Definition) -> Result<(), DynamicConfigError> {
    // Behind a prefix, Kafka names the setting without it; the settings of plugins have no name of their own.
    let shown = match definition.name {
        "" => name,
        base => base,
    };
    match parse(definition, text) {
        Err(violation) => Err(DynamicConfigError::Refused(violation.message(shown))),
        // Nobody could connect any more, to take it back.
        Ok(Value::Integer(0)) if NEVER_NONE.contains(&name) => {
            Err(DynamicConfigError::Refused(format!("Invalid {name} 0")))
        }
        Ok(_) => Ok(()),
    }
}
