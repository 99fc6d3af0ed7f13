use super::*;

fn key(partition: i32) -> PartitionKey {
    PartitionKey {
        topic: TopicKey::Name("t".into()),
        partition,
    }
}

fn fetch(offset: i64) -> PartitionFetch {
    PartitionFetch {
        offset: Offset::new(offset),
        bytes_max: 100,
        current_leader_epoch: None,
        last_fetched_epoch: None,
        log_start: None,
        known_high_watermark: None,
    }
}

fn request(id: i32, epoch: i32, partitions: &[(i32, i64)]) -> SessionRequest {
    SessionRequest {
        session_id: id,
        session_epoch: epoch,
        by_name: true,
        partitions: partitions
            .iter()
            .map(|(p, o)| (key(*p), fetch(*o)))
            .collect(),
        forgotten: Vec::new(),
    }
}

fn news(high_watermark: i64, has_records: bool) -> PartitionNews {
    PartitionNews {
        high_watermark: Some(Offset::new(high_watermark)),
        log_start: Some(Offset::ZERO),
        has_records,
        must_tell: false,
    }
}

fn order(plan: &SessionPlan) -> Vec<i32> {
    plan.partitions
        .iter()
        .map(|(key, _)| key.partition)
        .collect()
}

#[test]
fn an_incremental_answer_tells_only_news() {
    let mut sessions = FetchSessions::new(10);
    let full = sessions
        .begin(0, 7, request(0, 0, &[(0, 0), (1, 0)]))
        .unwrap();
    assert_eq!((full.session_id, full.incremental), (7, false));
    assert_eq!(
        sessions.finish(&full, &[news(0, false), news(0, false)]),
        [true, true]
    );

    let plan = sessions.begin(1, 8, request(7, 1, &[])).unwrap();
    assert!(plan.incremental);
    assert_eq!(order(&plan), [0, 1]);
    assert_eq!(
        sessions.finish(&plan, &[news(5, true), news(0, false)]),
        [true, false]
    );

    // Partition 0 had data, so partition 1 is read first now; its new high watermark is news.
    let plan = sessions.begin(2, 8, request(7, 2, &[(0, 5)])).unwrap();
    assert_eq!(order(&plan), [1, 0]);
    assert_eq!(plan.partitions[1].1.offset, Offset::new(5));
    assert_eq!(
        sessions.finish(&plan, &[news(3, false), news(5, false)]),
        [true, false]
    );
}

#[test]
fn after_an_error_the_next_answer_tells_again() {
    let mut sessions = FetchSessions::new(10);
    let full = sessions.begin(0, 7, request(0, 0, &[(0, 0)])).unwrap();
    sessions.finish(&full, &[news(0, false)]);
    let plan = sessions.begin(0, 0, request(7, 1, &[])).unwrap();
    let error = PartitionNews {
        must_tell: true,
        ..news(0, false)
    };
    assert_eq!(sessions.finish(&plan, &[error]), [true]);
    let plan = sessions.begin(0, 0, request(7, 2, &[])).unwrap();
    assert_eq!(sessions.finish(&plan, &[news(0, false)]), [true]);
    let plan = sessions.begin(0, 0, request(7, 3, &[])).unwrap();
    assert_eq!(sessions.finish(&plan, &[news(0, false)]), [false]);
}

#[test]
fn who_follows_another_leadership_is_answered_whatever_there_is() {
    let mut sessions = FetchSessions::new(10);
    let led = |id, epoch, leader_epoch| {
        let mut request = request(id, epoch, &[(0, 5)]);
        request.partitions[0].1.current_leader_epoch = LeaderEpoch::from_wire(leader_epoch);
        request
    };
    let full = sessions.begin(0, 7, led(0, 0, 1)).unwrap();
    sessions.finish(&full, &[news(5, false)]);
    for (epoch, leader_epoch, is_told) in [(1, 1, false), (2, 2, true), (3, 2, false)] {
        let plan = sessions.begin(0, 0, led(7, epoch, leader_epoch)).unwrap();
        assert_eq!(sessions.finish(&plan, &[news(5, false)]), [is_told]);
    }
}

#[test]
fn what_does_not_fit_a_session_is_refused() {
    let mut sessions = FetchSessions::new(10);
    sessions.begin(0, 7, request(0, 0, &[(0, 0)])).unwrap();
    let unknown = sessions.begin(0, 0, request(9, 1, &[]));
    assert_eq!(unknown, Err(ErrorCode::FetchSessionIdNotFound));
    let skipped = sessions.begin(0, 0, request(7, 2, &[]));
    assert_eq!(skipped, Err(ErrorCode::InvalidFetchSessionEpoch));
    let by_id = SessionRequest {
        by_name: false,
        ..request(7, 1, &[])
    };
    assert_eq!(
        sessions.begin(0, 0, by_id),
        Err(ErrorCode::FetchSessionTopicIdError)
    );
}

#[test]
fn a_session_ends_by_the_final_epoch_or_when_it_is_empty() {
    let mut sessions = FetchSessions::new(10);
    sessions.begin(0, 7, request(0, 0, &[(0, 0)])).unwrap();
    let last = sessions.begin(0, 8, request(7, -1, &[(0, 0)])).unwrap();
    assert_eq!((last.session_id, sessions.len()), (0, 0));

    sessions.begin(0, 7, request(0, 0, &[(0, 0)])).unwrap();
    let forget = SessionRequest {
        forgotten: vec![key(0)],
        ..request(7, 1, &[])
    };
    let plan = sessions.begin(0, 0, forget).unwrap();
    assert_eq!(
        (plan.session_id, plan.partitions.len(), sessions.len()),
        (0, 0, 0)
    );
}

#[test]
fn a_full_cache_gives_up_only_what_is_stale() {
    let mut sessions = FetchSessions::new(1);
    sessions.begin(0, 7, request(0, 0, &[(0, 0)])).unwrap();
    let refused = sessions
        .begin(EVICTION_MS - 1, 8, request(0, 0, &[(0, 0)]))
        .unwrap();
    assert_eq!(refused.session_id, 0);
    let taken = sessions
        .begin(EVICTION_MS, 9, request(0, 0, &[(0, 0)]))
        .unwrap();
    assert_eq!(taken.session_id, 9);
    assert_eq!(sessions.len(), 1);
}

#[test]
fn epochs_wrap_to_one() {
    assert_eq!(next_epoch(i32::MAX), 1);
    assert_eq!(next_epoch(1), 2);
}
