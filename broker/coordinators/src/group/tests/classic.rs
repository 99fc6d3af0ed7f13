//! The classic protocol. What is expected here is what Apache Kafka 4.3.1 does.

use super::*;

#[test]
fn members_come_together_and_are_assigned() {
    let mut rig = rig();
    let (a, join_a) = rig.join("a");
    rig.pass(1_000);
    let (b, join_b) = rig.join("b");
    assert_eq!(rig.state(), Some("PreparingRebalance"));
    // Somebody came, so the delay is there once more.
    rig.pass(4_999);
    assert!(rig.replies.is_empty());
    rig.pass(1);
    let (led, followed) = (rig.joined(join_a), rig.joined(join_b));
    assert_eq!((led.generation, &*led.protocol), (1, "range"));
    assert_eq!((&led.leader, &followed.leader), (&a, &a), "who came first");
    let members: Vec<_> = led.members.iter().map(|it| &it.member).collect();
    assert_eq!((members, followed.members.len()), (vec![&a, &b], 0));
    assert_eq!(rig.state(), Some("CompletingRebalance"));
    assert_eq!(rig.heartbeat(&b, 1), ErrorCode::None);

    let sync_b = rig.sync(&b, 1, &[]);
    assert!(rig.replies.is_empty(), "the leader has not assigned");
    let sync_a = rig.sync(&a, 1, &[(&a, "0"), (&b, "1")]);
    assert_eq!(rig.synced(sync_a), (ErrorCode::None, bytes("0")));
    assert_eq!(rig.synced(sync_b), (ErrorCode::None, bytes("1")));
    assert_eq!(rig.state(), Some("Stable"));
    // Sent again, it is answered again.
    let again = rig.sync(&b, 1, &[]);
    assert_eq!(rig.synced(again), (ErrorCode::None, bytes("1")));
}

#[test]
fn a_member_more_or_less_is_a_rebalance() {
    let mut rig = quick();
    let a = rig.alone();
    let (b, join_b) = rig.join("b");
    assert_eq!(rig.heartbeat(&a, 1), ErrorCode::RebalanceInProgress);
    let join_a = rig.send(JoinGroup {
        member: Some(Arc::clone(&a)),
        ..new_member("c")
    });
    assert_eq!(rig.joined(join_a).generation, 2);
    assert_eq!(rig.joined(join_b).generation, 2);
    assert_eq!(rig.heartbeat(&a, 1), ErrorCode::IllegalGeneration);
    let sync_b = rig.sync(&b, 2, &[]);
    // A member leaves before the leader has assigned.
    assert_eq!(rig.leave(&a).expect("known")[0].1, ErrorCode::None);
    assert_eq!(rig.synced(sync_b).0, ErrorCode::RebalanceInProgress);
    let join_b = rig.send(JoinGroup {
        member: Some(Arc::clone(&b)),
        ..new_member("b")
    });
    let joined = rig.joined(join_b);
    assert_eq!((joined.generation, &joined.leader), (3, &b));
    assert_eq!(rig.leave(&b).expect("known")[0].1, ErrorCode::None);
    assert_eq!(rig.state(), Some("Empty"));
    assert_eq!(rig.heartbeat(&b, 4), ErrorCode::UnknownMemberId);
}

#[test]
fn who_does_not_come_again_is_left_behind() {
    let mut rig = quick();
    let a = rig.alone();
    let (b, join_b) = rig.join("b");
    // It is alive, but stays away.
    for _ in 0..12 {
        rig.pass(5_000);
        let code = rig.heartbeat(&a, 1);
        assert!([ErrorCode::RebalanceInProgress, ErrorCode::UnknownMemberId].contains(&code));
    }
    let joined = rig.joined(join_b);
    let members: Vec<_> = joined.members.iter().map(|it| &it.member).collect();
    assert_eq!((members, joined.leader), (vec![&b], Arc::clone(&b)));
}

#[test]
fn who_is_silent_expires() {
    let mut rig = quick();
    let a = rig.alone();
    rig.pass(SESSION_MS - 1);
    assert_eq!(rig.heartbeat(&a, 1), ErrorCode::None);
    rig.pass(SESSION_MS - 1);
    assert_eq!(rig.state(), Some("Stable"));
    rig.pass(1);
    assert_eq!(rig.state(), Some("Empty"));
    assert_eq!(rig.coordinator.counters().expired_members.get(), 1);
}

#[test]
fn a_leader_that_never_assigns_is_left_behind() {
    let mut rig = quick();
    let (a, join_a) = rig.join("a");
    let joined = rig.joined(join_a);
    for _ in 0..11 {
        rig.pass(5_000);
        assert_eq!(rig.heartbeat(&a, joined.generation), ErrorCode::None);
    }
    rig.pass(5_000);
    assert_eq!(rig.state(), Some("Empty"));
}

#[test]
fn an_id_that_is_not_used_is_forgotten() {
    let mut rig = quick();
    let first = rig.ask(JoinGroup {
        is_to_know_its_id: true,
        ..new_member("a")
    });
    assert_eq!(
        (first.error, rig.state()),
        (ErrorCode::MemberIdRequired, Some("Empty"))
    );
    rig.pass(SESSION_MS);
    assert_eq!(rig.state(), Some("Empty"));
    rig.reload();
    assert_eq!(rig.state(), Some("Empty"), "the group is known");
    rig.pass(600_000);
    assert_eq!(rig.state(), None, "nothing is left of it");
    let late = rig.ask(JoinGroup {
        member: first.member,
        ..new_member("a")
    });
    assert_eq!(late.error, ErrorCode::UnknownMemberId);
    rig.reload();
    assert_eq!(rig.state(), None);
}

#[test]
fn a_pending_member_holds_up_the_others_until_its_session_ends() {
    let mut rig = quick();
    let a = rig.alone();
    rig.ask(JoinGroup {
        is_to_know_its_id: true,
        ..new_member("b")
    });
    let again = rig.send(JoinGroup {
        member: Some(Arc::clone(&a)),
        ..new_member("c")
    });
    assert!(rig.replies.is_empty());
    rig.pass(SESSION_MS);
    assert_eq!(rig.joined(again).generation, 2);
}

#[test]
fn the_group_does_not_need_a_generation_for_what_members_know() {
    let mut rig = quick();
    let a = rig.alone();
    let (b, join_b) = rig.join("b");
    let join_a = rig.send(JoinGroup {
        member: Some(Arc::clone(&a)),
        ..new_member("c")
    });
    let again = |member: &Arc<str>| JoinGroup {
        member: Some(Arc::clone(member)),
        ..new_member("x")
    };
    assert_eq!(rig.joined(join_a).members.len(), 2);
    assert_eq!(rig.joined(join_b).members.len(), 0);
    // An answer was lost: the leader's has the members, the other's has none.
    let lost = rig.ask(again(&a)).joined.expect("the same generation");
    assert_eq!((lost.generation, lost.members.len()), (2, 2));
    let ticket = rig.sync(&a, 2, &[(&a, "0"), (&b, "1")]);
    assert_eq!(rig.synced(ticket).0, ErrorCode::None);
    let lost = rig.ask(again(&b)).joined.expect("the same generation");
    assert_eq!((lost.generation, lost.members.len()), (2, 0));
    // Another subscription, and a leader that joins again, are a rebalance.
    let changed = JoinGroup {
        protocols: protocols(&["range", "other"]),
        ..again(&b)
    };
    let join_b = rig.send(changed);
    let join_a = rig.send(again(&a));
    assert_eq!(
        (rig.joined(join_a).generation, rig.joined(join_b).generation),
        (3, 3)
    );
}

#[test]
fn a_request_sent_again_takes_the_place_of_the_first() {
    let mut rig = rig();
    let (a, first) = rig.join("a");
    let second = rig.send(JoinGroup {
        member: Some(Arc::clone(&a)),
        ..new_member("a")
    });
    let superseded = rig.reply::<JoinGroup>(first).expect("an answer");
    assert_eq!(superseded.error, ErrorCode::RebalanceInProgress);
    rig.pass(6_000);
    let joined = rig.joined(second);
    let first = rig.sync(&a, 1, &[]);
    assert_eq!(
        rig.synced(first).0,
        ErrorCode::None,
        "a leader that assigns nothing"
    );
    assert_eq!(joined.members.len(), 1);
}

#[test]
fn the_assignor_is_one_that_all_have_and_most_prefer() {
    let mut rig = rig();
    let offers = [
        ("a", ["sticky", "range"]),
        ("b", ["range", "sticky"]),
        ("c", ["range", "sticky"]),
    ];
    let mut tickets = Vec::new();
    for (client, names) in offers {
        let ask = JoinGroup {
            protocols: protocols(&names),
            ..new_member(client)
        };
        tickets.push(rig.send(ask));
    }
    let refused = rig.ask(JoinGroup {
        protocols: protocols(&["cooperative"]),
        ..new_member("d")
    });
    assert_eq!(refused.error, ErrorCode::InconsistentGroupProtocol);
    // A name that is offered twice counts once.
    let twice = JoinGroup {
        protocols: protocols(&["sticky", "sticky", "range"]),
        ..new_member("e")
    };
    tickets.push(rig.send(twice));
    rig.pass(20_000);
    for ticket in tickets {
        // Two for each: the earliest member prefers this one.
        assert_eq!(&*rig.joined(ticket).protocol, "sticky");
    }
}

#[test]
fn refusals_are_kafkas() {
    let mut rig = rig_with(GroupConfig {
        members_max: 1,
        initial_rebalance_delay_ms: 0,
        ..GroupConfig::default()
    });
    let code = |rig: &mut Rig, ask: JoinGroup| rig.ask(ask).error;
    let unknown: Option<Arc<str>> = Some("x".into());
    let cases = [
        (
            JoinGroup {
                group: "".into(),
                ..new_member("a")
            },
            ErrorCode::InvalidGroupId,
        ),
        (
            JoinGroup {
                session_timeout_ms: 5_999,
                ..new_member("a")
            },
            ErrorCode::InvalidSessionTimeout,
        ),
        (
            JoinGroup {
                session_timeout_ms: 1_800_001,
                ..new_member("a")
            },
            ErrorCode::InvalidSessionTimeout,
        ),
        (
            JoinGroup {
                member: unknown.clone(),
                ..new_member("a")
            },
            ErrorCode::UnknownMemberId,
        ),
        (
            JoinGroup {
                protocols: Vec::new(),
                ..new_member("a")
            },
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            JoinGroup {
                protocol_type: "".into(),
                ..new_member("a")
            },
            ErrorCode::InconsistentGroupProtocol,
        ),
    ];
    for (ask, expected) in cases {
        assert_eq!(code(&mut rig, ask), expected);
    }
    assert_eq!(rig.state(), None, "a refusal makes no group");
    let a = rig.alone();
    assert_eq!(
        code(&mut rig, new_member("b")),
        ErrorCode::GroupMaxSizeReached
    );
    let connect = JoinGroup {
        protocol_type: "connect".into(),
        ..new_member("b")
    };
    rig.config.members_max = 9;
    rig.reload();
    assert_eq!(
        code(&mut rig, connect),
        ErrorCode::InconsistentGroupProtocol
    );
    assert_eq!(
        code(
            &mut rig,
            JoinGroup {
                member: unknown,
                ..new_member("a")
            }
        ),
        ErrorCode::UnknownMemberId
    );

    let sync = |rig: &mut Rig, change: &dyn Fn(&mut SyncGroup)| {
        let mut ask = SyncGroup {
            group: "g".into(),
            generation: 1,
            member: Arc::clone(&a),
            instance: None,
            protocol_type: Some("consumer".into()),
            protocol: Some("range".into()),
            assignments: Vec::new(),
        };
        change(&mut ask);
        rig.ask(ask).error
    };
    assert_eq!(sync(&mut rig, &|_| {}), ErrorCode::None);
    assert_eq!(
        sync(&mut rig, &|ask| ask.group = "".into()),
        ErrorCode::InvalidGroupId
    );
    assert_eq!(
        sync(&mut rig, &|ask| ask.group = "none".into()),
        ErrorCode::UnknownMemberId
    );
    assert_eq!(
        sync(&mut rig, &|ask| ask.member = "x".into()),
        ErrorCode::UnknownMemberId
    );
    assert_eq!(
        sync(&mut rig, &|ask| ask.generation = 0),
        ErrorCode::IllegalGeneration
    );
    let other: Option<Arc<str>> = Some("other".into());
    assert_eq!(
        sync(&mut rig, &|ask| ask.protocol.clone_from(&other)),
        ErrorCode::InconsistentGroupProtocol
    );
    assert_eq!(
        sync(&mut rig, &|ask| ask.protocol_type.clone_from(&other)),
        ErrorCode::InconsistentGroupProtocol
    );
    assert_eq!(
        rig.leave(&"x".into()).expect("of each")[0].1,
        ErrorCode::UnknownMemberId
    );
    let nobody = LeaveGroup {
        group: "none".into(),
        members: Vec::new(),
    };
    assert_eq!(rig.ask(nobody), Ok(Vec::new()));
    let somebody = LeavingMember {
        member: Some("x".into()),
        instance: None,
    };
    let leave = |group: &str| LeaveGroup {
        group: group.into(),
        members: vec![somebody.clone()],
    };
    let unknown = (somebody.clone(), ErrorCode::UnknownMemberId);
    assert_eq!(rig.ask(leave("none")), Ok(vec![unknown]));
    assert_eq!(rig.ask(leave("")), Err(ErrorCode::InvalidGroupId));
}

#[test]
fn what_members_take_is_bounded() {
    let mut rig = rig_with(GroupConfig {
        initial_rebalance_delay_ms: 0,
        record_bytes_max: 4_000,
        member_bytes_max: 2_000,
        ..GroupConfig::default()
    });
    let with = |client: &str, bytes: usize| JoinGroup {
        protocols: vec![Protocol {
            name: "range".into(),
            metadata: Bytes::from(vec![0; bytes]),
        }],
        ..new_member(client)
    };
    assert_eq!(rig.ask(with("a", 1_000)).error, ErrorCode::InvalidRequest);
    assert_eq!(rig.state(), None);
    let a = rig.send(with("a", 900));
    let a = rig.joined(a).leader;
    // No room for another that is as large, and for a small one.
    let other = JoinGroup {
        group: "other".into(),
        ..with("b", 900)
    };
    assert_eq!(rig.ask(other.clone()).error, ErrorCode::GroupMaxSizeReached);
    let small = JoinGroup {
        group: "other".into(),
        ..with("b", 10)
    };
    let small = rig.send(small);
    assert_eq!(rig.joined(small).members.len(), 1);

    // An assignment that cannot be recorded is refused, and the others go on.
    let big = "x".repeat(4_000);
    let ticket = rig.sync(&a, 1, &[(&a, &big)]);
    assert_eq!(rig.synced(ticket).0, ErrorCode::UnknownServerError);
    assert_eq!(rig.state(), Some("PreparingRebalance"));
    let again = rig.send(JoinGroup {
        member: Some(Arc::clone(&a)),
        ..with("a", 900)
    });
    assert_eq!(rig.joined(again).generation, 2);
    let ticket = rig.sync(&a, 2, &[(&a, "all")]);
    assert_eq!(rig.synced(ticket), (ErrorCode::None, bytes("all")));
    rig.reload();
    assert_eq!(rig.ask(other.clone()).error, ErrorCode::GroupMaxSizeReached);
    rig.leave(&a).expect("known");
    let other = rig.send(other);
    assert_eq!(rig.joined(other).members.len(), 1, "there is room again");
}

#[test]
fn a_group_is_there_after_a_load() {
    let mut rig = quick();
    let a = rig.alone();
    rig.reload();
    assert_eq!(rig.state(), Some("Stable"));
    assert_eq!(rig.heartbeat(&a, 1), ErrorCode::None);
    let ticket = rig.sync(&a, 1, &[]);
    assert_eq!(rig.synced(ticket), (ErrorCode::None, bytes("all")));
    let described = rig.ask(DescribeGroup { group: "g".into() }).expect("there");
    assert_eq!(
        (&*described.protocol, described.members.len()),
        ("range", 1)
    );
    assert_eq!(&*described.members[0].client_host, "/127.0.0.1");
    // A member that is not there any more is heard of no more.
    rig.reload();
    rig.pass(SESSION_MS);
    assert_eq!(rig.state(), Some("Empty"));
    rig.reload();
    assert_eq!(rig.state(), Some("Empty"));
    assert_eq!(rig.ask(ListGroups)[0].state, "Empty");
}

#[test]
fn a_group_whose_first_members_never_came_is_known_until_it_is_deleted() {
    let mut rig = quick();
    let promised = |rig: &mut Rig| {
        let told = rig.ask(JoinGroup {
            is_to_know_its_id: true,
            ..new_member("a")
        });
        assert_eq!(told.error, ErrorCode::MemberIdRequired);
    };
    promised(&mut rig);
    rig.reload();
    assert_eq!(rig.state(), None, "nothing was recorded of it");
    promised(&mut rig);
    rig.pass(SESSION_MS);
    assert_eq!(rig.state(), Some("Empty"));
    rig.reload();
    assert_eq!(rig.state(), Some("Empty"));
    promised(&mut rig);
    let deleted = rig.ask(DeleteGroup { group: "g".into() });
    assert_eq!(deleted, ErrorCode::None);
    assert_eq!(rig.state(), None);
    rig.reload();
    assert_eq!(rig.state(), None);
}

#[test]
fn groups_belong_to_the_partition_that_java_says() {
    // "a".hashCode() is 97, and that of the last is the least there is.
    for (group, partition) in [("a", 47), ("group", 47), ("", 0), ("polygenelubricants", 0)] {
        assert_eq!(super::super::partition_of(group, 50), partition, "{group}");
    }
}
