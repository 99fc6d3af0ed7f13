//! Committed offsets.

use super::*;

fn commit(topic: &str, offset: i64) -> CommitOffsets {
    let partition = CommitPartition {
        partition: 0,
        offset,
        leader_epoch: None,
        metadata: "m".into(),
    };
    CommitOffsets {
        group: "g".into(),
        member: None,
        instance: None,
        generation: None,
        knows_epochs: true,
        retention_ms: None,
        topics: vec![CommitTopic {
            topic: topic.into(),
            partitions: vec![partition],
        }],
    }
}

fn of_member(member: &Arc<str>, generation: i32, ask: CommitOffsets) -> CommitOffsets {
    CommitOffsets {
        member: Some(Arc::clone(member)),
        generation: Some(generation),
        ..ask
    }
}

fn ok() -> CommitReply {
    Ok(vec![ErrorCode::None])
}

impl Rig {
    /// Topics and offsets of all that is committed.
    fn committed(&mut self) -> Vec<(String, i64)> {
        let fetched = self.ask(FetchOffsets {
            group: "g".into(),
            member: None,
            topics: None,
        });
        let topics = fetched.expect("no error").into_iter();
        topics
            .flat_map(|topic| {
                let offsets = topic.partitions.into_iter();
                offsets.map(move |(_, committed)| {
                    (
                        topic.topic.to_string(),
                        committed.expect("committed").offset,
                    )
                })
            })
            .collect()
    }
}

#[test]
fn what_is_committed_is_found_again() {
    let mut rig = rig();
    assert_eq!(rig.ask(commit("t", 5)), ok());
    assert_eq!(rig.ask(commit("u", 6)), ok());
    assert_eq!(rig.ask(commit("t", 7)), ok());
    for _ in 0..2 {
        assert_eq!(rig.committed(), [("t".into(), 7), ("u".into(), 6)]);
        let wanted = FetchOffsets {
            group: "g".into(),
            member: None,
            topics: Some(vec![("t".into(), vec![1, 0]), ("none".into(), vec![0])]),
        };
        let fetched = rig.ask(wanted).expect("no error");
        let found = fetched[0].partitions[1].1.as_ref().expect("committed");
        assert_eq!(
            (&*found.metadata, found.commit_timestamp_ms),
            ("m", 1_000_000)
        );
        assert_eq!(
            (
                fetched[0].partitions[0].1.is_none(),
                fetched[1].partitions[0].1.is_none()
            ),
            (true, true)
        );
        rig.reload();
    }
    assert_eq!(rig.ask(ListGroups)[0].state, "Empty");
}

#[test]
fn who_may_commit_is_kafkas() {
    let mut rig = quick();
    let unknown = of_member(&"m".into(), 1, commit("t", 1));
    assert_eq!(rig.ask(unknown.clone()), Err(ErrorCode::GroupIdNotFound));
    let old = CommitOffsets {
        knows_epochs: false,
        ..unknown.clone()
    };
    assert_eq!(rig.ask(old), Err(ErrorCode::IllegalGeneration));
    let a = rig.alone();
    assert_eq!(rig.ask(of_member(&a, 1, commit("t", 1))), ok());
    assert_eq!(
        rig.ask(commit("t", 2)),
        Err(ErrorCode::UnknownMemberId),
        "somebody is in it"
    );
    assert_eq!(rig.ask(unknown), Err(ErrorCode::UnknownMemberId));
    assert_eq!(
        rig.ask(of_member(&a, 0, commit("t", 2))),
        Err(ErrorCode::IllegalGeneration)
    );
    // A commit is a sign of life.
    for _ in 0..3 {
        rig.pass(SESSION_MS - 1);
        assert_eq!(rig.ask(of_member(&a, 1, commit("t", 3))), ok());
    }
    let (b, _) = rig.join("b");
    assert_eq!(
        rig.ask(of_member(&a, 1, commit("t", 4))),
        ok(),
        "before it gives up its partitions"
    );
    let again = JoinGroup {
        member: Some(Arc::clone(&a)),
        ..new_member("c")
    };
    let again = rig.send(again);
    assert_eq!(rig.joined(again).generation, 2);
    for member in [&a, &b] {
        let early = rig.ask(of_member(member, 2, commit("t", 5)));
        assert_eq!(early, Err(ErrorCode::RebalanceInProgress));
    }
    assert_eq!(rig.committed(), [("t".into(), 4)]);
}

#[test]
fn metadata_has_a_limit_that_is_the_partitions_own() {
    let mut rig = rig_with(GroupConfig {
        offset_metadata_chars_max: 3,
        ..GroupConfig::default()
    });
    let mut ask = commit("t", 1);
    let with = |partition: i32, metadata: &str| CommitPartition {
        partition,
        metadata: metadata.into(),
        offset: 1,
        leader_epoch: None,
    };
    // As Java counts, which is not in bytes.
    ask.topics[0].partitions = vec![with(0, "four"), with(1, "äöü"), with(2, "")];
    let codes = vec![
        ErrorCode::OffsetMetadataTooLarge,
        ErrorCode::None,
        ErrorCode::None,
    ];
    assert_eq!(rig.ask(ask), Ok(codes));
    assert_eq!(rig.committed().len(), 2);
}

const DAY_MS: i32 = 86_400_000;

#[test]
fn offsets_of_a_group_that_is_gone_expire() {
    let mut rig = quick();
    let a = rig.alone();
    assert_eq!(rig.ask(of_member(&a, 1, commit("t", 1))), ok());
    rig.leave(&a).expect("known");
    rig.pass(6 * DAY_MS);
    assert_eq!(rig.committed(), [("t".into(), 1)]);
    rig.now.wall_is_trusted = false;
    rig.pass(2 * DAY_MS);
    assert_eq!(rig.committed(), [("t".into(), 1)], "the clock may be wrong");
    rig.now.wall_is_trusted = true;
    rig.pass(600_000);
    assert_eq!((rig.committed(), rig.state()), (vec![], None));
    rig.reload();
    assert_eq!((rig.committed(), rig.state()), (vec![], None));
}

#[test]
fn what_a_group_reads_does_not_expire_and_what_it_has_given_up_does() {
    let mut rig = quick();
    let a = rig.alone();
    for topic in ["t", "other"] {
        assert_eq!(rig.ask(of_member(&a, 1, commit(topic, 1))), ok());
    }
    for _ in 0..(8 * DAY_MS / SESSION_MS + 1) {
        rig.pass(SESSION_MS - 1);
        assert_eq!(rig.heartbeat(&a, 1), ErrorCode::None);
    }
    assert_eq!(rig.committed(), [("t".into(), 1)]);
}

#[test]
fn offsets_without_members_expire_by_their_own_time() {
    let mut rig = rig();
    assert_eq!(rig.ask(commit("t", 1)), ok());
    let short = CommitOffsets {
        retention_ms: Some(i64::from(DAY_MS)),
        ..commit("u", 1)
    };
    assert_eq!(rig.ask(short), ok());
    rig.pass(4 * DAY_MS);
    assert_eq!(rig.committed(), [("t".into(), 1)]);
    assert_eq!(rig.ask(commit("t", 2)), ok());
    rig.pass(4 * DAY_MS);
    assert_eq!(rig.committed(), [("t".into(), 2)]);
    rig.pass(4 * DAY_MS);
    assert_eq!(rig.state(), None);
}

#[test]
fn much_that_expires_is_not_one_batch() {
    let mut rig = rig();
    for number in 0..3_500 {
        let group: Arc<str> = format!("g{number}").into();
        assert_eq!(
            rig.ask(CommitOffsets {
                group,
                ..commit("t", 1)
            }),
            ok()
        );
    }
    let before = rig.log.len();
    rig.set_time(i64::from(8 * DAY_MS));
    let mut written = Vec::new();
    while rig.coordinator.next_deadline_ms() <= Some(rig.now.monotonic_ms) {
        let mut effects = Effects::default();
        rig.coordinator.on_timer(rig.now, &mut effects);
        written.push(effects.records.len());
    }
    assert_eq!(written, [1_000, 1_000, 1_000, 500]);
    assert_eq!((before, rig.coordinator.groups().count()), (3_500, 0));
}

#[test]
fn deleting_is_for_what_nobody_uses() {
    let mut rig = quick();
    let delete = |topics: &[&str]| DeleteOffsets {
        group: "g".into(),
        topics: topics
            .iter()
            .map(|topic| ((*topic).into(), vec![0, 1]))
            .collect(),
    };
    let group = || DeleteGroup { group: "g".into() };
    assert_eq!(rig.ask(delete(&["t"])), Err(ErrorCode::GroupIdNotFound));
    assert_eq!(rig.ask(group()), ErrorCode::GroupIdNotFound);
    let a = rig.alone();
    for topic in ["t", "u"] {
        assert_eq!(rig.ask(of_member(&a, 1, commit(topic, 1))), ok());
    }
    let codes = vec![ErrorCode::GroupSubscribedToTopic, ErrorCode::None];
    assert_eq!(rig.ask(delete(&["t", "u"])), Ok(codes));
    assert_eq!(rig.committed(), [("t".into(), 1)]);
    assert_eq!(rig.ask(group()), ErrorCode::NonEmptyGroup);
    rig.leave(&a).expect("known");
    assert_eq!(rig.ask(group()), ErrorCode::None);
    for _ in 0..2 {
        assert_eq!((rig.committed(), rig.state()), (vec![], None));
        rig.reload();
    }
}

#[test]
fn what_a_group_of_its_own_kind_reads_is_not_known() {
    let mut rig = quick();
    let join = rig.send(JoinGroup {
        protocol_type: "connect".into(),
        ..new_member("w")
    });
    assert_eq!(rig.joined(join).generation, 1);
    let ask = DeleteOffsets {
        group: "g".into(),
        topics: vec![("t".into(), vec![0])],
    };
    assert_eq!(rig.ask(ask), Err(ErrorCode::NonEmptyGroup));
}

#[test]
fn offsets_in_topics_that_are_gone_are_forgotten() {
    let mut rig = rig();
    for (group, topic) in [("g", "t"), ("g", "u"), ("h", "t")] {
        assert_eq!(
            rig.ask(CommitOffsets {
                group: group.into(),
                ..commit(topic, 1)
            }),
            ok()
        );
    }
    rig.ask(ForgetTopics {
        topics: vec!["t".into()],
    });
    assert_eq!(rig.committed(), [("u".into(), 1)]);
    let groups: Vec<_> = rig
        .coordinator
        .groups()
        .map(|group| group.group.to_string())
        .collect();
    assert_eq!(groups, ["g"], "nothing is left of the other");
}
