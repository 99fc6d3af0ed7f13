//! A registered broker.

use protocol::model::{BrokerEpoch, BrokerId};

use crate::record::{Listener, RegisterBrokerRecord, SupportedFeature};
use crate::{DirectoryId, IncarnationId};

/// A broker as it registered last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// Its id.
    pub broker_id: BrokerId,
    /// The number of its life.
    pub broker_epoch: BrokerEpoch,
    /// The life of its process.
    pub incarnation_id: IncarnationId,
    /// Its data directories that are online, at least one.
    pub directories: Vec<DirectoryId>,
    /// Where it is reached.
    pub listeners: Vec<Listener>,
    /// Its rack.
    pub rack: Option<String>,
    /// What it supports.
    pub features: Vec<SupportedFeature>,
    /// Whether it may not lead.
    pub fenced: bool,
}

impl From<&RegisterBrokerRecord> for BrokerRegistration {
    fn from(record: &RegisterBrokerRecord) -> Self {
        BrokerRegistration {
            broker_id: record.broker_id,
            broker_epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            directories: record.directories.clone(),
            listeners: record.listeners.clone(),
            rack: record.rack.clone(),
            features: record.features.clone(),
            fenced: record.fenced,
        }
    }
}

/// What placement has given a broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BrokerLoad {
    /// Replicas.
    pub replicas: usize,
    /// Partitions whose preferred leader it is.
    pub preferred_leaders: usize,
}
