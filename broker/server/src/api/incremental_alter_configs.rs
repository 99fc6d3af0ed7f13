//! IncrementalAlterConfigs (key 44), versions 0-1 (KIP-339).
//!
//! Sets, unsets, appends to and subtracts from the settings of a topic, a group, a subscription of client metrics, this broker, or
//! (the empty name) all brokers; and the levels of this broker's loggers (KIP-412), which last until it stops. Done means: the
//! change is committed and in force on this broker. A resource that is named twice is refused, and answered once.

use broker_controller::decide::{
    ConfigAlteration, ConfigOp, IncrementalAlterConfigs, ResourceAlterations,
};
use broker_controller::{ApiError, ConfigResource, ResourceType};
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use protocol::messages::{ApiKey, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::alterations::{Outcome, Resource, Route, decided, in_order, invalid, routed};
use super::controller::first_error;
use super::topics::text;
use super::{Answer, Api, Call, decode};
use crate::config::{ConfigType, known_definition};
use crate::logging::{LOG_LEVELS, LoggerError, Loggers, ROOT_LOGGER};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::IncrementalAlterConfigs,
    name: "IncrementalAlterConfigs",
    versions: VersionRange::new(0, 1),
    handle,
};

impl Resource for AlterConfigsResource {
    fn resource_type(&self) -> i8 {
        self.resource_type
    }

    fn name(&self) -> &str {
        &self.resource_name
    }

    fn keys(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.configs.iter().map(|config| {
            let is_deletion =
                ConfigOp::from_code(config.config_operation) == Some(ConfigOp::Delete);
            let value = config.value.as_deref();
            (config.name.as_str(), value.or(is_deletion.then_some("")))
        })
    }
}

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: IncrementalAlterConfigsRequest = decode(body, call.head.version)?;
    let head = call.head;
    let loggers = &call.broker.loggers;
    let mut outcomes = Vec::new();
    let mut altered = Vec::new();
    for (resource, route) in routed(call.broker, &request.resources) {
        let result = match begun(loggers, resource, route, request.validate_only) {
            Ok(Begun::ForController(alterations)) => {
                altered.push(alterations);
                outcomes.push(None);
                continue;
            }
            Ok(Begun::Done) => Ok(()),
            Err(error) => Err(error),
        };
        outcomes.push(Some(Outcome {
            resource_type: resource.resource_type,
            name: resource.resource_name.to_string(),
            result,
        }));
    }
    let targets = altered.iter().map(|it| it.resource.clone()).collect();
    let command = IncrementalAlterConfigs {
        resources: altered,
        validate_only: request.validate_only,
    };
    let decided = decided(call.broker, command, targets);
    Ok(Answer::later(async move {
        let responses: Vec<_> = in_order(outcomes, decided.await).map(answer).collect();
        let error = first_error(responses.iter().map(|response| response.error_code));
        head.respond(
            &IncrementalAlterConfigsResponse::default().with_responses(responses),
            error,
        )
    }))
}

enum Begun {
    /// It concerned this broker alone.
    Done,
    /// The controller has to decide.
    ForController(ResourceAlterations),
}

fn begun(
    loggers: &Loggers,
    asked: &AlterConfigsResource,
    route: Result<Route, ApiError>,
    validate_only: bool,
) -> Result<Begun, ApiError> {
    let route = route?;
    let alterations = alterations(&asked.configs)?;
    match route {
        Route::Loggers => {
            alter_loggers(loggers, &alterations, validate_only)?;
            Ok(Begun::Done)
        }
        Route::Controller(resource) => {
            check_lists(&resource, &alterations)?;
            Ok(Begun::ForController(ResourceAlterations {
                resource,
                alterations,
            }))
        }
    }
}

fn alterations(configs: &[AlterableConfig]) -> Result<Vec<ConfigAlteration>, ApiError> {
    let alteration = |config: &AlterableConfig| {
        let Some(op) = ConfigOp::from_code(config.config_operation) else {
            return Err(invalid(format!(
                "Unknown operation {} on key {}",
                config.config_operation, config.name
            )));
        };
        Ok(ConfigAlteration {
            key: config.name.to_string(),
            op,
            value: config.value.as_ref().map(ToString::to_string),
        })
    };
    configs.iter().map(alteration).collect()
}

/// A broker's lists. Kafka checks them before the controller does, and in other words.
fn check_lists(
    resource: &ConfigResource,
    alterations: &[ConfigAlteration],
) -> Result<(), ApiError> {
    if resource.resource_type != ResourceType::Broker {
        return Ok(());
    }
    for ConfigAlteration { key, op, .. } in alterations {
        let what = match op {
            ConfigOp::Append => "append",
            ConfigOp::Subtract => "subtract",
            ConfigOp::Set | ConfigOp::Delete => continue,
        };
        let message = match known_definition(key) {
            Some(definition) if definition.config_type == ConfigType::List => continue,
            Some(_) => format!("Config value {what} is not allowed for config key: {key}"),
            None => format!("Unknown config name: {key}"),
        };
        return Err(ApiError::new(ErrorCode::InvalidConfig, message));
    }
    Ok(())
}

fn alter_loggers(
    loggers: &Loggers,
    alterations: &[ConfigAlteration],
    validate_only: bool,
) -> Result<(), ApiError> {
    let mut changes = Vec::with_capacity(alterations.len());
    for ConfigAlteration { key, op, value } in alterations {
        let refused = |op: &str| {
            Err(invalid(format!(
                "{op} operation is not allowed for the BROKER_LOGGER resource"
            )))
        };
        let level = match op {
            ConfigOp::Append => return refused("APPEND"),
            ConfigOp::Subtract => return refused("SUBTRACT"),
            ConfigOp::Delete => None,
            ConfigOp::Set => Some(value.as_deref().unwrap_or_default()),
        };
        loggers.check(key).map_err(not_configured)?;
        match level {
            None if key == ROOT_LOGGER => {
                return Err(invalid(
                    "Removing the log level of the root logger is not allowed",
                ));
            }
            Some(level) if !LOG_LEVELS.contains(&level) => {
                let message = format!(
                    "Cannot set the log level of {key} to {level} as it is not a supported log level. \
                     Valid log levels are {}",
                    LOG_LEVELS.join(", ")
                );
                return Err(ApiError::new(ErrorCode::InvalidConfig, message));
            }
            level => changes.push((key.as_str(), level)),
        }
    }
    if validate_only {
        return Ok(());
    }
    loggers.set(&changes).map_err(not_configured)?;
    for (logger, level) in changes {
        tracing::warn!(logger, level, "the level of a logger was changed");
    }
    Ok(())
}

fn not_configured(error: LoggerError) -> ApiError {
    ApiError::new(ErrorCode::InvalidConfig, error.to_string())
}

fn answer(outcome: Outcome) -> AlterConfigsResourceResponse {
    let answer = AlterConfigsResourceResponse::default()
        .with_resource_type(outcome.resource_type)
        .with_resource_name(text(outcome.name))
        .with_error_message(None);
    match outcome.result {
        Ok(()) => answer,
        Err(error) => answer
            .with_error_code(error.code.code())
            .with_error_message(error.message.map(text)),
    }
}
