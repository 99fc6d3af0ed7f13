//! ListConfigResources (key 74), versions 0-1 (KIP-1000, KIP-1142).
//!
//! What has, or could have, a configuration: every topic and every broker, the loggers of every broker, and the groups and
//! subscriptions of client metrics that have settings. Version 0 knows subscriptions only; from version 1 an empty list of types
//! asks for all, and a type that does not exist for nothing.

use std::collections::BTreeSet;

use broker_controller::{MetadataImage, ResourceType};
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::list_config_resources_response::ConfigResource;
use protocol::messages::{ApiKey, ListConfigResourcesRequest, ListConfigResourcesResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::alterations::BROKER_LOGGER;
use super::topics::text;
use super::{Answer, Api, Call, decode};
use crate::broker::is_private;

/// The handler.
pub const API: Api = Api {
    key: ApiKey::ListConfigResources,
    name: "ListConfigResources",
    versions: VersionRange::new(0, 1),
    handle,
};

/// The types, in the order they are answered.
const TYPES: [i8; 5] = [
    ResourceType::Group.code(),
    ResourceType::ClientMetrics.code(),
    BROKER_LOGGER,
    ResourceType::Broker.code(),
    ResourceType::Topic.code(),
];

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let version = call.head.version;
    let request: ListConfigResourcesRequest = decode(body, version)?;
    let wanted: BTreeSet<i8> = match request.resource_types.as_slice() {
        _ if version == 0 => BTreeSet::from([ResourceType::ClientMetrics.code()]),
        [] => TYPES.into(),
        types => types.iter().copied().collect(),
    };
    let (code, resources) = if wanted.iter().all(|code| TYPES.contains(code)) {
        let image = call.broker.metadata.image();
        let types = TYPES.into_iter().filter(|code| wanted.contains(code));
        let resources = types.flat_map(|code| {
            let resource = move |name: String| {
                ConfigResource::default()
                    .with_resource_name(text(name))
                    .with_resource_type(code)
            };
            names(&image, code).into_iter().map(resource)
        });
        (ErrorCode::None, resources.collect())
    } else {
        (ErrorCode::UnsupportedVersion, Vec::new())
    };
    let body = ListConfigResourcesResponse::default()
        .with_error_code(code.code())
        .with_config_resources(resources);
    Ok(Answer::Now(call.head.respond(&body, code)))
}

fn names(image: &MetadataImage, code: i8) -> Vec<String> {
    let brokers = || {
        let ids = image.brokers().map(|broker| broker.broker_id);
        ids.map(|id| id.to_string()).collect()
    };
    match ResourceType::from_code(code) {
        Some(ResourceType::Topic) => image
            .topics_by_name()
            .map(|topic| topic.name().to_string())
            .filter(|name| !is_private(name))
            .collect(),
        Some(ResourceType::Broker) | None => brokers(),
        Some(settings) => image
            .resources(settings)
            .map(|resource| resource.name.clone())
            .collect(),
    }
}
