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
fn a_regular_expression_stands_for_the_topics_whose_whole_names_match() {
    let mut rig = rig();
    let matching = |member: &str, regex: &str| ConsumerHeartbeat {
        names: None,
        regex: Some(regex.into()),
        ..first(member)
    };
    assert_eq!(
        rig.told(matching("a", "t[0-9]*")),
        (1, Some(vec![])),
        "nothing, so far"
    );
    rig.topic("xt1", 5);
    rig.topic("t1x", 5);
    rig.pass(1_000);
    assert_eq!(rig.told(beat("a", 1)), (1, None));
    let topic = rig.topic("t1", 2);
    rig.pass(1_000);
    assert_eq!(rig.told(beat("a", 1)), (2, Some(vec![0, 1])));
    rig.pass(1_000);
    assert_eq!(rig.told(matching("b", "t[0-9]*")), (3, Some(vec![])));
    assert_eq!(rig.told(beat("a", 2)), (2, Some(vec![0])));
    rig.reload();
    rig.delete_topic("t1");
    rig.pass(1_000);
    assert_eq!(rig.told(owning("a", 2, topic, &[0])), (2, Some(vec![])));
    assert_eq!(rig.described().members[0].regex.as_deref(), Some("t[0-9]*"));
    // The last one that wanted it is gone: so is the expression.
    rig.told(beat("a", -1));
    let none = ConsumerHeartbeat {
        regex: Some("".into()),
        ..beat("b", 3)
    };
    rig.told(none);
    let last = rig.log.iter().rev().find_map(|record| match record {
        GroupRecord::RegularExpression { value, .. } => Some(value.is_none()),
        _ => None,
    });
    assert_eq!(last, Some(true));
}

#[test]
fn regular_expressions_that_would_take_too_long_are_given_up() {
    let mut rig = rig();
    rig.topic("abbaabab-c", 1);
    // Engines that never give up take seconds for it, with ten thousand names.
    let with = |member: &str, regex: &str| ConsumerHeartbeat {
        member: member.into(),
        names: None,
        regex: Some(regex.into()),
        ..first(member)
    };
    let hard = "(?:(?:[ab]|a[ab]|[ab]*b)?){100}.*c";
    let answer = rig.ask(with("a", hard)).expect("there are few topics");
    assert_eq!(answer.assignment.expect("told").len(), 1);
    for number in 1..500_u64 {
        // As good as random.
        let letters = (1..240).map(|at| match (number * at * at * 0x9e37_79b9) >> 32 & 1 {
            0 => 'a',
            _ => 'b',
        });
        rig.topic(&letters.collect::<String>(), 1);
    }
    let (_, told) = rig.told(beat("a", 1));
    assert_eq!(told, Some(vec![0]), "it has what it had");

    let harder = format!("{hard}?");
    let refusal = rig.ask(with("b", &harder)).expect_err("too hard by now");
    assert_eq!(refusal.error, ErrorCode::InvalidRegularExpression);
    let mut message = "SubscribedTopicRegex `".to_owned();
    message += &harder;
    message += "` is not a valid regular expression: it takes too long to match the names of the topics with it.";
    assert_eq!(refusal.message, message);
    assert_eq!(rig.described().members.len(), 1);
}

#[test]
fn regular_expressions_are_bounded_and_cannot_break_out() {
    let mut rig = rig();
    rig.topic("t", 1);
    rig.topic("tt", 1);
    let with = |regex: &str| ConsumerHeartbeat {
        names: None,
        regex: Some(regex.into()),
        ..first("a")
    };
    let huge = "a".repeat(5_000);
    let nested = format!("{}{}", "(".repeat(1_000), ")".repeat(1_000));
    for regex in [
        "[",
        "(",
        "t)|(t",
        "*",
        r"(?x) t #",
        "(.*){1000}{1000}",
        "a{1000000}",
        &huge,
        &nested,
    ] {
        let refusal = rig.ask(with(regex)).expect_err(regex);
        assert_eq!(
            refusal.error,
            ErrorCode::InvalidRegularExpression,
            "{regex}"
        );
        assert!(!refusal.message.is_empty());
        assert_eq!(rig.state(), None, "{regex}: nothing is left of it");
    }
    for (regex, matches) in [
        ("t", 1),
        ("t+", 2),
        (r"\w", 1),
        (r"\p{L}t", 1),
        ("(?i)T", 1),
        ("t|tt", 2),
    ] {
        let answer = rig.ask(with(regex)).expect(regex);
        assert_eq!(answer.assignment.expect("told").len(), matches, "{regex}");
        rig.told(beat("a", -1));
        rig.pass(1_000);
    }
    for number in 0..64 {
        let member = format!("m{number}");
        let ask = ConsumerHeartbeat {
            member: member.as_str().into(),
            ..with(&format!("x{number}"))
        };
        assert!(rig.ask(ask).is_ok());
    }
    assert_eq!(rig.refused(with("one more")), ErrorCode::InvalidRequest);
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
fn commits_and_reads_are_those_of_members_in_their_epoch() {
    let mut rig = rig();
    let topic = rig.topic("t", 2);
    rig.told(first("a"));
    let commit = |member: Option<&str>, epoch, partition, knows_epochs| CommitOffsets {
        group: "g".into(),
        member: member.map(Into::into),
        instance: None,
        generation: epoch,
        knows_epochs,
        retention_ms: None,
        topics: vec![CommitTopic {
            topic: "t".into(),
            partitions: vec![CommitPartition {
                partition,
                offset: 7,
                leader_epoch: None,
                metadata: "".into(),
            }],
        }],
    };
    let by = |epoch, partition| commit(Some("a"), Some(epoch), partition, true);
    assert_eq!(rig.ask(by(2, 0)), Ok(vec![ErrorCode::None]));
    assert_eq!(rig.ask(by(3, 0)), Err(ErrorCode::StaleMemberEpoch));
    assert_eq!(rig.ask(by(1, 0)), Ok(vec![ErrorCode::StaleMemberEpoch]));
    assert_eq!(
        rig.ask(commit(Some("a"), Some(2), 0, false)),
        Err(ErrorCode::UnsupportedVersion)
    );
    assert_eq!(
        rig.ask(commit(Some("x"), Some(2), 0, true)),
        Err(ErrorCode::UnknownMemberId)
    );
    assert_eq!(
        rig.ask(commit(None, None, 0, true)),
        Err(ErrorCode::UnknownMemberId)
    );

    rig.pass(1_000);
    rig.told(first("b"));
    rig.told(beat("a", 2));
    assert_eq!(
        rig.ask(by(2, 1)),
        Ok(vec![ErrorCode::None]),
        "it still has it"
    );
    rig.told(owning("a", 2, topic, &[0]));
    rig.told(beat("b", 3));
    // In an epoch before: where it has it still, and not where somebody else may.
    assert_eq!(rig.ask(by(2, 0)), Ok(vec![ErrorCode::None]));
    assert_eq!(rig.ask(by(2, 1)), Ok(vec![ErrorCode::StaleMemberEpoch]));
    rig.reload();
    assert_eq!(rig.ask(by(2, 0)), Ok(vec![ErrorCode::None]));

    let fetch = |member: Option<(&str, i32)>| FetchOffsets {
        group: "g".into(),
        member: member.map(|(member, epoch)| (member.into(), epoch)),
        topics: None,
    };
    assert!(rig.ask(fetch(None)).is_ok());
    assert!(rig.ask(fetch(Some(("a", 3)))).is_ok());
    assert_eq!(
        rig.ask(fetch(Some(("a", 2)))),
        Err(ErrorCode::StaleMemberEpoch)
    );
    assert_eq!(
        rig.ask(fetch(Some(("x", 3)))),
        Err(ErrorCode::UnknownMemberId)
    );

    let delete = DeleteOffsets {
        group: "g".into(),
        topics: vec![("t".into(), vec![0]), ("other".into(), vec![0])],
    };
    let outcomes = [ErrorCode::GroupSubscribedToTopic, ErrorCode::None];
    assert_eq!(rig.ask(delete), Ok(outcomes.to_vec()));
    assert_eq!(
        rig.ask(DeleteGroup { group: "g".into() }),
        ErrorCode::NonEmptyGroup
    );
}

#[test]
fn offsets_of_topics_that_nobody_is_subscribed_to_expire_and_the_group_with_the_last() {
    let mut rig = rig();
    rig.topic("t", 1);
    rig.told(first("a"));
    let commit = CommitOffsets {
        group: "g".into(),
        member: Some("a".into()),
        instance: None,
        generation: Some(2),
        knows_epochs: true,
        retention_ms: None,
        topics: vec![CommitTopic {
            topic: "t".into(),
            partitions: vec![CommitPartition {
                partition: 0,
                offset: 7,
                leader_epoch: None,
                metadata: "".into(),
            }],
        }],
    };
    assert_eq!(rig.ask(commit), Ok(vec![ErrorCode::None]));
    let day = 24 * 3_600_000;
    for _ in 0..8 * 24 * 120 {
        rig.pass(30_000);
        rig.told(beat("a", 2));
    }
    let offsets = |rig: &Rig| {
        rig.coordinator
            .groups()
            .next()
            .map(|group| group.offsets().count())
    };
    assert_eq!(offsets(&rig), Some(1), "it is read");
    rig.told(beat("a", -1));
    rig.pass(day);
    assert_eq!(
        rig.state(),
        None,
        "it was committed a week ago, and nobody reads it"
    );
    rig.reload();
    assert_eq!(rig.state(), None);
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
