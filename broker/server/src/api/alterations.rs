//! What AlterConfigs and IncrementalAlterConfigs share, Kafka's `ConfigAdminManager`: what a broker checks before the controller
//! decides, and the answer.
//!
//! A resource is altered as a whole or not at all. One that is refused does not hold up the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_controller::decide::AlterConfigsResult;
use broker_controller::{ApiError, ConfigResource, ResourceType};
use protocol::ErrorCode;

use super::controller::submit;
use crate::broker::Broker;
use crate::quorum::RemoteCommand;

/// The type of a broker's loggers, which are no metadata.
pub(super) const BROKER_LOGGER: i8 = 8;

/// A resource, and what became of it.
pub(super) struct Outcome {
    pub(super) resource_type: i8,
    pub(super) name: String,
    pub(super) result: Result<(), ApiError>,
}

/// A resource as the request has it.
pub(super) trait Resource {
    /// The number of its type.
    fn resource_type(&self) -> i8;
    /// Its name.
    fn name(&self) -> &str;
    /// Its keys, with a value, or with `None` where one is missing.
    fn keys(&self) -> impl Iterator<Item = (&str, Option<&str>)>;
}

/// Who alters a resource.
pub(super) enum Route {
    /// The controller.
    Controller(ConfigResource),
    /// This broker: its loggers.
    Loggers,
}

/// Each resource once, in the order they came first, with its error where that is certain.
pub(super) fn routed<'r, R: Resource>(
    broker: &Broker,
    resources: &'r [R],
) -> Vec<(&'r R, Result<Route, ApiError>)> {
    let mut counts: BTreeMap<(i8, &str), usize> = BTreeMap::new();
    let key = |resource: &'r R| (resource.resource_type(), resource.name());
    for resource in resources {
        *counts.entry(key(resource)).or_default() += 1;
    }
    let mut routed = Vec::with_capacity(counts.len());
    for resource in resources {
        let route = match counts.remove(&key(resource)) {
            None => continue,
            Some(1) => route(broker, resource),
            Some(_) => Err(invalid("Each resource must appear at most once.")),
        };
        routed.push((resource, route));
    }
    routed
}

fn route<R: Resource>(broker: &Broker, resource: &R) -> Result<Route, ApiError> {
    let mut seen = BTreeSet::new();
    if resource.keys().any(|(key, _)| !seen.insert(key)) {
        return Err(invalid("Error due to duplicate config keys"));
    }
    let nulls = resource.keys().filter(|(_, value)| value.is_none());
    let nulls: Vec<&str> = nulls.map(|(key, _)| key).collect();
    if !nulls.is_empty() {
        let message = format!("Null value not supported for : {}", nulls.join(", "));
        return Err(invalid(message));
    }
    let name = resource.name();
    if resource.resource_type() == BROKER_LOGGER {
        let other = |id| format!("Unexpected node id. Expected {id}, but received {name}");
        return check_node(broker, name, other).map(|()| Route::Loggers);
    }
    let Some(resource_type) = ResourceType::from_code(resource.resource_type()) else {
        return Err(unknown_type(resource.resource_type()));
    };
    if resource_type == ResourceType::Broker && !name.is_empty() {
        let other = |id| format!("Unexpected broker id, expected {id}, but received {name}");
        check_node(broker, name, other)?;
    }
    Ok(Route::Controller(ConfigResource {
        resource_type,
        name: name.to_owned(),
    }))
}

/// Whether a resource is this node's. Its id counts only as it is printed: `01` would be another name of the same resource.
fn check_node(
    broker: &Broker,
    name: &str,
    other: impl FnOnce(i32) -> String,
) -> Result<(), ApiError> {
    let id = broker.id.get();
    if name == id.to_string() {
        return Ok(());
    }
    Err(invalid(match name.parse::<i32>() {
        Ok(_) => other(id),
        Err(_) => format!("Node id must be an integer, but it is: {name}"),
    }))
}

/// Has the controller decide, and gives what became of each of its resources, in their order.
pub(super) fn decided<C>(
    broker: &Arc<Broker>,
    command: C,
    resources: Vec<ConfigResource>,
) -> impl Future<Output = Vec<Outcome>> + Send + 'static
where
    C: RemoteCommand<Response = Vec<AlterConfigsResult>> + Send + Sync + 'static,
{
    let timeout = broker.config.broker.requests.timeout.as_millis();
    let timeout_ms = i32::try_from(timeout).unwrap_or(i32::MAX);
    let submitted = (!resources.is_empty()).then(|| submit(broker, command, timeout_ms));
    async move {
        let results = match submitted {
            None => return Vec::new(),
            Some(submitted) => match submitted.await {
                Ok(results) => results,
                Err(error) => {
                    let failed = |resource| AlterConfigsResult {
                        resource,
                        result: Err(error.clone()),
                    };
                    resources.into_iter().map(failed).collect()
                }
            },
        };
        let outcome = |it: AlterConfigsResult| Outcome {
            resource_type: it.resource.resource_type.code(),
            name: it.resource.name,
            result: it.result,
        };
        results.into_iter().map(outcome).collect()
    }
}

/// Puts the controller's outcomes in the places that were left for them, so that the answer has the order of the request.
pub(super) fn in_order(
    outcomes: Vec<Option<Outcome>>,
    decided: Vec<Outcome>,
) -> impl Iterator<Item = Outcome> {
    let mut decided = decided.into_iter();
    outcomes
        .into_iter()
        .filter_map(move |outcome| outcome.or_else(|| decided.next()))
}

pub(super) fn unknown_type(code: i8) -> ApiError {
    invalid(format!("Unknown resource type {code}"))
}

pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, message)
}
