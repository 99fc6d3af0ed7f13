//! Settings from `HOLDFAST_*` variables.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::accepted::ACCEPTED_WITHOUT_EFFECT;
use super::error::{Origin, Problem};
use super::settings::{Given, broker_definitions};
use super::suggest::nearest;

/// The prefix of our variables.
const PREFIX: &str = "HOLDFAST_";

/// Variables that are no settings: what the command line reads itself.
const NOT_SETTINGS: &[&str] = &["HOLDFAST_CONFIG"];

static NAMES: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let honoured = broker_definitions().map(|definition| definition.name);
    let accepted = ACCEPTED_WITHOUT_EFFECT
        .iter()
        .map(|definition| definition.name);
    honoured
        .chain(accepted)
        .map(|name| (variable(name), name))
        .collect()
});

/// The variable of a setting: `log.retention.ms` is `HOLDFAST_LOG_RETENTION_MS`.
pub(super) fn variable(name: &str) -> String {
    format!(
        "{PREFIX}{}",
        name.replace(['.', '-'], "_").to_ascii_uppercase()
    )
}

/// What the environment gives.
pub(super) fn read(environment: &[(String, String)]) -> (Vec<Given>, Vec<Problem>) {
    let mut given = Vec::new();
    let mut problems = Vec::new();
    for (key, value) in environment {
        let ours = key.starts_with(PREFIX) && !NOT_SETTINGS.contains(&key.as_str());
        if !ours || is_service_link(key) {
            continue;
        }
        let origin = Origin::Environment(key.clone());
        match NAMES.get(key) {
            Some(name) => {
                given.push(Given {
                    name: (*name).to_owned(),
                    text: Some(value.clone()),
                    origin,
                });
            }
            None => {
                let known = NAMES.keys().map(String::as_str);
                let message = match nearest(key, known) {
                    Some(variable) => format!("no such setting; did you mean {variable}?"),
                    None => "no such setting".to_owned(),
                };
                problems.push(Problem {
                    origin,
                    name: None,
                    message,
                });
            }
        }
    }
    (given, problems)
}

/// Whether Kubernetes put the variable there: each Service in the namespace gives its pods
/// `NAME_SERVICE_HOST`, `NAME_SERVICE_PORT`, `NAME_PORT` and `NAME_PORT_9092_TCP_ADDR`, and a
/// Service called `holdfast` is likely.
fn is_service_link(key: &str) -> bool {
    let is_port = |rest: &str| {
        let mut parts = rest.splitn(3, '_');
        let port = parts.next().unwrap_or_default();
        let protocol = parts.next().unwrap_or_default();
        !port.is_empty()
            && port.bytes().all(|b| b.is_ascii_digit())
            && ["TCP", "UDP", "SCTP"].contains(&protocol)
    };
    key.ends_with("_SERVICE_HOST")
        || key.contains("_SERVICE_PORT")
        || key.ends_with("_PORT")
        || key
            .match_indices("_PORT_")
            .any(|(at, found)| is_port(&key[at + found.len()..]))
}
