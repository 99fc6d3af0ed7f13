//! Finalized features (KIP-584): what the whole cluster has agreed to use.
//!
//! Clients act on them, so only what we do is advertised. Kafka 4.3.1 also has `transaction.version` (0-2, default
//! 2: with it Java producers switch to KIP-890's protocol), `share.version` (0-1), `streams.version` (0-1),
//! `eligible.leader.replicas.version` (0-1) and `kraft.version` (0-1); each joins [`FEATURES`] with the work that
//! makes it true.

use protocol::ErrorCode;
use protocol::model::BrokerId;
use serde::{Deserialize, Serialize};

use crate::record::{FeatureLevelRecord, SupportedFeature};
use crate::{ApiError, Command, Context, Decision, MetadataRecord};

/// The version of the metadata, which Kafka's tools show as a release.
pub const METADATA_VERSION: &str = "metadata.version";

/// `4.3-IV0`, what Kafka 4.3.1 finalizes.
pub const METADATA_VERSION_LEVEL: i16 = 30;

/// The consumer group protocol of KIP-848: 1, where it may be used.
pub const GROUP_VERSION: &str = "group.version";

/// A feature and its levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureRange {
    /// Its name.
    pub name: &'static str,
    /// The lowest level we can work with.
    pub min: i16,
    /// The highest.
    pub max: i16,
    /// What a new cluster begins with.
    pub default: i16,
}

/// What this version supports. There is one level of the metadata and so neither an upgrade nor a downgrade.
pub const FEATURES: &[FeatureRange] = &[
    FeatureRange {
        name: METADATA_VERSION,
        min: METADATA_VERSION_LEVEL,
        max: METADATA_VERSION_LEVEL,
        default: METADATA_VERSION_LEVEL,
    },
    FeatureRange {
        name: GROUP_VERSION,
        min: 0,
        max: 1,
        default: 1,
    },
];

impl From<FeatureRange> for SupportedFeature {
    fn from(range: FeatureRange) -> SupportedFeature {
        SupportedFeature {
            name: range.name.to_owned(),
            min: range.min,
            max: range.max,
        }
    }
}

/// A request to finalize other levels, all or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateFeatures {
    /// The node that decides; messages name it.
    pub controller_id: BrokerId,
    /// The features.
    pub updates: Vec<FeatureUpdate>,
    /// Whether nothing is to be changed.
    pub validate_only: bool,
}

/// A feature's next level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureUpdate {
    /// The feature.
    pub name: String,
    /// The level.
    pub level: i16,
}

impl Command for UpdateFeatures {
    type Response = Result<(), ApiError>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let mut records = Vec::new();
        for update in &self.updates {
            if let Err(reason) = self.check(update) {
                return Decision::unchanged(Err(refusal(update, &reason)));
            }
            if context.image.feature_level(&update.name) != update.level {
                records.push(MetadataRecord::FeatureLevel(FeatureLevelRecord {
                    name: update.name.clone(),
                    level: update.level,
                }));
            }
        }
        if self.validate_only {
            records.clear();
        }
        Decision {
            records,
            response: Ok(()),
        }
    }
}

impl UpdateFeatures {
    fn check(&self, update: &FeatureUpdate) -> Result<(), String> {
        if update.level < 0 {
            return Err("A feature version cannot be less than 0.".into());
        }
        let controller = format!("Local controller {}", self.controller_id);
        let feature = FEATURES.iter().find(|feature| feature.name == update.name);
        match feature {
            None => Err(format!("{controller} does not support this feature.")),
            Some(FeatureRange { min, max, .. }) if !(*min..=*max).contains(&update.level) => {
                Err(format!("{controller} only supports versions {min}-{max}"))
            }
            Some(_) => Ok(()),
        }
    }
}

fn refusal(update: &FeatureUpdate, reason: &str) -> ApiError {
    ApiError::new(
        ErrorCode::InvalidUpdateVersion,
        format!(
            "The update failed for all features since the following feature had an error: Invalid \
             update version {} for feature {}. {reason}",
            update.level, update.name
        ),
    )
}
