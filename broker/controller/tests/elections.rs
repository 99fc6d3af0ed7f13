//! What is counted as which election, where the records alone do not say it at first sight.

mod common;

use broker_controller::decide::*;
use broker_controller::{DirectoryId, Elections};
use protocol::model::{BrokerEpoch, BrokerId, Uuid};

use common::{Cluster, cluster_id, register, topic_id};

const ONE: BrokerId = BrokerId::new(1);
const TWO: BrokerId = BrokerId::new(2);

/// Broker 1 in directories 1011 and 1012, broker 2 in 1021.
fn register_both(cluster: &mut Cluster) {
    cluster.run(&register(1, 101, &[1011, 1012])).0.unwrap();
    cluster.run(&register(2, 102, &[1021])).0.unwrap();
}

/// One partition on both brokers, led by the first.
fn cluster(unclean: bool) -> Cluster {
    let mut cluster = Cluster::empty();
    let cluster_id = cluster_id();
    cluster.run(&BootstrapCluster { cluster_id }).0.unwrap();
    register_both(&mut cluster);
    let unclean = unclean.to_string();
    let topic = NewTopic {
        name: "a".into(),
        topic_id: topic_id(7),
        num_partitions: None,
        replication_factor: None,
        assignments: vec![ReplicaAssignment {
            partition: 0,
            brokers: vec![ONE, TWO],
        }],
        configs: vec![("unclean.leader.election.enable".into(), Some(unclean))],
    };
    let command = CreateTopics {
        topics: vec![topic],
        validate_only: false,
    };
    cluster.run(&command);
    assert_eq!(leader(&cluster), Some(ONE));
    cluster
}

fn leader(cluster: &Cluster) -> Option<BrokerId> {
    let topic = cluster.image.topic_named("a").expect("it was created");
    topic.partitions().next().expect("it has one").1.leader
}

fn epoch(cluster: &Cluster, broker: BrokerId) -> BrokerEpoch {
    cluster
        .image
        .broker(broker)
        .expect("registered")
        .broker_epoch
}

fn fence(cluster: &mut Cluster, broker_id: BrokerId) -> Elections {
    let broker_epoch = epoch(cluster, broker_id);
    counted(
        cluster,
        &FenceBroker {
            broker_id,
            broker_epoch,
        },
    )
}

/// The elections of one command.
fn counted<C: broker_controller::Command>(cluster: &mut Cluster, command: &C) -> Elections {
    let before = cluster.image.clone();
    let (_, records) = cluster.run(command);
    Elections::of(&before, &records)
}

#[test]
fn a_leader_without_space_that_proposes_its_successor_is_followed_cleanly() {
    let mut cluster = cluster(false);
    fence(&mut cluster, TWO);
    let report = ReportSpace {
        broker_id: ONE,
        broker_epoch: epoch(&cluster, ONE),
        short_of_space: [1011, 1012]
            .map(|it| DirectoryId::new(Uuid::from_u128(it)))
            .to_vec(),
    };
    cluster.run(&report).0.unwrap();
    let broker_epoch = epoch(&cluster, TWO);
    let back = UnfenceBroker {
        broker_id: TWO,
        broker_epoch,
    };
    cluster.run(&back).0.unwrap();
    assert_eq!(leader(&cluster), Some(ONE), "nobody else is in sync");

    let topic = cluster.image.topic_named("a").expect("it was created");
    let (partition, state) = topic.partitions().next().expect("it has one");
    let command = AlterPartition {
        broker_id: ONE,
        broker_epoch: epoch(&cluster, ONE),
        proposals: vec![IsrProposal {
            topic_id: topic.topic_id(),
            partition,
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            isr: [ONE, TWO].map(|id| (id, epoch(&cluster, id))).to_vec(),
        }],
    };
    let elections = counted(&mut cluster, &command);

    assert_eq!(leader(&cluster), Some(TWO));
    assert_eq!((elections.from_isr, elections.unclean), (1, 0));
}

#[test]
fn a_leader_from_beyond_the_isr_is_unclean_even_if_a_replica_moves_with_it() {
    let mut cluster = cluster(true);
    fence(&mut cluster, TWO);
    fence(&mut cluster, ONE);
    assert_eq!(leader(&cluster), None);

    // Its directory is gone, so that it is given another one and leads with nothing.
    let back = register(2, 103, &[1022]);
    let elections = counted(&mut cluster, &back);

    assert_eq!(leader(&cluster), Some(TWO));
    assert_eq!((elections.from_isr, elections.unclean), (0, 1));
}
