//! AlterConfigs (key 33), versions 0-2 (KIP-133). Deprecated by Kafka for IncrementalAlterConfigs.
//!
//! Replaces all that is set for a topic, a group, a subscription of client metrics, this broker, or (the empty name) all brokers.
//! Done means: the change is committed and in force on this broker. A resource that is named twice is refused, and answered once.
//! Loggers cannot be altered by it.

use broker_controller::decide::{AlterConfigs, ReplacedConfigs};
use bytes::BytesMut;
use protocol::messages::alter_configs_request::AlterConfigsResource;
use protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use protocol::messages::{AlterConfigsRequest, AlterConfigsResponse, ApiKey};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::alterations::{
    BROKER_LOGGER, Outcome, Resource, Route, decided, in_order, routed, unknown_type,
};
use super::controller::first_error;
use super::topics::text;
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::AlterConfigs,
    name: "AlterConfigs",
    versions: VersionRange::new(0, 2),
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
        let configs = self.configs.iter();
        configs.map(|config| (config.name.as_str(), config.value.as_deref()))
    }
}

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: AlterConfigsRequest = decode(body, call.head.version)?;
    let head = call.head;
    let mut outcomes = Vec::new();
    let mut replaced = Vec::new();
    for (resource, route) in routed(call.broker, &request.resources) {
        let error = match route {
            Ok(Route::Controller(target)) => {
                replaced.push(replacement(target, resource));
                outcomes.push(None);
                continue;
            }
            Ok(Route::Loggers) => unknown_type(BROKER_LOGGER),
            Err(error) => error,
        };
        outcomes.push(Some(Outcome {
            resource_type: resource.resource_type,
            name: resource.resource_name.to_string(),
            result: Err(error),
        }));
    }
    let targets = replaced.iter().map(|it| it.resource.clone()).collect();
    let command = AlterConfigs {
        resources: replaced,
        validate_only: request.validate_only,
    };
    let decided = decided(call.broker, command, targets);
    Ok(Answer::later(async move {
        let responses: Vec<_> = in_order(outcomes, decided.await).map(answer).collect();
        let error = first_error(responses.iter().map(|response| response.error_code));
        head.respond(
            &AlterConfigsResponse::default().with_responses(responses),
            error,
        )
    }))
}

fn replacement(
    resource: broker_controller::ConfigResource,
    asked: &AlterConfigsResource,
) -> ReplacedConfigs {
    let configs = asked
        .keys()
        .map(|(key, value)| (key.to_owned(), value.map(str::to_owned)));
    ReplacedConfigs {
        resource,
        configs: configs.collect(),
    }
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
