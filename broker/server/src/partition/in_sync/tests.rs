use std::collections::BTreeSet;

use protocol::model::{BrokerEpoch, LeaderEpoch, PartitionEpoch};

use super::*;

fn broker(id: i32) -> BrokerId {
    BrokerId::new(id)
}

/// In sync are some; 1 and 2 are alive.
fn view(isr: &[i32]) -> PartitionView {
    let live = (1..=2).map(|id| (broker(id), BrokerEpoch::new(7)));
    PartitionView {
        leader_epoch: LeaderEpoch::new(4),
        partition_epoch: PartitionEpoch::new(9),
        isr: isr.iter().copied().map(broker).collect(),
        live: live.collect(),
        min_insync_replicas: 1,
        has_elr: false,
        has_others: true,
        short_of_space: BTreeSet::new(),
    }
}

#[test]
fn who_left_alive_was_behind_and_many_partitions_are_counted() {
    let mut changes = InSyncChanges::default();
    for partition in 0..7 {
        let partition = PartitionIndex::new(partition);
        let before = [broker(1), broker(2), broker(3)];
        changes.note(("orders", partition), &before, &view(&[1]));
    }
    changes.note(
        ("clicks", PartitionIndex::new(0)),
        &[broker(1)],
        &view(&[1, 2]),
    );
    changes.note(
        ("clicks", PartitionIndex::new(1)),
        &[broker(1)],
        &view(&[1]),
    );

    let said: Vec<_> = changes
        .0
        .iter()
        .map(|((id, turn), partitions)| (*id, *turn, partitions.count, partitions.to_string()))
        .collect();
    let of_seven = "orders-0, orders-1, orders-2, orders-3, orders-4 and 2 more";
    assert_eq!(
        said,
        [
            (broker(2), Turn::Behind, 7, of_seven.to_owned()),
            (broker(2), Turn::Joined, 1, "clicks-0".to_owned()),
            (broker(3), Turn::Gone, 7, of_seven.to_owned()),
        ]
    );
}
