//! ApiVersions (key 18), versions 0-4.
//!
//! Answers with the versions of every API that has a handler, and the finalized features clients act on (KIP-584). An unknown version is answered in
//! version 0 with UNSUPPORTED_VERSION and the ranges (KIP-511): a Java 4.4 client sends version 5 first.
//! Up to version 3 features whose lowest level is 0 are left out (KAFKA-17011).

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::api_versions_response::{FinalizedFeatureKey, SupportedFeatureKey};
use protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use broker_controller::decide::FEATURES;

use super::{Answer, Api, Call, Head, Response, decode};
use crate::broker::Broker;

/// The handler.
pub const API: Api = Api {
    key: ApiKey::ApiVersions,
    name: "ApiVersions",
    versions: VersionRange::new(0, 4),
    handle,
};

/// The first version that may carry features with a lowest level of 0.
const ZERO_FEATURES_MIN: i16 = 4;
/// What a client's software may call itself (KIP-511).
const SOFTWARE_NAME_MAX: usize = 255;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let version = call.head.version;
    let request: ApiVersionsRequest = decode(body, version)?;
    let name = request.client_software_name.as_str();
    let software_version = request.client_software_version.as_str();
    if version >= 3 && !(is_software(name) && is_software(software_version)) {
        let body = ApiVersionsResponse::default().with_error_code(ErrorCode::InvalidRequest.code());
        return Ok(Answer::Now(
            call.head.respond(&body, ErrorCode::InvalidRequest),
        ));
    }
    if version >= 3 {
        call.connection.client_software_name = Some(name.to_owned());
        call.connection.client_software_version = Some(software_version.to_owned());
    }
    let body = features(call.broker, version).with_api_keys(call.broker.apis.to_api_versions());
    Ok(Answer::Now(call.head.respond(&body, ErrorCode::None)))
}

/// The answer to a version that is not known.
pub fn unsupported(broker: &Broker, correlation_id: i32) -> Response {
    let head = Head {
        api: ApiKey::ApiVersions,
        version: 0,
        correlation_id,
        client_id: None,
    };
    let body = ApiVersionsResponse::default()
        .with_error_code(ErrorCode::UnsupportedVersion.code())
        .with_api_keys(broker.apis.to_api_versions());
    head.respond(&body, ErrorCode::UnsupportedVersion)
}

fn features(broker: &Broker, version: i16) -> ApiVersionsResponse {
    let image = broker.metadata.image();
    let supported = FEATURES
        .iter()
        .filter(|feature| version >= ZERO_FEATURES_MIN || feature.min > 0)
        .map(|feature| {
            SupportedFeatureKey::default()
                .with_name(StrBytes::from_static_str(feature.name))
                .with_min_version(feature.min)
                .with_max_version(feature.max)
        })
        .collect();
    let finalized = image
        .features()
        .map(|(name, level)| {
            FinalizedFeatureKey::default()
                .with_name(StrBytes::from_string(name.to_owned()))
                .with_min_version_level(level)
                .with_max_version_level(level)
        })
        .collect();
    ApiVersionsResponse::default()
        .with_supported_features(supported)
        .with_finalized_features_epoch(i64::try_from(broker.metadata.applied()).unwrap_or(i64::MAX))
        .with_finalized_features(finalized)
}

/// Kafka's `ApiVersionsRequest.SOFTWARE_NAME_VERSION_PATTERN`: letters, digits, dots and dashes, ending in a letter or digit.
fn is_software(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= SOFTWARE_NAME_MAX
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}
