//! Random commands: after each the invariants hold, no epoch goes back, and the log leads to the same image.

mod common;

use std::collections::BTreeMap;

use broker_controller::decide::*;
use broker_controller::{
    ConfigResource, ConfigValidator, Elections, MetadataImage, MetadataRecord,
};
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::model::{BrokerEpoch, BrokerId, LeaderEpoch, PartitionIndex, TopicId};

use common::{Cluster, FewConfigs, cluster_id, register, topic_id};

#[derive(Clone, Debug)]
enum Event {
    /// Another life, with the directory of the one before (0) or another (1).
    Restart {
        broker: i32,
        directory: u128,
        fenced: bool,
    },
    Fence {
        broker: i32,
        stale: bool,
    },
    Unfence {
        broker: i32,
    },
    /// Of its two directories, and of another's.
    Space {
        broker: i32,
        first: bool,
        second: bool,
    },
    /// It is to stop.
    HandOver {
        broker: i32,
    },
    Unregister {
        broker: i32,
        votes: bool,
    },
    Create {
        names: Vec<u8>,
        partitions: Option<i32>,
        factor: Option<i16>,
        validate_only: bool,
    },
    CreateAssigned {
        name: u8,
        brokers: Vec<Vec<i32>>,
    },
    Delete {
        names: Vec<u8>,
        by_id: bool,
    },
    Grow {
        name: u8,
        count: i32,
    },
    Alter {
        name: u8,
        op: ConfigOp,
        list: bool,
        value: Option<String>,
    },
    Replace {
        name: u8,
        value: Option<String>,
    },
    ProducerIds {
        broker: i32,
    },
    Features {
        level: i16,
    },
    /// To those brokers, or back.
    Reassign {
        name: u8,
        partition: i32,
        brokers: Option<Vec<i32>>,
        same_factor: bool,
    },
    /// The leader of a topic's first partition proposes all that are alive, or itself alone.
    Propose {
        name: u8,
        alone: bool,
    },
    Elect {
        unclean: bool,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let op = prop_oneof![
        Just(ConfigOp::Set),
        Just(ConfigOp::Delete),
        Just(ConfigOp::Append),
        Just(ConfigOp::Subtract)
    ];
    let value = proptest::option::of("[a-c1-3,]{0,4}");
    prop_oneof![
        3 => (1..5i32, 0..2u128, any::<bool>())
            .prop_map(|(broker, directory, fenced)| Event::Restart { broker, directory, fenced }),
        3 => (1..6i32, any::<bool>()).prop_map(|(broker, stale)| Event::Fence { broker, stale }),
        4 => (1..6i32).prop_map(|broker| Event::Unfence { broker }),
        2 => (1..6i32).prop_map(|broker| Event::HandOver { broker }),
        4 => (1..6i32, any::<bool>(), any::<bool>())
            .prop_map(|(broker, first, second)| Event::Space { broker, first, second }),
        2 => (1..6i32, proptest::bool::weighted(0.2))
            .prop_map(|(broker, votes)| Event::Unregister { broker, votes }),
        6 => (vec(0..8u8, 1..4), proptest::option::of(-1..6i32), proptest::option::of(-1..5i16),
              proptest::bool::weighted(0.1))
            .prop_map(|(names, partitions, factor, validate_only)| {
                Event::Create { names, partitions, factor, validate_only }
            }),
        2 => (0..8u8, vec(vec(0..6i32, 0..4), 1..4))
            .prop_map(|(name, brokers)| Event::CreateAssigned { name, brokers }),
        3 => (vec(0..8u8, 1..4), any::<bool>())
            .prop_map(|(names, by_id)| Event::Delete { names, by_id }),
        2 => (0..8u8, -1..12i32).prop_map(|(name, count)| Event::Grow { name, count }),
        2 => (0..8u8, op, any::<bool>(), value.clone())
            .prop_map(|(name, op, list, value)| Event::Alter { name, op, list, value }),
        1 => (0..8u8, value).prop_map(|(name, value)| Event::Replace { name, value }),
        1 => (1..6i32).prop_map(|broker| Event::ProducerIds { broker }),
        1 => (28..32i16).prop_map(|level| Event::Features { level }),
        4 => (0..8u8, 0..3i32, proptest::option::weighted(0.8, vec(1..5i32, 0..4)), any::<bool>())
            .prop_map(|(name, partition, brokers, same_factor)| {
                Event::Reassign { name, partition, brokers, same_factor }
            }),
        6 => (0..8u8, any::<bool>()).prop_map(|(name, alone)| Event::Propose { name, alone }),
        1 => proptest::bool::weighted(0.3).prop_map(|unclean| Event::Elect { unclean }),
    ]
}

/// Good names, colliding ones, and bad ones.
fn name(number: u8) -> String {
    [
        "a",
        "b",
        "c.d",
        "c_d",
        "a b",
        "__cluster_metadata",
        "__consumer_offsets",
        "e",
    ][number as usize]
        .into()
}

/// Draws what a controller's caller draws.
struct Driver {
    cluster: Cluster,
    drawn: u128,
}

impl Driver {
    /// Brokers 1 to `brokers` may lead.
    fn new(brokers: i32) -> Driver {
        let mut cluster = Cluster::empty();
        cluster
            .run(&BootstrapCluster {
                cluster_id: cluster_id(),
            })
            .0
            .unwrap();
        for id in 1..=brokers {
            let directories = [1000 + id as u128, 5000 + id as u128];
            cluster
                .run(&register(id, 100 + id as u128, &directories))
                .0
                .unwrap();
        }
        Driver {
            cluster,
            drawn: 10_000,
        }
    }

    fn draw(&mut self) -> u128 {
        self.drawn += 1;
        self.drawn
    }

    fn epoch(&self, broker: i32) -> BrokerEpoch {
        let broker = self.cluster.image.broker(BrokerId::new(broker));
        broker.map_or(BrokerEpoch::new(0), |broker| broker.broker_epoch)
    }

    /// Every partition that had as many in sync as it takes, and has replicas on enough other brokers, still has.
    fn hand_over(&mut self, broker: i32) -> Vec<MetadataRecord> {
        let broker_id = BrokerId::new(broker);
        let before = self.cluster.image.clone();
        let command = HandOver {
            broker_id,
            broker_epoch: self.epoch(broker),
            voters: Vec::new(),
            waits_for_the_gone: true,
        };
        let (result, records) = self.cluster.run(&command);
        if result.is_err() {
            assert!(records.is_empty());
            return records;
        }
        for topic in before.topics() {
            let set = before.topic_configs(topic.name()).cloned();
            let rules = FewConfigs.topic_rules(&set.unwrap_or_default());
            for (index, partition) in topic.partitions() {
                let enough = partition.enough_in_sync(rules.min_insync_replicas);
                let others = partition.replica_brokers().filter(|it| *it != broker_id);
                if partition.isr.len() < enough || others.count() < enough {
                    continue;
                }
                let after = self.cluster.image.partition(topic.topic_id(), index);
                let after = after.expect("it is still there");
                assert!(
                    after.isr.len() >= enough,
                    "{}-{index}: {after:?}",
                    topic.name()
                );
            }
        }
        records
    }

    fn on(&mut self, event: Event) -> Vec<MetadataRecord> {
        match event {
            Event::Restart {
                broker,
                directory,
                fenced,
            } => {
                let incarnation = self.draw();
                // The second directory is common, so that the life after is not taken for another node.
                let directories = [
                    1000 + broker as u128 + 100 * directory,
                    5000 + broker as u128,
                ];
                let command = RegisterBroker {
                    fenced,
                    ..register(broker, incarnation, &directories)
                };
                self.cluster.run(&command).1
            }
            Event::Fence { broker, stale } => {
                let epoch = self.epoch(broker).get() - i64::from(stale);
                let command = FenceBroker {
                    broker_id: BrokerId::new(broker),
                    broker_epoch: BrokerEpoch::new(epoch),
                };
                self.cluster.run(&command).1
            }
            Event::Unfence { broker } => {
                let broker_epoch = self.epoch(broker);
                let broker_id = BrokerId::new(broker);
                self.cluster
                    .run(&UnfenceBroker {
                        broker_id,
                        broker_epoch,
                    })
                    .1
            }
            Event::Space {
                broker,
                first,
                second,
            } => {
                let image = &self.cluster.image;
                let directories = image.broker(BrokerId::new(broker));
                let directories = directories.map_or(Vec::new(), |it| it.directories.clone());
                let of_another = image.broker(BrokerId::new(broker % 3 + 1));
                let of_another = of_another.map(|it| it.directories[0]);
                let own = directories.into_iter().zip([first, second]);
                let short = own.filter(|(_, is_short)| *is_short).map(|(id, _)| id);
                let command = ReportSpace {
                    broker_id: BrokerId::new(broker),
                    broker_epoch: self.epoch(broker),
                    short_of_space: of_another.into_iter().chain(short).collect(),
                };
                self.cluster.run(&command).1
            }
            Event::HandOver { broker } => self.hand_over(broker),
            Event::Unregister { broker, votes } => {
                let command = UnregisterBroker {
                    broker_id: broker,
                    voters: votes.then_some(BrokerId::new(broker)).into_iter().collect(),
                };
                self.cluster.run(&command).1
            }
            Event::Create {
                names,
                partitions,
                factor,
                validate_only,
            } => {
                let topics = names
                    .into_iter()
                    .map(|number| NewTopic {
                        name: name(number),
                        topic_id: topic_id(self.draw()),
                        num_partitions: partitions,
                        replication_factor: factor,
                        assignments: Vec::new(),
                        configs: Vec::new(),
                    })
                    .collect();
                self.cluster
                    .run(&CreateTopics {
                        topics,
                        validate_only,
                    })
                    .1
            }
            Event::CreateAssigned {
                name: number,
                brokers,
            } => {
                let assignment = |(partition, brokers): (i32, Vec<i32>)| ReplicaAssignment {
                    partition,
                    brokers: brokers.into_iter().map(BrokerId::new).collect(),
                };
                let topic = NewTopic {
                    name: name(number),
                    topic_id: topic_id(self.draw()),
                    num_partitions: None,
                    replication_factor: None,
                    assignments: (0..).zip(brokers).map(assignment).collect(),
                    configs: vec![("retention.ms".into(), Some("7".into()))],
                };
                let command = CreateTopics {
                    topics: vec![topic],
                    validate_only: false,
                };
                self.cluster.run(&command).1
            }
            Event::Delete { names, by_id } => {
                let image = &self.cluster.image;
                let topic = |number: u8| match image.topic_named(&name(number)) {
                    Some(topic) if by_id => TopicRef::Id(topic.topic_id()),
                    _ => TopicRef::Name(name(number)),
                };
                let topics = names.into_iter().map(topic).collect();
                self.cluster.run(&DeleteTopics { topics }).1
            }
            Event::Grow {
                name: number,
                count,
            } => {
                let topic = NewPartitions {
                    name: name(number),
                    count,
                    assignments: None,
                };
                let command = CreatePartitions {
                    topics: vec![topic],
                    validate_only: false,
                };
                self.cluster.run(&command).1
            }
            Event::Alter {
                name: number,
                op,
                list,
                value,
            } => {
                let key = if list {
                    "cleanup.policy"
                } else {
                    "retention.ms"
                };
                let resource = ResourceAlterations {
                    resource: ConfigResource::topic(name(number)),
                    alterations: vec![ConfigAlteration {
                        key: key.into(),
                        op,
                        value,
                    }],
                };
                let resources = vec![resource];
                let command = IncrementalAlterConfigs {
                    resources,
                    validate_only: false,
                };
                self.cluster.run(&command).1
            }
            Event::Replace {
                name: number,
                value,
            } => {
                let resource = ReplacedConfigs {
                    resource: ConfigResource::topic(name(number)),
                    configs: vec![("cleanup.policy".into(), value)],
                };
                let command = AlterConfigs {
                    resources: vec![resource],
                    validate_only: false,
                };
                self.cluster.run(&command).1
            }
            Event::ProducerIds { broker } => {
                let broker_epoch = self.epoch(broker);
                let broker_id = BrokerId::new(broker);
                self.cluster
                    .run(&AllocateProducerIds {
                        broker_id,
                        broker_epoch,
                    })
                    .1
            }
            Event::Features { level } => {
                let update = FeatureUpdate {
                    name: METADATA_VERSION.into(),
                    level,
                    upgrade_type: Some(UpgradeType::Upgrade),
                };
                let command = UpdateFeatures {
                    controller_id: BrokerId::new(1),
                    updates: vec![update],
                    validate_only: false,
                };
                self.cluster.run(&command).1
            }
            Event::Reassign {
                name: number,
                partition,
                brokers,
                same_factor,
            } => {
                let brokers = brokers.map(|ids| ids.into_iter().map(BrokerId::new).collect());
                let command = AlterPartitionReassignments {
                    allow_replication_factor_change: !same_factor,
                    partitions: vec![NewReplicas {
                        topic: name(number),
                        partition,
                        brokers,
                    }],
                };
                self.cluster.run(&command).1
            }
            Event::Propose {
                name: number,
                alone,
            } => match self.proposal(&name(number), alone) {
                Some(command) => self.cluster.run(&command).1,
                None => Vec::new(),
            },
            Event::Elect { unclean } => {
                let command = ElectLeaders {
                    election: match unclean {
                        true => ElectionType::Unclean,
                        false => ElectionType::Preferred,
                    },
                    partitions: None,
                    elections_max: 3,
                };
                self.cluster.run(&command).1
            }
        }
    }

    fn proposal(&self, topic: &str, alone: bool) -> Option<AlterPartition> {
        let image = &self.cluster.image;
        let topic = image.topic_named(topic)?;
        let (partition, state) = topic.partitions().next()?;
        let leader = image.broker(state.leader?)?;
        let epoch = |id: BrokerId| image.broker(id).map(|broker| (id, broker.broker_epoch));
        let members = state.replica_brokers().filter(|id| match alone {
            true => *id == leader.broker_id,
            false => image.can_lead(*id, state),
        });
        Some(AlterPartition {
            broker_id: leader.broker_id,
            broker_epoch: leader.broker_epoch,
            proposals: vec![IsrProposal {
                topic_id: topic.topic_id(),
                partition,
                leader_epoch: state.leader_epoch,
                partition_epoch: state.partition_epoch,
                isr: members.filter_map(epoch).collect(),
            }],
        })
    }
}

/// A leadership: who, in which life, under which epoch.
type Leadership = (BrokerId, BrokerEpoch);

fn leaderships(
    image: &MetadataImage,
) -> BTreeMap<(TopicId, PartitionIndex, LeaderEpoch), Leadership> {
    let mut leaderships = BTreeMap::new();
    for topic in image.topics() {
        for (index, partition) in topic.partitions() {
            let leader = partition.leader.and_then(|leader| image.broker(leader));
            leaderships.extend(leader.map(|leader| {
                let leadership = (leader.broker_id, leader.broker_epoch);
                (
                    (topic.topic_id(), index, partition.leader_epoch),
                    leadership,
                )
            }));
        }
    }
    leaderships
}

/// Who leads next has all that is committed: a leader proposes others only when they have.
fn check_leaders(
    before: &MetadataImage,
    after: &MetadataImage,
    proposed: &[BrokerId],
) -> Result<(), TestCaseError> {
    for topic in before.topics() {
        for (index, old) in topic.partitions() {
            let Some(new) = after.partition(topic.topic_id(), index) else {
                continue;
            };
            if new.leader != old.leader
                && let Some(leader) = new.leader
            {
                let mut had_all = old.isr.iter().chain(&old.elr).chain(proposed);
                prop_assert!(had_all.any(|broker| *broker == leader), "{old:?} {new:?}");
            }
        }
    }
    Ok(())
}

fn check_epochs(before: &MetadataImage, after: &MetadataImage) -> Result<(), TestCaseError> {
    for topic in before.topics() {
        for (index, old) in topic.partitions() {
            let Some(new) = after.partition(topic.topic_id(), index) else {
                continue;
            };
            prop_assert!(new.leader_epoch >= old.leader_epoch);
            prop_assert!(new.partition_epoch >= old.partition_epoch);
            prop_assert!(new == old || new.partition_epoch > old.partition_epoch);
        }
    }
    prop_assert!(after.next_producer_id() >= before.next_producer_id());
    prop_assert!(after.next_broker_epoch() >= before.next_broker_epoch());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_is_asked_the_metadata_stays_sound(events in vec(event(), 1..60)) {
        let mut driver = Driver::new(3);
        // Every epoch a partition was led under belongs to one life of one broker, for ever.
        let mut led = leaderships(&driver.cluster.image);
        for event in events {
            let before = driver.cluster.image.clone();
            let may_lose = matches!(event, Event::Elect { unclean: true });
            let proposed = match &event {
                Event::Propose { name: number, alone } => driver.proposal(&name(*number), *alone),
                _ => None,
            };
            let proposed = proposed.iter().flat_map(|it| &it.proposals[0].isr);
            let proposed: Vec<BrokerId> = proposed.map(|(broker, _)| *broker).collect();
            let records = driver.on(event);
            let after = &driver.cluster.image;
            prop_assert_eq!(after.check_invariants(), Ok(()));
            prop_assert_eq!(before.check_invariants(), Ok(()));
            check_epochs(&before, after)?;
            let elections = Elections::of(&before, &records);
            prop_assert!(may_lose || elections.unclean == 0);
            if !may_lose {
                check_leaders(&before, after, &proposed)?;
            }
            prop_assert!(!records.is_empty() || before == *after);
            for (epoch, leadership) in leaderships(after) {
                prop_assert_eq!(*led.entry(epoch).or_insert(leadership), leadership);
            }
        }
        let image = &driver.cluster.image;
        let loaded: Vec<_> = driver.cluster.log.iter().map(|record| {
            let mut bytes = Vec::new();
            record.encode(&mut bytes).expect("records are small");
            MetadataRecord::decode(&bytes).expect("our own bytes")
        }).collect();
        prop_assert_eq!(&MetadataImage::default().apply(&loaded).image, image);
        prop_assert_eq!(&MetadataImage::default().apply(&image.snapshot()).image, image);
    }
}
