//! When a broker may go, and what is said when it may not.

mod common;

use broker_controller::ApiError;
use broker_controller::decide::*;
use protocol::ErrorCode;
use protocol::model::BrokerId;

use common::{Cluster, FewConfigs, cluster_id, register, topic_id};

const ALL: [i32; 3] = [1, 2, 3];

fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().map(|id| BrokerId::new(*id)).collect()
}

/// Brokers 1 to 3, and a topic for each list of replicas: `a`, `b`, ... with `min.insync.replicas=2`.
fn cluster(topics: &[&[i32]]) -> Cluster {
    let mut cluster = Cluster::empty();
    let cluster_id = cluster_id();
    cluster.run(&BootstrapCluster { cluster_id }).0.unwrap();
    for id in ALL {
        let number = u128::try_from(id).unwrap();
        cluster
            .run(&register(id, 100 + number, &[1000 + number]))
            .0
            .unwrap();
    }
    for (name, brokers) in ('a'..).zip(topics) {
        create(&mut cluster, name, brokers);
    }
    cluster
}

fn create(cluster: &mut Cluster, name: char, brokers: &[i32]) {
    let topic = NewTopic {
        name: name.into(),
        topic_id: topic_id(name.into()),
        num_partitions: None,
        replication_factor: None,
        assignments: vec![ReplicaAssignment {
            partition: 0,
            brokers: ids(brokers),
        }],
        configs: vec![("min.insync.replicas".into(), Some("2".into()))],
    };
    let created = cluster.run(&CreateTopics {
        topics: vec![topic],
        validate_only: false,
    });
    assert!(created.0[0].result.is_ok(), "{created:?}");
}

fn hand_over(cluster: &mut Cluster, id: i32) -> Result<(), ApiError> {
    hand_over_or_wait(cluster, id, true)
}

fn hand_over_or_wait(
    cluster: &mut Cluster,
    id: i32,
    waits_for_the_gone: bool,
) -> Result<(), ApiError> {
    let broker_id = BrokerId::new(id);
    let broker = cluster.image.broker(broker_id).expect("registered");
    let command = HandOver {
        broker_id,
        broker_epoch: broker.broker_epoch,
        voters: ids(&ALL),
        waits_for_the_gone,
    };
    cluster.run(&command).0
}

fn unfence(cluster: &mut Cluster, id: i32) {
    let broker_id = BrokerId::new(id);
    let broker_epoch = cluster
        .image
        .broker(broker_id)
        .expect("registered")
        .broker_epoch;
    let command = UnfenceBroker {
        broker_id,
        broker_epoch,
    };
    cluster.run(&command).0.unwrap();
}

fn refusal(result: Result<(), ApiError>) -> String {
    let error = result.expect_err("it would be missed");
    assert_eq!(error.code, ErrorCode::NotEnoughReplicas);
    error.message.expect("it says why")
}

#[test]
fn of_brokers_that_ask_at_once_only_those_go_that_can_be_spared() {
    let mut cluster = cluster(&[&[1, 2, 3], &[2, 3, 1]]);
    hand_over(&mut cluster, 1).expect("two are left");
    let leaders = cluster.image.topics().map(|topic| {
        let (_, partition) = topic.partitions().next().expect("it has one");
        (partition.leader, partition.isr.clone())
    });
    for (leader, isr) in leaders {
        assert_eq!((leader, isr), (Some(BrokerId::new(2)), ids(&[2, 3])));
    }

    let before = cluster.log.len();
    let said = refusal(hand_over(&mut cluster, 2));
    assert_eq!(
        said,
        "2 partitions would have fewer replicas in sync than min.insync.replicas until others are back, a-0 among them; \
         of the voters of the metadata quorum 1 would be left, and it takes 2"
    );
    assert_eq!(cluster.log.len(), before, "nothing is recorded");

    hand_over(&mut cluster, 1).expect("it is fenced already");
    // Back, and not in sync yet.
    unfence(&mut cluster, 1);
    let said = refusal(hand_over(&mut cluster, 3));
    assert!(!said.contains("voters"), "{said}");
    assert!(said.starts_with("2 partitions"), "{said}");
}

#[test]
fn who_is_gone_for_long_is_not_waited_for_and_who_catches_up_is() {
    let mut cluster = cluster(&[&[1, 2, 3]]);
    hand_over(&mut cluster, 1).expect("two are left");
    // Back, and not in sync yet.
    unfence(&mut cluster, 1);
    let said = refusal(hand_over_or_wait(&mut cluster, 2, false));
    assert_eq!(
        said,
        "the partition a-0 would have fewer replicas in sync than min.insync.replicas"
    );

    hand_over(&mut cluster, 1).expect("nobody needs it");
    refusal(hand_over(&mut cluster, 2));
    hand_over_or_wait(&mut cluster, 2, false).expect("there is nobody to wait for");
}

#[test]
fn nobody_waits_for_what_cannot_be() {
    // With one replica, and with two of which both are needed.
    let mut cluster = cluster(&[&[1], &[2, 1]]);
    let voters = ids(&ALL);
    let missed = Missed::without(&cluster.image, &FewConfigs, BrokerId::new(1), &voters);
    assert_eq!(missed.for_now(), None);
    assert_eq!(
        missed.for_good().as_deref(),
        Some(
            "2 partitions would have too few replicas on other brokers for min.insync.replicas, a-0 among them"
        )
    );
    hand_over(&mut cluster, 1).expect("later is no better");

    let third = Missed::without(&cluster.image, &FewConfigs, BrokerId::new(3), &[]);
    assert_eq!(third, Missed::default(), "it holds nothing and has no vote");
}

#[test]
fn the_only_voter_can_never_be_spared_and_goes_all_the_same() {
    let mut cluster = cluster(&[]);
    let one = BrokerId::new(1);
    let missed = Missed::without(&cluster.image, &FewConfigs, one, &[one]);
    assert_eq!(missed.for_now(), None);
    assert!(
        missed
            .for_good()
            .expect("it is said")
            .contains("every voter")
    );
    let command = HandOver {
        broker_id: one,
        broker_epoch: cluster.image.broker(one).expect("registered").broker_epoch,
        voters: vec![one],
        waits_for_the_gone: true,
    };
    cluster.run(&command).0.expect("later is no better");
}

#[test]
fn a_former_life_hands_nothing_over() {
    let mut cluster = cluster(&[&[1, 2, 3]]);
    let former = cluster
        .image
        .broker(BrokerId::new(1))
        .expect("registered")
        .broker_epoch;
    cluster.run(&register(1, 201, &[1001])).0.unwrap();
    let command = HandOver {
        broker_id: BrokerId::new(1),
        broker_epoch: former,
        voters: ids(&ALL),
        waits_for_the_gone: true,
    };
    let error = cluster.run(&command).0.expect_err("another life has begun");
    assert_eq!(error.code, ErrorCode::StaleBrokerEpoch);
}
