//! Brokers register, are fenced and unfenced, as `ClusterControlManager` decides it, and say where they are short of space.
//!
//! A restart is a new incarnation and gets a greater broker epoch; with the registration go new leader epochs for
//! all partitions the broker led, so that it never writes under an epoch of its former life, not even as the only
//! replica. Another incarnation replaces the one before it at once, unless no directory is common to both:
//! then it is another node that was given a broker id in use.

use std::collections::BTreeSet;

use protocol::ErrorCode;
use protocol::model::{BrokerEpoch, BrokerId};
use serde::{Deserialize, Serialize};

use crate::election::{Life, follow_broker};
use crate::image::BrokerRegistration;
use crate::record::{
    DirectorySpaceRecord, FenceBrokerRecord, Listener, RegisterBrokerRecord, SupportedFeature,
    UnfenceBrokerRecord,
};
use crate::{
    ApiError, ClusterId, Command, Context, Decision, DirectoryId, IncarnationId, MetadataImage,
    MetadataRecord,
};

/// Directories, listeners or features of one broker at most.
const REGISTRATION_ENTRIES_MAX: usize = 256;

/// The longest name, host or rack, in bytes.
const REGISTRATION_TEXT_BYTES_MAX: usize = 1024;

/// A broker's registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterBroker {
    /// The cluster it belongs to.
    pub cluster_id: ClusterId,
    /// `node.id`.
    pub broker_id: BrokerId,
    /// Drawn at the start of its process.
    pub incarnation_id: IncarnationId,
    /// Its data directories that are online.
    pub directories: Vec<DirectoryId>,
    /// Where it is reached.
    pub listeners: Vec<Listener>,
    /// Its rack.
    pub rack: Option<String>,
    /// What it supports.
    pub features: Vec<SupportedFeature>,
    /// Whether it may not lead until it is unfenced. A broker that has recovered says no: what it led, it leads on.
    pub fenced: bool,
}

/// A broker whose session is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceBroker {
    /// The broker.
    pub broker_id: BrokerId,
    /// The life that is meant.
    pub broker_epoch: BrokerEpoch,
}

/// A broker that has caught up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfenceBroker {
    /// The broker.
    pub broker_id: BrokerId,
    /// The life that is meant.
    pub broker_epoch: BrokerEpoch,
}

/// A broker says which of its directories have too little space for produce requests. Those that it does not name have enough.
///
/// What it leads there, others lead that are in sync and have space. It is not fenced: it goes on following, votes, and leads where nobody else could. In Kafka a disk that
/// is full takes its directory offline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportSpace {
    /// The broker.
    pub broker_id: BrokerId,
    /// The life that is meant.
    pub broker_epoch: BrokerEpoch,
    /// The directories, in any order. Those that it is not registered with do not count: it may have lost one meanwhile.
    pub short_of_space: Vec<DirectoryId>,
}

impl Command for RegisterBroker {
    /// The broker epoch. The same incarnation that registers again amends its registration; it keeps its epoch,
    /// and stays fenced or not as it is.
    type Response = Result<BrokerEpoch, ApiError>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let image = context.image;
        if let Err(error) = self.check(image) {
            return Decision::unchanged(Err(error));
        }
        let before = image.broker(self.broker_id);
        let same = before.filter(|before| before.incarnation_id == self.incarnation_id);
        let broker_epoch = same.map_or_else(|| image.next_broker_epoch(), |it| it.broker_epoch);
        let fenced = same.map_or(self.fenced, |before| before.fenced);
        let record = self.record(broker_epoch, fenced);
        if same.is_some_and(|before| RegisterBrokerRecord::from(&**before) == record) {
            return Decision::unchanged(Ok(broker_epoch));
        }
        let life = if same.is_some() {
            Life::Same
        } else {
            Life::New
        };
        let record = MetadataRecord::RegisterBroker(record);
        let changes = follow_broker(image, context.configs, &record, self.broker_id, life);
        let records = std::iter::once(record).chain(changes).collect();
        Decision {
            records,
            response: Ok(broker_epoch),
        }
    }
}

impl RegisterBroker {
    fn check(&self, image: &MetadataImage) -> Result<(), ApiError> {
        self.check_cluster(image)?;
        self.check_sizes()?;
        self.check_directories(image)?;
        self.check_features(image)?;
        let Some(before) = image.broker(self.broker_id) else {
            return Ok(());
        };
        let replaces = before.incarnation_id == self.incarnation_id
            || before.fenced
            || self
                .directories
                .iter()
                .any(|it| before.directories.contains(it));
        if replaces {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorCode::DuplicateBrokerRegistration,
            "Another broker is registered with that broker id. If the broker was recently \
             restarted this should self-resolve once the heartbeat manager expires the broker's \
             session.",
        ))
    }

    fn check_cluster(&self, image: &MetadataImage) -> Result<(), ApiError> {
        if image.cluster_id() == Some(self.cluster_id) {
            return Ok(());
        }
        let expected = image
            .cluster_id()
            .map_or("none".into(), |id| id.to_string());
        Err(ApiError::new(
            ErrorCode::InconsistentClusterId,
            format!(
                "Expected cluster ID {expected}, but got cluster ID {}",
                self.cluster_id
            ),
        ))
    }

    /// What keeps a registration, and so its record, small.
    fn check_sizes(&self) -> Result<(), ApiError> {
        let lists = [
            self.directories.len(),
            self.listeners.len(),
            self.features.len(),
        ];
        let listeners = self.listeners.iter().flat_map(|it| [&it.name, &it.host]);
        let features = self.features.iter().map(|it| &it.name);
        let mut texts = listeners.chain(features).chain(&self.rack);
        if lists.iter().all(|len| *len <= REGISTRATION_ENTRIES_MAX)
            && texts.all(|text| text.len() <= REGISTRATION_TEXT_BYTES_MAX)
        {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorCode::InvalidRegistration,
            format!(
                "A registration may have {REGISTRATION_ENTRIES_MAX} directories, listeners and \
                 features, and texts of {REGISTRATION_TEXT_BYTES_MAX} bytes."
            ),
        ))
    }

    fn check_directories(&self, image: &MetadataImage) -> Result<(), ApiError> {
        let invalid = |message: String| Err(ApiError::new(ErrorCode::InvalidRegistration, message));
        if self.directories.is_empty() {
            return invalid("No directories specified in request".into());
        }
        if self.directories.iter().any(|it| it.is_reserved()) {
            return invalid("Reserved directory ID in request".into());
        }
        let distinct: BTreeSet<_> = self.directories.iter().collect();
        if distinct.len() != self.directories.len() {
            return invalid("Duplicate directory ID in request".into());
        }
        let others = image
            .brokers()
            .filter(|broker| broker.broker_id != self.broker_id);
        for other in others {
            if let Some(taken) = other.directories.iter().find(|it| distinct.contains(it)) {
                return invalid(format!(
                    "Broker {} is already registered with directory {taken}",
                    other.broker_id
                ));
            }
        }
        Ok(())
    }

    fn check_features(&self, image: &MetadataImage) -> Result<(), ApiError> {
        for (name, level) in image.features() {
            let supported = self.features.iter().find(|it| it.name == name);
            let (min, max) = supported.map_or((0, 0), |it| (it.min, it.max));
            if !(min..=max).contains(&level) {
                return Err(ApiError::new(
                    ErrorCode::UnsupportedVersion,
                    format!(
                        "Unable to register because the broker does not support finalized version \
                         {level} of {name}. The broker wants a version between {min} and {max}, \
                         inclusive."
                    ),
                ));
            }
        }
        Ok(())
    }

    fn record(&self, broker_epoch: BrokerEpoch, fenced: bool) -> RegisterBrokerRecord {
        RegisterBrokerRecord {
            broker_id: self.broker_id,
            broker_epoch,
            incarnation_id: self.incarnation_id,
            directories: self.directories.clone(),
            listeners: self.listeners.clone(),
            rack: self.rack.clone(),
            features: self.features.clone(),
            fenced,
        }
    }
}

impl Command for FenceBroker {
    /// Whether it is fenced, now or since before.
    type Response = Result<(), ApiError>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let (broker_id, broker_epoch) = (self.broker_id, self.broker_epoch);
        let record = MetadataRecord::FenceBroker(FenceBrokerRecord {
            broker_id,
            broker_epoch,
        });
        set_fenced(context, (broker_id, broker_epoch), true, record)
    }
}

impl Command for UnfenceBroker {
    /// Whether it may lead, now or since before.
    type Response = Result<(), ApiError>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let (broker_id, broker_epoch) = (self.broker_id, self.broker_epoch);
        let record = MetadataRecord::UnfenceBroker(UnfenceBrokerRecord {
            broker_id,
            broker_epoch,
        });
        set_fenced(context, (broker_id, broker_epoch), false, record)
    }
}

impl Command for ReportSpace {
    /// Whether that is known, now or since before.
    type Response = Result<(), ApiError>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let (image, broker_id) = (context.image, self.broker_id);
        let broker = match check_broker_epoch(image, broker_id, self.broker_epoch) {
            Ok(broker) => broker,
            Err(error) => return Decision::unchanged(Err(error)),
        };
        let mut short_of_space = broker.directories.clone();
        short_of_space.retain(|it| self.short_of_space.contains(it));
        short_of_space.sort_unstable();
        if short_of_space == broker.short_of_space {
            return Decision::unchanged(Ok(()));
        }
        let record = MetadataRecord::DirectorySpace(DirectorySpaceRecord {
            broker_id,
            broker_epoch: self.broker_epoch,
            short_of_space,
        });
        followed(context, broker_id, record)
    }
}

fn set_fenced(
    context: &Context<'_>,
    (broker_id, broker_epoch): (BrokerId, BrokerEpoch),
    fenced: bool,
    record: MetadataRecord,
) -> Decision<Result<(), ApiError>> {
    match check_broker_epoch(context.image, broker_id, broker_epoch) {
        Err(error) => Decision::unchanged(Err(error)),
        Ok(broker) if broker.fenced == fenced => Decision::unchanged(Ok(())),
        Ok(_) => followed(context, broker_id, record),
    }
}

/// What is said of a broker, and what follows from it.
fn followed(
    context: &Context<'_>,
    broker_id: BrokerId,
    record: MetadataRecord,
) -> Decision<Result<(), ApiError>> {
    let (image, configs) = (context.image, context.configs);
    let changes = follow_broker(image, configs, &record, broker_id, Life::Same);
    let records = std::iter::once(record).chain(changes).collect();
    Decision {
        records,
        response: Ok(()),
    }
}

/// The registration of a broker that says which life it speaks for.
pub(super) fn check_broker_epoch(
    image: &MetadataImage,
    broker_id: BrokerId,
    broker_epoch: BrokerEpoch,
) -> Result<&BrokerRegistration, ApiError> {
    let Some(broker) = image.broker(broker_id) else {
        return Err(ApiError::new(
            ErrorCode::BrokerIdNotRegistered,
            format!("No broker registration found for broker id {broker_id}"),
        ));
    };
    if broker.broker_epoch != broker_epoch {
        return Err(ApiError::new(
            ErrorCode::StaleBrokerEpoch,
            format!(
                "Expected broker epoch {}, but got broker epoch {broker_epoch}",
                broker.broker_epoch
            ),
        ));
    }
    Ok(broker)
}
