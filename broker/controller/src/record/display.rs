//! A record as one line, for traces, logs and dumps.

use std::fmt;

use protocol::model::BrokerId;

use super::{MetadataRecord, Replica};

impl fmt::Display for MetadataRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MetadataRecord::Cluster(it) => write!(f, "cluster id={}", it.cluster_id),
            MetadataRecord::RegisterBroker(it) => {
                write!(
                    f,
                    "register-broker broker={} epoch={}",
                    it.broker_id, it.broker_epoch
                )?;
                write!(f, " incarnation={} directories=", it.incarnation_id)?;
                list(f, &it.directories)?;
                for listener in &it.listeners {
                    write!(
                        f,
                        " {}://{}:{}",
                        listener.name, listener.host, listener.port
                    )?;
                }
                if let Some(rack) = &it.rack {
                    write!(f, " rack={rack}")?;
                }
                for feature in &it.features {
                    write!(f, " {}={}-{}", feature.name, feature.min, feature.max)?;
                }
                f.write_str(if it.fenced { " fenced" } else { "" })
            }
            MetadataRecord::FenceBroker(it) => {
                write!(
                    f,
                    "fence-broker broker={} epoch={}",
                    it.broker_id, it.broker_epoch
                )
            }
            MetadataRecord::UnfenceBroker(it) => {
                write!(
                    f,
                    "unfence-broker broker={} epoch={}",
                    it.broker_id, it.broker_epoch
                )
            }
            MetadataRecord::Topic(it) => write!(f, "topic name={} id={}", it.name, it.topic_id),
            MetadataRecord::Partition(it) => {
                write!(
                    f,
                    "partition topic={} partition={} replicas=",
                    it.topic_id, it.partition
                )?;
                list(f, &it.replicas)?;
                f.write_str(" isr=")?;
                list(f, &it.isr)?;
                if !it.elr.is_empty() {
                    f.write_str(" elr=")?;
                    list(f, &it.elr)?;
                }
                leadership(f, it.leader)?;
                write!(f, " leader_epoch={}", it.leader_epoch)?;
                write!(f, " partition_epoch={}", it.partition_epoch)
            }
            MetadataRecord::PartitionChange(it) => {
                write!(
                    f,
                    "partition-change topic={} partition={}",
                    it.topic_id, it.partition
                )?;
                if let Some(replicas) = &it.replicas {
                    f.write_str(" replicas=")?;
                    list(f, replicas)?;
                }
                for (name, brokers) in [("isr", &it.isr), ("elr", &it.elr)] {
                    if let Some(brokers) = brokers {
                        write!(f, " {name}=")?;
                        list(f, brokers)?;
                    }
                }
                leadership(f, it.leader)?;
                write!(f, " leader_epoch={}", it.leader_epoch)?;
                write!(f, " partition_epoch={}", it.partition_epoch)
            }
            MetadataRecord::RemoveTopic(it) => write!(f, "remove-topic id={}", it.topic_id),
            MetadataRecord::Config(it) => {
                write!(
                    f,
                    "config {:?} {:?} {}",
                    it.resource_type, it.resource_name, it.key
                )?;
                match &it.value {
                    Some(value) => write!(f, "={value:?}"),
                    None => f.write_str(" unset"),
                }
            }
            MetadataRecord::ProducerIds(it) => {
                write!(
                    f,
                    "producer-ids broker={} epoch={}",
                    it.broker_id, it.broker_epoch
                )?;
                write!(f, " next={}", it.next_producer_id)
            }
            MetadataRecord::FeatureLevel(it) => write!(f, "feature {} level={}", it.name, it.level),
            MetadataRecord::UnregisterBroker(it) => {
                write!(
                    f,
                    "unregister-broker broker={} epoch={}",
                    it.broker_id, it.broker_epoch
                )
            }
            MetadataRecord::DirectorySpace(it) => {
                write!(
                    f,
                    "directory-space broker={} epoch={} short=",
                    it.broker_id, it.broker_epoch
                )?;
                list(f, &it.short_of_space)
            }
            MetadataRecord::Reassignment(it) => {
                write!(
                    f,
                    "reassignment topic={} partition={} adding=",
                    it.topic_id, it.partition
                )?;
                list(f, &it.adding)?;
                f.write_str(" removing=")?;
                list(f, &it.removing)
            }
        }
    }
}

/// Broker and directory.
impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.broker_id, self.directory_id)
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    f.write_str("[")?;
    for (at, item) in items.iter().enumerate() {
        f.write_str(if at == 0 { "" } else { "," })?;
        item.fmt(f)?;
    }
    f.write_str("]")
}

fn leadership(f: &mut fmt::Formatter<'_>, leader: Option<BrokerId>) -> fmt::Result {
    match leader {
        Some(leader) => write!(f, " leader={leader}"),
        None => f.write_str(" leader=none"),
    }
}
