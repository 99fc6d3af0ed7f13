use protocol::model::{Sequence, Uuid};

use super::*;

const REFUSED: ErrorCode = ErrorCode::NotEnoughReplicas;
const GAP: ErrorCode = ErrorCode::OutOfOrderSequenceNumber;

fn partition(index: i32) -> (TopicId, i32) {
    let topic = TopicId::new(Uuid::from_u128(7)).expect("not nil");
    (topic, index)
}

fn producer(id: i64, epoch: i16, sequence: i32) -> BatchProducer {
    BatchProducer {
        id: ProducerId::new(id),
        epoch: ProducerEpoch::new(epoch),
        base_sequence: Some(Sequence::new(sequence)),
    }
}

#[test]
fn what_is_behind_a_refused_batch_is_refused_for_the_same_reason() {
    let mut refused = RefusedBatches::default();
    assert_eq!(
        refused.on_refused(partition(0), &producer(1, 0, 5), REFUSED, 0),
        REFUSED
    );
    for sequence in [6, 7] {
        let behind = producer(1, 0, sequence);
        assert_eq!(refused.on_refused(partition(0), &behind, GAP, 10), REFUSED);
    }
    // Others have nothing to do with it.
    let others = [
        (partition(1), producer(1, 0, 6)),
        (partition(0), producer(2, 0, 6)),
        (partition(0), producer(1, 1, 6)),
    ];
    for (partition, producer) in others {
        assert_eq!(refused.on_refused(partition, &producer, GAP, 10), GAP);
    }
    let unknown = ErrorCode::UnknownProducerId;
    let behind = producer(1, 0, 6);
    assert_eq!(
        refused.on_refused(partition(0), &behind, unknown, 10),
        REFUSED
    );
    let too_large = ErrorCode::MessageTooLarge;
    assert_eq!(
        refused.on_refused(partition(0), &behind, too_large, 10),
        too_large
    );
}

#[test]
fn a_refusal_counts_until_the_batch_is_taken_or_too_much_time_has_passed() {
    let mut refused = RefusedBatches::default();
    let (first, behind) = (producer(1, 0, 5), producer(1, 0, 6));
    refused.on_refused(partition(0), &first, REFUSED, 0);
    refused.on_taken(partition(0), &first);
    assert_eq!(refused.on_refused(partition(0), &behind, GAP, 1), GAP);

    refused.on_refused(partition(0), &first, REFUSED, 0);
    let last = COUNTS_MS - 1;
    assert_eq!(
        refused.on_refused(partition(0), &behind, GAP, last),
        REFUSED
    );
    assert_eq!(
        refused.on_refused(partition(0), &behind, GAP, COUNTS_MS),
        GAP
    );
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut refused = RefusedBatches::default();
    for index in 0..i32::try_from(REMEMBERED_MAX).expect("few") + 10 {
        refused.on_refused(partition(index), &producer(1, 0, 0), REFUSED, 0);
    }
    assert_eq!(refused.refused.len(), REMEMBERED_MAX);
    // Room is made when what is there does not count any more.
    refused.on_refused(partition(-1), &producer(1, 0, 0), REFUSED, COUNTS_MS);
    assert_eq!(refused.refused.len(), 1);
}

#[test]
fn of_each_connection_the_log_tells_once() {
    let mut refused = RefusedBatches::default();
    assert!(!refused.is_first_gap(REFUSED));
    assert!(refused.is_first_gap(GAP));
    assert!(!refused.is_first_gap(GAP));
}
