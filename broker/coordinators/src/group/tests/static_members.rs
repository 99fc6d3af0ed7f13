//! Static members (KIP-345, KIP-814).

use super::*;

fn static_member(instance: &str, life: u128) -> JoinGroup {
    JoinGroup {
        instance: Some(instance.into()),
        is_to_know_its_id: true,
        new_member: Uuid::from_u128(life),
        ..new_member("s")
    }
}

/// A stable group of two static members, the first of which leads.
fn two() -> (Rig, [Arc<str>; 2]) {
    let mut rig = rig();
    let tickets = [1, 2].map(|life| rig.send(static_member(&format!("i{life}"), life)));
    rig.pass(10_000);
    let members = tickets.map(|ticket| {
        let reply = rig.reply::<JoinGroup>(ticket).expect("joined");
        reply.member.expect("an id")
    });
    let [a, b] = &members;
    assert!(a.starts_with("i1-"), "{a}");
    for member in [a, b] {
        let ticket = rig.sync(member, 1, &[(a, "0"), (b, "1")]);
        assert_eq!(rig.synced(ticket).0, ErrorCode::None);
    }
    (rig, members)
}

#[test]
fn one_that_comes_back_keeps_its_assignment_and_fences_its_former_life() {
    for can_skip_assignment in [true, false] {
        let (mut rig, [a, b]) = two();
        let back = rig.ask(JoinGroup {
            can_skip_assignment,
            ..static_member("i1", 3)
        });
        let joined = back.joined.expect("no rebalance");
        let again = back.member.expect("an id");
        assert_ne!(again, a);
        assert_eq!(joined.generation, 1);
        assert_eq!(joined.skip_assignment, can_skip_assignment);
        // An older client is not told that it leads: it would assign.
        let leader = if can_skip_assignment { &again } else { &a };
        let members = if can_skip_assignment { 2 } else { 0 };
        assert_eq!((&joined.leader, joined.members.len()), (leader, members));
        let ticket = rig.sync(&again, 1, &[]);
        assert_eq!(rig.synced(ticket), (ErrorCode::None, bytes("0")));

        let fenced = rig.ask(Heartbeat {
            group: "g".into(),
            generation: 1,
            member: Arc::clone(&a),
            instance: Some("i1".into()),
        });
        assert_eq!(fenced, ErrorCode::FencedInstanceId);
        assert_eq!(rig.heartbeat(&a, 1), ErrorCode::UnknownMemberId);
        assert_eq!(rig.heartbeat(&b, 1), ErrorCode::None);
        // The new id is recorded.
        rig.reload();
        assert_eq!(rig.heartbeat(&again, 1), ErrorCode::None);
        assert_eq!(rig.heartbeat(&a, 1), ErrorCode::UnknownMemberId);
    }
}

#[test]
fn one_that_offers_another_assignor_is_a_rebalance() {
    let (mut rig, [_, b]) = two();
    let back = rig.send(JoinGroup {
        protocols: protocols(&["sticky", "range"]),
        ..static_member("i1", 3)
    });
    // All still have the one that was chosen.
    assert_eq!(rig.joined(back).generation, 1);
    assert_eq!(rig.heartbeat(&b, 1), ErrorCode::None);
}

#[test]
fn one_that_is_away_is_waited_for_until_its_session_ends() {
    let (mut rig, [a, b]) = two();
    let (c, join_c) = rig.join("c");
    let join_b = rig.send(JoinGroup {
        member: Some(Arc::clone(&b)),
        ..static_member("i2", 2)
    });
    rig.pass(SESSION_MS);
    // It has not been heard of since.
    assert_eq!(rig.joined(join_b).generation, 2);
    let joined = rig.joined(join_c);
    assert_eq!((joined.generation, joined.members.len()), (2, 0));
    assert_eq!(rig.heartbeat(&a, 2), ErrorCode::UnknownMemberId);
    assert_eq!(rig.heartbeat(&c, 2), ErrorCode::None);
}

#[test]
fn one_that_waited_for_a_leader_that_is_gone_has_a_session_again() {
    let mut rig = rig();
    let tickets = [1, 2].map(|life| rig.send(static_member(&format!("i{life}"), life)));
    rig.pass(10_000);
    let [_, follower] = tickets.map(|ticket| {
        let reply = rig.reply::<JoinGroup>(ticket).expect("joined");
        reply.member.expect("an id")
    });
    let ticket = rig.sync(&follower, 1, &[]);
    rig.pass(SESSION_MS);
    assert_eq!(
        rig.synced(ticket).0,
        ErrorCode::RebalanceInProgress,
        "the leader is gone"
    );
    rig.pass(SESSION_MS + REBALANCE_MS);
    assert_eq!(rig.state(), Some("Empty"), "it is not heard of either");
}

#[test]
fn an_administrator_removes_one_by_its_instance() {
    let (mut rig, [a, b]) = two();
    let leaving = |member: Option<&Arc<str>>, instance: &str| LeavingMember {
        member: member.cloned(),
        instance: Some(instance.into()),
    };
    let members = vec![
        leaving(None, "i1"),
        leaving(None, "none"),
        leaving(Some(&a), "i2"),
        leaving(Some(&b), "i2"),
    ];
    let left = rig.ask(LeaveGroup {
        group: "g".into(),
        members: members.clone(),
    });
    let codes = [
        ErrorCode::None,
        ErrorCode::UnknownMemberId,
        ErrorCode::FencedInstanceId,
        ErrorCode::None,
    ];
    assert_eq!(left, Ok(members.into_iter().zip(codes).collect()));
    assert_eq!(rig.state(), Some("Empty"));
}

#[test]
fn a_waiting_former_life_is_told_that_it_is_fenced() {
    let mut rig = rig();
    let first = rig.send(static_member("i", 1));
    let second = rig.send(static_member("i", 2));
    let fenced = rig.reply::<JoinGroup>(first).expect("an answer");
    assert_eq!(fenced.error, ErrorCode::FencedInstanceId);
    rig.pass(10_000);
    assert_eq!(rig.joined(second).members.len(), 1);
}
