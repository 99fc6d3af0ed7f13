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
use crate::{ApiError, Command, Context, Decision, MetadataImage, MetadataRecord};

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
    /// The features, each once.
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
    /// Which way it may go; `None` for one that does not exist.
    pub upgrade_type: Option<UpgradeType>,
}

/// Which way a level may go (KIP-778). So far nothing is lost with a lower level, and the two ways down are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpgradeType {
    /// Up.
    Upgrade,
    /// Down, unless something would be lost.
    SafeDowngrade,
    /// Down, whatever is lost.
    UnsafeDowngrade,
}

impl Command for UpdateFeatures {
    type Response = Result<(), ApiError>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let mut records = Vec::new();
        for update in &self.updates {
            if let Err(reason) = self.check(context.image, update) {
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
    fn check(&self, image: &MetadataImage, update: &FeatureUpdate) -> Result<(), String> {
        let Some(upgrade_type) = update.upgrade_type else {
            return Err("The controller does not support the given upgrade type.".into());
        };
        if update.level < 0 {
            return Err("A feature version cannot be less than 0.".into());
        }
        let controller = || format!("Local controller {}", self.controller_id);
        let known = FEATURES.iter().find(|it| it.name == update.name);
        let range = known.map_or((0, 0), |it| (it.min, it.max));
        check_range(controller, update.level, range)?;
        if known.is_none() {
            return Err(format!("Feature {} not found.", update.name));
        }
        // A broker that could not work with it would not be let in again after a restart.
        for broker in image.brokers() {
            let supported = broker.features.iter().find(|it| it.name == update.name);
            let range = supported.map_or((0, 0), |it| (it.min, it.max));
            let who = || format!("Broker {}", broker.broker_id);
            check_range(who, update.level, range)?;
        }
        let current = image.feature_level(&update.name);
        match upgrade_type {
            UpgradeType::Upgrade if update.level < current => Err(
                "Can't downgrade the version of this feature without setting the upgrade type to \
                 either safe or unsafe downgrade."
                    .into(),
            ),
            UpgradeType::SafeDowngrade | UpgradeType::UnsafeDowngrade if update.level > current => {
                Err("Can't downgrade to a newer version.".into())
            }
            _ => Ok(()),
        }
    }
}

/// Whether a node can work with a level.
fn check_range(who: impl Fn() -> String, level: i16, (min, max): (i16, i16)) -> Result<(), String> {
    match (min..=max).contains(&level) {
        true => Ok(()),
        // What Kafka says of a node that knows nothing of the feature.
        false if max == 0 => Err(format!("{} does not support this feature.", who())),
        false => Err(format!("{} only supports versions {min}-{max}", who())),
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
