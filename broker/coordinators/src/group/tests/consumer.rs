//! Members of the consumer protocol: joining, leaving, fencing, and what is wrong with requests.

use super::*;
use crate::group::Refusal;

/// A heartbeat that says nothing but that the member is there.
pub(super) fn beat(member: &str, epoch: i32) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        group: "g".into(),
        member: member.into(),
        may_be_unnamed: false,
        new_member: Uuid::from_u128(0xabc),
        epoch,
        instance: None,
        rack: None,
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: None,
        names: None,
        regex: None,
        assignor: None,
        owned: None,
    }
}

/// The first heartbeat of a member that is subscribed to `t`.
pub(super) fn first(member: &str) -> ConsumerHeartbeat {
    ConsumerHeartbeat {
        rebalance_timeout_ms: Some(REBALANCE_MS),
        names: Some(vec!["t".into()]),
        owned: Some(BTreeSet::new()),
        ..beat(member, 0)
    }
}

/// One that says what the member has.
pub(super) fn owning(
    member: &str,
    epoch: i32,
    topic: Uuid,
    partitions: &[i32],
) -> ConsumerHeartbeat {
    let partitions = partitions.iter();
    ConsumerHeartbeat {
        owned: Some(partitions.map(|partition| (topic, *partition)).collect()),
        ..beat(member, epoch)
    }
}

impl Rig {
    /// A heartbeat that is not refused: epoch, and the partitions of one topic, if they are told.
    pub(super) fn told(&mut self, ask: ConsumerHeartbeat) -> (i32, Option<Vec<i32>>) {
        let answer = self.ask(ask).expect("not refused");
        let partitions = answer.assignment.map(|topics| {
            assert!(topics.len() <= 1, "of one topic");
            topics
                .into_iter()
                .flat_map(|(_, partitions)| partitions)
                .collect()
        });
        (answer.epoch, partitions)
    }

    pub(super) fn refused(&mut self, ask: ConsumerHeartbeat) -> ErrorCode {
        self.ask(ask).expect_err("refused").error
    }

    pub(super) fn described(&mut self) -> DescribedConsumerGroup {
        let ask = DescribeConsumerGroup { group: "g".into() };
        self.ask(ask).expect("of the consumer protocol")
    }
}

#[test]
fn a_member_joins_is_assigned_all_and_leaves() {
    let mut rig = rig();
    let topic = rig.topic("t", 3);
    assert_eq!(rig.told(first("a")), (2, Some(vec![0, 1, 2])));
    assert_eq!(rig.state(), Some("Stable"));
    // It knows its epoch, so it knows what came with it.
    assert_eq!(rig.told(beat("a", 2)), (2, None));
    assert_eq!(rig.told(owning("a", 2, topic, &[0, 1, 2])), (2, None));
    assert_eq!(rig.told(beat("a", 2)), (2, None));
    let listed = rig.ask(ListGroups);
    assert_eq!(
        (listed[0].group_type, &*listed[0].protocol_type),
        ("consumer", "consumer")
    );
    let refusal = rig.ask(DescribeGroup { group: "g".into() }).unwrap_err();
    assert_eq!(refusal.message, "Group g is not a classic group.");

    let described = rig.described();
    assert_eq!((described.epoch, described.target_epoch), (2, 2));
    assert_eq!(described.assignor, "uniform");
    let member = &described.members[0];
    assert_eq!((member.epoch, &member.names[..]), (2, &["t".into()][..]));
    let all = NamedPartitions {
        topic,
        name: "t".into(),
        partitions: vec![0, 1, 2],
    };
    assert_eq!(
        (&member.assigned, &member.target),
        (&vec![all.clone()], &vec![all])
    );

    assert_eq!(rig.told(beat("a", -1)), (-1, None));
    assert_eq!(rig.state(), Some("Empty"));
    assert_eq!(rig.refused(beat("a", 2)), ErrorCode::UnknownMemberId);
    assert_eq!(rig.ask(DeleteGroup { group: "g".into() }), ErrorCode::None);
    assert_eq!(rig.state(), None);
    rig.reload();
    assert_eq!(rig.state(), None, "nothing of it is left");
}

#[test]
fn a_partition_is_given_up_before_somebody_else_gets_it() {
    let mut rig = rig();
    let topic = rig.topic("t", 2);
    assert_eq!(rig.told(first("a")), (2, Some(vec![0, 1])));
    rig.pass(1_000);
    assert_eq!(rig.told(first("b")), (3, Some(vec![])), "nothing is free");
    assert_eq!(rig.state(), Some("Reconciling"));
    assert_eq!(
        rig.told(beat("a", 2)),
        (2, Some(vec![0])),
        "it is to give 1 up"
    );
    // It has not said so.
    assert_eq!(rig.told(owning("a", 2, topic, &[0, 1])), (2, Some(vec![0])));
    assert_eq!(rig.told(beat("b", 3)), (3, None));
    assert_eq!(
        rig.told(owning("a", 2, topic, &[0])),
        (3, None),
        "now it has"
    );
    assert_eq!(rig.told(beat("b", 3)), (3, Some(vec![1])));
    assert_eq!(rig.state(), Some("Stable"));
    // All of it is recorded.
    rig.reload();
    assert_eq!(rig.state(), Some("Stable"));
    assert_eq!(rig.told(beat("a", 3)), (3, Some(vec![0])), "to be sure");
    assert_eq!(rig.told(beat("a", 3)), (3, None));
}

#[test]
fn a_member_that_is_not_where_it_is_to_be_is_asked_for_sooner() {
    let mut rig = rig();
    let topic = rig.topic("t", 2);
    let interval = |rig: &mut Rig, ask: ConsumerHeartbeat| {
        rig.ask(ask).expect("not refused").heartbeat_interval_ms
    };
    assert_eq!(interval(&mut rig, first("a")), 5_000);
    rig.pass(1_000);
    assert_eq!(
        interval(&mut rig, first("b")),
        200,
        "it waits for partitions"
    );
    assert_eq!(
        interval(&mut rig, beat("a", 2)),
        200,
        "it is to give one up"
    );
    assert_eq!(interval(&mut rig, owning("a", 2, topic, &[0])), 5_000);
    assert_eq!(interval(&mut rig, beat("b", 3)), 5_000);
    rig.set("consumer.heartbeat.interval.ms", 7_000);
    assert_eq!(interval(&mut rig, beat("b", 3)), 7_000);
}

#[test]
fn assignments_are_made_once_in_an_interval() {
    let mut rig = rig();
    rig.topic("t", 4);
    assert_eq!(rig.told(first("a")), (2, Some(vec![0, 1, 2, 3])));
    for member in ["b", "c", "d"] {
        // They get an epoch, and nothing in it yet.
        assert_eq!(rig.told(first(member)), (2, Some(vec![])));
    }
    assert_eq!(rig.state(), Some("Assigning"));
    let described = rig.described();
    assert_eq!((described.epoch, described.target_epoch), (5, 2));
    rig.pass(1_000);
    assert_eq!(rig.state(), Some("Reconciling"), "a timer has made it");
    assert_eq!(rig.told(beat("a", 2)), (2, Some(vec![0])));
    rig.set("consumer.assignment.interval.ms", 0);
    assert_eq!(rig.told(beat("d", -1)), (-1, None));
    assert_eq!(rig.described().target_epoch, 6);
}

#[test]
fn topics_that_come_grow_and_go_are_followed() {
    let mut rig = rig();
    assert_eq!(
        rig.told(first("a")),
        (2, Some(vec![])),
        "there is no such topic"
    );
    let topic = rig.topic("t", 1);
    rig.pass(1_000);
    assert_eq!(rig.told(beat("a", 2)), (3, Some(vec![0])));
    rig.topic("t", 3);
    rig.pass(1_000);
    assert_eq!(rig.told(beat("a", 3)), (4, Some(vec![0, 1, 2])));
    rig.told(owning("a", 4, topic, &[0, 1, 2]));
    rig.topic("other", 3);
    rig.pass(1_000);
    assert_eq!(
        rig.told(beat("a", 4)),
        (4, None),
        "it is nobody's business here"
    );
    rig.delete_topic("t");
    rig.pass(1_000);
    assert_eq!(
        rig.told(owning("a", 4, topic, &[0, 1, 2])),
        (4, Some(vec![]))
    );
    assert_eq!(rig.told(owning("a", 4, topic, &[])), (5, None));
    assert_eq!(rig.state(), Some("Stable"));
}

#[test]
fn a_member_that_is_silent_or_keeps_what_it_is_to_give_up_is_removed() {
    let mut rig = rig();
    let topic = rig.topic("t", 2);
    rig.told(first("a"));
    rig.pass(1_000);
    rig.told(first("b"));
    assert_eq!(rig.told(beat("a", 2)), (2, Some(vec![0])));
    for _ in 0..12 {
        rig.pass(4_900);
        rig.told(owning("a", 2, topic, &[0, 1]));
        rig.told(beat("b", 3));
    }
    rig.pass(2_000);
    assert_eq!(
        rig.refused(owning("a", 2, topic, &[0, 1])),
        ErrorCode::UnknownMemberId
    );
    assert_eq!(rig.told(beat("b", 3)), (4, Some(vec![0, 1])));
    rig.pass(45_000);
    assert_eq!(rig.state(), Some("Empty"));
    assert_eq!(rig.coordinator.counters().expired_members.get(), 2);
}

#[test]
fn sessions_and_what_is_to_be_given_up_go_on_after_a_load() {
    let mut rig = rig();
    rig.topic("t", 2);
    rig.told(first("a"));
    rig.pass(1_000);
    rig.told(first("b"));
    rig.told(beat("a", 2));
    rig.reload();
    for _ in 0..14 {
        rig.pass(4_000);
        rig.told(beat("a", 2));
        rig.told(beat("b", 3));
    }
    rig.pass(4_001);
    assert_eq!(
        rig.refused(beat("a", 2)),
        ErrorCode::UnknownMemberId,
        "it had its time"
    );
    rig.reload();
    rig.pass(44_999);
    assert_eq!(rig.state(), Some("Reconciling"));
    rig.pass(1);
    assert_eq!(rig.state(), Some("Empty"));
}

#[test]
fn heartbeats_that_come_twice_or_late_fence_nobody() {
    let mut rig = rig();
    let topic = rig.topic("t", 2);
    let full = |epoch, partitions: &[i32]| ConsumerHeartbeat {
        rebalance_timeout_ms: Some(REBALANCE_MS),
        names: Some(vec!["t".into()]),
        ..owning("a", epoch, topic, partitions)
    };
    assert_eq!(rig.told(first("a")), (2, Some(vec![0, 1])));
    // It joins again, or its request was sent again.
    assert_eq!(rig.told(first("a")), (2, Some(vec![0, 1])));
    assert_eq!(rig.told(full(2, &[0, 1])), (2, Some(vec![0, 1])));
    rig.pass(1_000);
    assert_eq!(rig.told(first("b")), (3, Some(vec![])));
    for _ in 0..2 {
        assert_eq!(rig.told(full(2, &[0, 1])), (2, Some(vec![0])));
    }
    assert_eq!(rig.told(full(2, &[0])), (3, Some(vec![0])));
    // The answer was lost.
    assert_eq!(rig.told(full(2, &[0])), (3, Some(vec![0])));
    assert_eq!(
        rig.told(beat("a", 2)),
        (3, Some(vec![0])),
        "Kafka fences it"
    );
    // One from before it gave 1 up.
    assert_eq!(
        rig.told(full(2, &[0, 1])),
        (3, Some(vec![0])),
        "Kafka fences it"
    );
    assert_eq!(
        rig.told(beat("b", 3)),
        (3, Some(vec![1])),
        "and 1 is free all the same"
    );
    assert_eq!(rig.told(beat("b", -1)), (-1, None));
    rig.pass(1_000);
    assert_eq!(rig.told(beat("a", 3)), (4, Some(vec![0, 1])));
    // Two answers were lost.
    assert_eq!(
        rig.told(beat("a", 2)),
        (4, Some(vec![0, 1])),
        "Kafka fences it"
    );
    let other = ConsumerHeartbeat {
        names: Some(vec!["other".into()]),
        ..beat("a", 2)
    };
    assert_eq!(
        rig.refused(other),
        ErrorCode::FencedMemberEpoch,
        "what it asks for would be lost"
    );
    assert_eq!(rig.refused(beat("a", 5)), ErrorCode::FencedMemberEpoch);
    // A late one does not keep a member in the group.
    rig.pass(44_000);
    rig.told(beat("a", 2));
    rig.pass(1_000);
    assert_eq!(rig.state(), Some("Empty"));
}

#[test]
fn a_static_member_comes_back_to_what_it_had() {
    let mut rig = rig();
    rig.topic("t", 3);
    let of_instance = |ask: ConsumerHeartbeat| ConsumerHeartbeat {
        instance: Some("i".into()),
        ..ask
    };
    assert_eq!(rig.told(of_instance(first("a"))), (2, Some(vec![0, 1, 2])));
    assert_eq!(
        rig.refused(of_instance(first("b"))),
        ErrorCode::UnreleasedInstanceId
    );
    assert_eq!(
        rig.refused(of_instance(beat("b", 2))),
        ErrorCode::FencedInstanceId
    );
    assert_eq!(
        rig.refused(of_instance(beat("b", -1))),
        ErrorCode::FencedInstanceId
    );
    assert_eq!(rig.told(of_instance(beat("a", -2))), (-2, None));
    rig.pass(2_000);
    rig.reload();
    assert_eq!(
        rig.told(of_instance(first("b"))),
        (2, Some(vec![0, 1, 2])),
        "no new epoch"
    );
    assert_eq!(
        rig.refused(of_instance(beat("a", 2))),
        ErrorCode::FencedInstanceId
    );
    assert_eq!(rig.described().members.len(), 1);
    assert_eq!(rig.told(of_instance(beat("b", -2))), (-2, None));
    assert_eq!(
        rig.told(of_instance(first("b"))),
        (2, Some(vec![0, 1, 2])),
        "the same process"
    );
    assert_eq!(rig.told(of_instance(beat("b", -2))), (-2, None));
    rig.pass(45_000);
    assert_eq!(rig.state(), Some("Empty"), "it has been away for too long");
    assert_eq!(
        rig.refused(of_instance(beat("b", 2))),
        ErrorCode::UnknownMemberId
    );
}

#[test]
fn requests_that_make_no_sense_are_refused_in_words() {
    let mut rig = rig_with(GroupConfig {
        consumer_members_max: 1,
        ..GroupConfig::default()
    });
    let invalid = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    let cases: [(ConsumerHeartbeat, &str); 11] = [
        (
            ConsumerHeartbeat {
                group: " ".into(),
                ..first("a")
            },
            "GroupId can't be empty.",
        ),
        (first(""), "MemberId can't be empty."),
        (
            ConsumerHeartbeat {
                may_be_unnamed: true,
                ..beat("", 1)
            },
            "MemberId can't be empty.",
        ),
        (
            ConsumerHeartbeat {
                instance: Some("".into()),
                ..first("a")
            },
            "InstanceId can't be empty.",
        ),
        (
            ConsumerHeartbeat {
                rack: Some("".into()),
                ..first("a")
            },
            "RackId can't be empty.",
        ),
        (beat("a", -3), "MemberEpoch is invalid."),
        (beat("a", -2), "InstanceId can't be null."),
        (
            ConsumerHeartbeat {
                rebalance_timeout_ms: None,
                ..first("a")
            },
            "RebalanceTimeoutMs must be provided in first request.",
        ),
        (
            ConsumerHeartbeat {
                owned: None,
                ..first("a")
            },
            "TopicPartitions must be empty when (re-)joining.",
        ),
        (
            ConsumerHeartbeat {
                owned: Some([(Uuid::from_u128(1), 0)].into()),
                ..first("a")
            },
            "TopicPartitions must be empty when (re-)joining.",
        ),
        (
            ConsumerHeartbeat {
                names: None,
                ..first("a")
            },
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
    ];
    for (ask, message) in cases {
        assert_eq!(rig.ask(ask), invalid(message));
    }
    let assignor = ConsumerHeartbeat {
        assignor: Some("mine".into()),
        ..first("a")
    };
    let refusal = rig.ask(assignor).expect_err("refused");
    assert_eq!(refusal.error, ErrorCode::UnsupportedAssignor);
    assert!(
        refusal.message.contains("uniform, range"),
        "{}",
        refusal.message
    );
    assert_eq!(rig.refused(beat("a", 1)), ErrorCode::GroupIdNotFound);
    assert_eq!(rig.refused(beat("a", -1)), ErrorCode::GroupIdNotFound);
    assert_eq!(rig.state(), None);

    let unnamed = ConsumerHeartbeat {
        may_be_unnamed: true,
        ..first("")
    };
    let answer = rig.ask(unnamed).expect("a member");
    assert_eq!(&*answer.member, "00000000-0000-0000-0000-000000000abc");
    assert_eq!(rig.refused(first("b")), ErrorCode::GroupMaxSizeReached);
    assert_eq!(rig.refused(beat("b", 1)), ErrorCode::UnknownMemberId);
}

#[test]
fn members_of_all_groups_together_are_bounded() {
    let mut rig = rig_with(GroupConfig {
        member_bytes_max: 2_000,
        ..GroupConfig::default()
    });
    let joins = (0..10).map(|number| rig.ask(first(&format!("m{number}"))));
    let refused = joins.filter(|reply| reply.is_err()).count();
    assert!((1..10).contains(&refused), "{refused}");
}

#[test]
fn what_a_heartbeat_of_before_does_not_name_is_not_given_up() {
    let mut rig = rig();
    let topic = rig.topic("t", 1);
    rig.told(first("b"));
    rig.pass(1_000);
    let (epoch, _) = rig.told(first("a"));
    rig.told(beat("b", -1));
    rig.pass(1_000);
    // It has nothing, says so, and is given all there is.
    assert_eq!(rig.told(owning("a", epoch, topic, &[])), (4, Some(vec![0])));
    let (joined, _) = rig.told(ConsumerHeartbeat {
        rack: Some("near".into()),
        ..first("c")
    });
    rig.told(ConsumerHeartbeat {
        names: Some(vec!["other".into()]),
        ..beat("a", 4)
    });
    rig.pass(1_000);
    // It is to give it up, but has not said yet that it has got it; nor does its last heartbeat, delivered again.
    assert_eq!(rig.told(owning("a", 4, topic, &[])), (4, Some(vec![0])));
    let epoch = rig.described().epoch;
    assert_eq!(rig.told(beat("c", joined)), (epoch, None), "it is not free");
    assert_eq!(rig.told(owning("a", 4, topic, &[0])), (4, Some(vec![])));
    assert_eq!(rig.told(owning("a", 4, topic, &[])), (epoch, None));
    assert_eq!(rig.told(beat("c", epoch)), (epoch, Some(vec![0])));
}

#[test]
fn how_long_a_group_is_not_at_rest_is_counted() {
    let mut rig = rig();
    let topic = rig.topic("t", 2);
    rig.told(first("a"));
    let (settled, _) = counted(&rig);
    rig.told(owning("a", 2, topic, &[0, 1]));
    rig.pass(1_000);
    rig.told(first("b"));
    rig.pass(300);
    assert_eq!(counted(&rig), (settled, 0));
    rig.told(beat("a", 2));
    rig.pass(400);
    rig.told(owning("a", 2, topic, &[0]));
    rig.told(beat("b", 3));
    assert_eq!(rig.state(), Some("Stable"));
    assert_eq!(counted(&rig), (settled + 1, 700));
}

fn counted(rig: &Rig) -> (u64, u64) {
    let counters = rig.coordinator.counters();
    (counters.settled.get(), counters.unsettled_ms.get())
}
