//! UpdateFeatures (key 57), versions 0-2 (KIP-584, KIP-778, KIP-1022): what the whole cluster has agreed to use.
//!
//! All features of a request are finalized, or none. Done means: that is committed, and this broker knows it. The first feature that cannot be is what the answer as
//! a whole says; versions 0 and 1 list the features only where all went well, as Kafka 4 does. Only what this version supports can be finalized: `group.version`,
//! with which there are groups of the consumer protocol, and `metadata.version`, of which there is one level. Groups of that protocol that exist go on without it.

use std::collections::BTreeMap;

use broker_controller::ApiError;
use broker_controller::decide::{FeatureUpdate, UpdateFeatures, UpgradeType};
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::update_features_request::FeatureUpdateKey;
use protocol::messages::update_features_response::UpdatableFeatureResult;
use protocol::messages::{ApiKey, UpdateFeaturesRequest, UpdateFeaturesResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::controller::submit;
use super::topics::text;
use super::{Answer, Api, Call, Head, Response, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::UpdateFeatures,
    name: "UpdateFeatures",
    versions: VersionRange::new(0, 2),
    handle,
};

/// The first version that says which way a level goes.
const UPGRADE_TYPE_MIN: i16 = 1;
/// The first version without a result for every feature.
const NO_RESULTS_MIN: i16 = 2;

/// What Kafka says of a feature where nothing is wrong.
const ALL_WELL: &str = "NONE";

/// Features of one request at most; Kafka 4.3 has seven.
const FEATURES_MAX: usize = 100;
/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 256;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let version = call.head.version;
    let request: UpdateFeaturesRequest = decode(body, version)?;
    let head = call.head;
    let asked = &request.feature_updates;
    let is_too_much =
        asked.len() > FEATURES_MAX || asked.iter().any(|it| it.feature.len() > NAME_BYTES_MAX);
    if is_too_much {
        let message = format!(
            "A request may name {FEATURES_MAX} features, and a name may have {NAME_BYTES_MAX} bytes."
        );
        let error = ApiError::new(ErrorCode::InvalidRequest, message);
        return Ok(Answer::Now(respond(&head, Vec::new(), Err(error))));
    }
    // Of a feature that is named twice the last counts, as with Kafka.
    let updates = asked.iter().map(|it| (it.feature.as_str(), it));
    let updates: BTreeMap<_, _> = updates.collect();
    let quorum = call.broker.metadata.quorum();
    let controller = quorum.leader().map(|(_, voter)| voter.broker_id);
    let command = UpdateFeatures {
        controller_id: controller.unwrap_or(call.broker.id),
        updates: updates.values().map(|it| update(it, version)).collect(),
        validate_only: request.validate_only,
    };
    let features = asked.iter().map(|it| it.feature.clone()).collect();
    let submitted = submit(call.broker, command, request.timeout_ms);
    Ok(Answer::later(async move {
        respond(&head, features, submitted.await.flatten())
    }))
}

fn update(asked: &FeatureUpdateKey, version: i16) -> FeatureUpdate {
    let upgrade_type = match version {
        UPGRADE_TYPE_MIN.. => upgrade_type(asked.upgrade_type),
        // Kafka 4 does not look at `allow_downgrade`: what older clients send goes up only.
        _ => Some(UpgradeType::Upgrade),
    };
    FeatureUpdate {
        name: asked.feature.to_string(),
        level: asked.max_version_level,
        upgrade_type,
    }
}

/// Kafka's `FeatureUpdate.UpgradeType`.
fn upgrade_type(code: i8) -> Option<UpgradeType> {
    match code {
        1 => Some(UpgradeType::Upgrade),
        2 => Some(UpgradeType::SafeDowngrade),
        3 => Some(UpgradeType::UnsafeDowngrade),
        _ => None,
    }
}

fn respond(head: &Head, features: Vec<StrBytes>, result: Result<(), ApiError>) -> Response {
    let body = UpdateFeaturesResponse::default().with_error_message(None);
    match result {
        Ok(()) if head.version < NO_RESULTS_MIN => {
            let results = features.into_iter().map(|feature| {
                UpdatableFeatureResult::default()
                    .with_feature(feature)
                    .with_error_message(Some(StrBytes::from_static_str(ALL_WELL)))
            });
            head.respond(&body.with_results(results.collect()), ErrorCode::None)
        }
        Ok(()) => head.respond(&body, ErrorCode::None),
        Err(error) => {
            let body = body
                .with_error_code(error.code.code())
                .with_error_message(error.message.map(text));
            head.respond(&body, error.code)
        }
    }
}
