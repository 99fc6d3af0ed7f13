use protocol::model::{LeaderEpoch, Offset, PartitionIndex, TopicId, Uuid};

use super::*;

fn id(partition: i32) -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TopicId::new(Uuid::from_u128(7)).expect("not nil"),
        partition: PartitionIndex::new(partition),
    }
}

fn at(end: i64) -> Position {
    Position::at(LeaderEpoch::new(1), Offset::new(end))
}

fn all(ends: &[(i32, i64)]) -> BTreeMap<TopicIdPartition, Position> {
    ends.iter()
        .map(|(index, end)| (id(*index), at(*end)))
        .collect()
}

fn told(session: (i32, i32), changed: &[(i32, i64)], forgotten: &[i32]) -> Told {
    Told {
        session_id: session.0,
        session_epoch: session.1,
        changed: all(changed).into_iter().collect(),
        forgotten: forgotten.iter().map(|index| id(*index)).collect(),
    }
}

#[test]
fn what_has_changed_is_told_once() {
    let mut session = FetchSession::default();
    let first = [(0, 5), (1, 6)];
    assert_eq!(session.next(all(&first)), told((0, 0), &first, &[]));
    session.on_answer(42);
    assert_eq!(session.next(all(&first)), told((42, 1), &[], &[]));
    session.on_answer(42);
    let next = [(1, 7), (2, 0)];
    assert_eq!(session.next(all(&next)), told((42, 2), &next, &[0]));
    session.on_answer(42);
    assert_eq!(session.next(all(&next)), told((42, 3), &[], &[]));
}

#[test]
fn without_a_session_everything_is_told_each_time() {
    let mut session = FetchSession::default();
    let ends = [(0, 5), (1, 6)];
    for _ in 0..2 {
        assert_eq!(session.next(all(&ends)), told((0, 0), &ends, &[]));
        session.on_answer(0);
    }
    session.on_answer(42);
    session.next(all(&ends));
    // It was given up for another.
    session.reset();
    assert_eq!(session.next(all(&ends)), told((0, 0), &ends, &[]));
}
