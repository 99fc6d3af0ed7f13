//! Settings: of a topic, of one broker, of all brokers.

use std::{collections::BTreeMap, time::Duration};

use client::{ClientError, ConfigChanges, ConfigResource, ConfigValue, Connection};
use serde::Serialize;

use crate::{CtlError, Seeds};

/// A broker that takes longer for an answer is not waited for.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Brokers that are about to change who decides say so for a moment.
const PATIENCE: Duration = Duration::from_secs(10);

/// A setting, and where its value is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value. `None`: it has none, or is not told to anybody.
    pub value: Option<String>,
    /// Where that is from.
    pub source: Source,
    /// Whether it takes a restart to change it.
    pub is_read_only: bool,
}

/// Where a value is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// It was set for what was asked for.
    Own,
    /// It was set for more than that: for all brokers, or in a broker's file.
    Inherited,
    /// It was not set.
    Default,
}

/// The settings of something by name; those that were not set only if `all` are asked for.
pub fn describe(seeds: &Seeds, of: &ConfigResource, all: bool) -> Result<Vec<Setting>, CtlError> {
    let (_, values) = whom_to_ask(seeds, of)?.ask(SILENCE_MAX, |it| it.describe_configs(of))?;
    let mut settings: Vec<Setting> = values.into_iter().map(setting).collect();
    settings.retain(|it| all || it.source != Source::Default);
    settings.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(settings)
}

fn setting(value: ConfigValue) -> Setting {
    Setting {
        source: match (value.is_own, value.is_default) {
            (true, _) => Source::Own,
            (false, true) => Source::Default,
            (false, false) => Source::Inherited,
        },
        name: value.name,
        value: value.value,
        is_read_only: value.is_read_only,
    }
}

/// Changes settings of something; `None` takes back what was set.
pub fn alter(seeds: &Seeds, of: &ConfigResource, changes: &ConfigChanges) -> Result<(), CtlError> {
    let changes = BTreeMap::from([(of.clone(), changes.clone())]);
    let change = |it: &mut Connection| it.alter_configs(&changes);
    whom_to_ask(seeds, of)?.ask_patiently(SILENCE_MAX, PATIENCE, change)
}

/// A broker's settings are told by itself, and others by anybody.
fn whom_to_ask(seeds: &Seeds, of: &ConfigResource) -> Result<Seeds, CtlError> {
    let ConfigResource::Broker(id) = of else {
        return Ok(seeds.clone());
    };
    let brokers = |it: &mut Connection| -> Result<_, ClientError> {
        it.metadata(Some(&[])).map(|metadata| metadata.brokers)
    };
    let (_, brokers) = seeds.ask(SILENCE_MAX, brokers)?;
    let broker = brokers.into_iter().find(|it| it.id == *id);
    let broker = broker.ok_or_else(|| CtlError::Refused(format!("there is no broker {id}")))?;
    Seeds::parse(&broker.address).map_err(CtlError::Refused)
}
