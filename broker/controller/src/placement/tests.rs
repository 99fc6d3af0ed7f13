use std::collections::BTreeSet;

use proptest::prelude::*;
use protocol::model::{BrokerEpoch, LeaderEpoch, PartitionEpoch, Uuid};

use super::*;
use crate::record::{PartitionRecord, RegisterBrokerRecord, TopicRecord};
use crate::{IncarnationId, MetadataRecord};

/// An image of brokers 0 to `racks.len()`.
fn cluster(racks: &[Option<&str>]) -> MetadataImage {
    let records: Vec<_> = racks
        .iter()
        .enumerate()
        .map(|(id, rack)| {
            MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                broker_id: BrokerId::new(id as i32),
                broker_epoch: BrokerEpoch::new(id as i64),
                incarnation_id: IncarnationId::new(Uuid::from_u128(id as u128)),
                directories: vec![DirectoryId::new(Uuid::from_u128(1000 + id as u128))],
                listeners: Vec::new(),
                rack: rack.map(str::to_owned),
                features: Vec::new(),
                fenced: false,
            })
        })
        .collect();
    MetadataImage::default().apply(&records).image
}

fn without_racks(brokers: usize) -> MetadataImage {
    cluster(&vec![None; brokers])
}

fn topic(seed: u128) -> TopicId {
    TopicId::new(Uuid::from_u128(seed + 1)).unwrap()
}

fn place(image: &MetadataImage, seed: u128, partitions: i32, factor: usize) -> Vec<Vec<BrokerId>> {
    let placed = Placement::new(image)
        .place(topic(seed), None, (0, partitions), factor)
        .unwrap();
    let brokers = |replicas: &Vec<Replica>| replicas.iter().map(|it| it.broker_id).collect();
    placed.iter().map(brokers).collect()
}

fn moved(before: &[Vec<BrokerId>], after: &[Vec<BrokerId>]) -> usize {
    let new = |(before, after): (&Vec<BrokerId>, &Vec<BrokerId>)| {
        after
            .iter()
            .filter(|broker| !before.contains(broker))
            .count()
    };
    before.iter().zip(after).map(new).sum()
}

#[test]
fn few_partitions_go_to_as_many_brokers() {
    for seed in 0..50 {
        for brokers in 1..8 {
            let image = without_racks(brokers);
            let leaders = place(&image, seed, brokers as i32, 1);
            let distinct: BTreeSet<_> = leaders.into_iter().flatten().collect();
            assert_eq!(distinct.len(), brokers, "seed {seed}");
        }
    }
}

#[test]
fn fenced_brokers_come_last() {
    let fence = crate::record::FenceBrokerRecord {
        broker_id: BrokerId::new(0),
        broker_epoch: BrokerEpoch::new(0),
    };
    let image = without_racks(3)
        .apply(&[MetadataRecord::FenceBroker(fence)])
        .image;
    assert!(
        place(&image, 1, 50, 2)
            .iter()
            .flatten()
            .all(|broker| broker.get() != 0)
    );
    let all = place(&image, 1, 50, 3);
    assert!(
        all.iter()
            .all(|replicas| replicas[2].get() == 0 && replicas.len() == 3)
    );
}

#[test]
fn racks_that_are_uneven_still_come_first() {
    let image = cluster(&[Some("a"), Some("b"), Some("b"), Some("b")]);
    for replicas in place(&image, 7, 40, 2) {
        assert!(replicas.contains(&BrokerId::new(0)), "{replicas:?}");
    }
}

#[test]
fn topics_of_one_request_see_each_other() {
    let image = without_racks(3);
    let mut placement = Placement::new(&image);
    let mut leaders = BTreeMap::new();
    for seed in 0..300 {
        let placed = placement.place(topic(seed), None, (0, 1), 1).unwrap();
        *leaders.entry(placed[0][0].broker_id).or_insert(0) += 1;
    }
    assert!(leaders.values().all(|count| *count <= 125), "{leaders:?}");
}

/// Both replicas of a partition lead enough: an earlier one is led by another.
#[test]
fn leaderships_move_on_where_all_lead_enough() {
    let placed = place(
        &without_racks(6),
        5_779_453_416_255_624_839_u64.into(),
        18,
        2,
    );
    let mut leaders = [0; 6];
    for partition in &placed {
        leaders[partition[0].get() as usize] += 1;
    }
    assert!(leaders.iter().all(|count| *count <= 3), "{leaders:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_broker_more_moves_its_share_and_no_more(
        seed in any::<u64>(), brokers in 3usize..12, factor in 1usize..4,
    ) {
        // Enough of them that the hash is more than four standard deviations from either bound.
        let partitions = 2400;
        let before = place(&without_racks(brokers), seed.into(), partitions, factor);
        let after = place(&without_racks(brokers + 1), seed.into(), partitions, factor);
        let moved = moved(&before, &after) as f64;
        let share = (partitions as usize * factor) as f64 / (brokers + 1) as f64;
        // The bound on load adds what it pushes on.
        prop_assert!((0.7 * share..=1.4 * share).contains(&moved), "moved {moved}, share {share}");
        let same = place(&without_racks(brokers), seed.into(), partitions, factor);
        prop_assert_eq!(before, same);
    }

    #[test]
    fn load_is_bounded_and_replicas_distinct(
        seed in any::<u64>(), brokers in 1usize..10, partitions in 1i32..200, factor in 1usize..4,
    ) {
        prop_assume!(factor <= brokers);
        let placed = place(&without_racks(brokers), seed.into(), partitions, factor);
        let mut replicas = vec![0; brokers];
        let mut leaders = vec![0; brokers];
        for partition in &placed {
            prop_assert_eq!(partition.iter().collect::<BTreeSet<_>>().len(), factor);
            partition.iter().for_each(|broker| replicas[broker.get() as usize] += 1);
            leaders[partition[0].get() as usize] += 1;
        }
        // One above the bound: the last partitions may find only full brokers besides those they have.
        let bound = share(partitions as usize * factor, brokers) + 1;
        prop_assert!(replicas.iter().all(|count| *count <= bound), "{:?} > {}", replicas, bound);
        let bound = share(partitions as usize, brokers) + 1;
        prop_assert!(leaders.iter().all(|count| *count <= bound), "{:?} > {}", leaders, bound);
    }

    #[test]
    fn every_partition_spans_the_racks(seed in any::<u64>(), partitions in 1i32..100) {
        let racks = ["a", "b", "c", "a", "b", "c"].map(Some);
        for replicas in place(&cluster(&racks), seed.into(), partitions, 3) {
            let spanned: BTreeSet<_> = replicas.iter().map(|it| racks[it.get() as usize]).collect();
            prop_assert_eq!(spanned.len(), 3);
        }
    }
}

#[test]
fn a_replica_goes_to_the_directory_with_the_fewest() {
    let directory = |id: u128| DirectoryId::new(Uuid::from_u128(id));
    let register = |directories: Vec<DirectoryId>, epoch: i64| {
        MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: BrokerId::new(1),
            broker_epoch: BrokerEpoch::new(epoch),
            incarnation_id: IncarnationId::new(Uuid::from_u128(epoch as u128)),
            directories,
            listeners: Vec::new(),
            rack: None,
            features: Vec::new(),
            fenced: false,
        })
    };
    let placed = |image: &MetadataImage, seed: u128, partitions: i32| {
        let mut placement = Placement::new(image);
        let placed = placement
            .place(topic(seed), None, (0, partitions), 1)
            .unwrap();
        let records = placed.into_iter().zip(0..).map(|(replicas, index)| {
            MetadataRecord::Partition(PartitionRecord {
                topic_id: topic(seed),
                partition: PartitionIndex::new(index),
                replicas,
                isr: vec![BrokerId::new(1)],
                elr: Vec::new(),
                leader: Some(BrokerId::new(1)),
                leader_epoch: LeaderEpoch::new(0),
                partition_epoch: PartitionEpoch::new(0),
            })
        });
        let topic = MetadataRecord::Topic(TopicRecord {
            name: format!("t{seed}"),
            topic_id: topic(seed),
        });
        let records: Vec<_> = std::iter::once(topic).chain(records).collect();
        image.apply(&records).image
    };
    let loads = |image: &MetadataImage, ids: &[u128]| -> Vec<usize> {
        ids.iter()
            .map(|id| image.directory_load(directory(*id)))
            .collect()
    };
    let image = MetadataImage::default()
        .apply(&[register(vec![directory(9), directory(4)], 0)])
        .image;
    let image = placed(&image, 1, 1);
    assert_eq!(loads(&image, &[9, 4]), [1, 0], "the first of several");
    let image = placed(&image, 2, 6);
    assert_eq!(loads(&image, &[9, 4]), [4, 3]);
    image.check_invariants().unwrap();
    // One is lost, another is new: it takes all until it has as many.
    let image = image
        .apply(&[register(vec![directory(9), directory(5)], 1)])
        .image;
    let image = placed(&image, 3, 5);
    assert_eq!(loads(&image, &[9, 4, 5]), [5, 3, 4]);
    let mut placement = Placement::new(&image);
    let by_hand = placement.assign(&[BrokerId::new(1)]);
    assert_eq!(by_hand[0].directory_id, directory(5));
}
