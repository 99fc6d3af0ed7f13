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
    /// Those of its directories that have too little space for produce requests, as far as it has said.
    pub short_of_space: Vec<DirectoryId>,
}

impl BrokerRegistration {
    /// Another registration of the same broker is `self`: what a directory was short of, it is until the broker says otherwise.
    pub(super) fn after(mut self, before: &BrokerRegistration) -> BrokerRegistration {
        let short = before.short_of_space.iter().copied();
        self.short_of_space = short.filter(|it| self.directories.contains(it)).collect();
        self
    }
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
            short_of_space: Vec::new(),
        }
    }
}

impl From<&BrokerRegistration> for RegisterBrokerRecord {
    fn from(broker: &BrokerRegistration) -> Self {
        RegisterBrokerRecord {
            broker_id: broker.broker_id,
            broker_epoch: broker.broker_epoch,
            incarnation_id: broker.incarnation_id,
            directories: broker.directories.clone(),
            listeners: broker.listeners.clone(),
            rack: broker.rack.clone(),
            features: broker.features.clone(),
            fenced: broker.fenced,
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
