//! Groups that change their protocol.

use protocol::consumer_protocol::{assignment, encode_assignment};

use super::consumer::{beat, first, owning};
use super::*;
use crate::group::MigrationPolicy;

/// Subscribed to `t`, owning `partitions` of it: version 1.
pub(super) fn metadata(partitions: &[i32]) -> Bytes {
    let mut metadata = b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\x01\0\x01t".to_vec();
    let count = i32::try_from(partitions.len()).expect("few");
    metadata.extend(count.to_be_bytes());
    metadata.extend(partitions.iter().flat_map(|it| it.to_be_bytes()));
    metadata.into()
}

fn join(member: Option<&Arc<str>>, client: &str, owned: &[i32]) -> JoinGroup {
    JoinGroup {
        member: member.cloned(),
        protocols: vec![Protocol {
            name: "range".into(),
            metadata: metadata(owned),
        }],
        ..new_member(client)
    }
}

fn assigned(partitions: &[i32]) -> Bytes {
    let topics = [("t", partitions.to_vec())];
    encode_assignment(&metadata(&[]), &topics)
        .expect("it fits")
        .freeze()
}

impl Rig {
    /// A classic group of one that has partitions 0 and 1 of `t`.
    fn classic_alone(&mut self) -> Arc<str> {
        let ticket = self.send(join(None, "c", &[]));
        let reply = self.reply::<JoinGroup>(ticket).expect("at once");
        let member = reply.member.expect("an id");
        let all = SyncGroup {
            assignments: vec![(Arc::clone(&member), assigned(&[0, 1]))],
            ..self.sync_of(&member, 1)
        };
        assert_eq!(self.ask(all).error, ErrorCode::None);
        member
    }

    fn sync_of(&self, member: &Arc<str>, generation: i32) -> SyncGroup {
        SyncGroup {
            group: "g".into(),
            generation,
            member: Arc::clone(member),
            instance: None,
            protocol_type: Some("consumer".into()),
            protocol: Some("range".into()),
            assignments: Vec::new(),
        }
    }

    /// Joins again, and asks for the assignment: the generation, and the partitions.
    fn rejoin(&mut self, member: &Arc<str>, owned: &[i32]) -> (i32, Vec<i32>) {
        let reply = self.ask(join(Some(member), "c", owned));
        assert_eq!(reply.error, ErrorCode::None);
        let joined = reply.joined.expect("a generation");
        assert_eq!(
            (&*joined.protocol_type, &*joined.protocol),
            ("consumer", "range")
        );
        let synced = self.ask(self.sync_of(member, joined.generation));
        assert_eq!(synced.error, ErrorCode::None);
        let topics = assignment(&synced.assignment).expect("well-formed");
        let partitions = topics.into_iter().flat_map(|(_, partitions)| partitions);
        (joined.generation, partitions.collect())
    }

    fn group_type(&mut self) -> &'static str {
        self.ask(ListGroups)[0].group_type
    }
}

#[test]
fn a_classic_group_takes_in_a_member_of_the_consumer_protocol_and_gives_it_its_share() {
    let mut rig = quick();
    let topic = rig.topic("t", 2);
    let member = rig.classic_alone();
    assert_eq!(rig.told(first("new")), (2, Some(vec![])));
    assert_eq!(rig.group_type(), "consumer");
    rig.reload();
    assert_eq!(rig.group_type(), "consumer");
    assert_eq!(rig.heartbeat(&member, 1), ErrorCode::RebalanceInProgress);
    assert_eq!(
        rig.rejoin(&member, &[0, 1]),
        (1, vec![0]),
        "it is to give 1 up"
    );
    assert_eq!(
        rig.heartbeat(&member, 1),
        ErrorCode::RebalanceInProgress,
        "and to say so"
    );
    assert_eq!(
        rig.told(beat("new", 2)),
        (2, Some(vec![])),
        "once more, since what it was told last is not in the log"
    );
    assert_eq!(rig.rejoin(&member, &[0]), (2, vec![0]));
    assert_eq!(rig.heartbeat(&member, 2), ErrorCode::None);
    assert_eq!(rig.told(beat("new", 2)), (2, Some(vec![1])));
    assert_eq!(rig.state(), Some("Stable"));
    let described = rig.described();
    assert!(described.members.iter().any(|it| it.is_classic));

    // The last of the consumer protocol leaves: the group is classic again, and has to rebalance.
    assert_eq!(rig.told(beat("new", -1)), (-1, None));
    assert_eq!(rig.group_type(), "classic");
    assert_eq!(rig.state(), Some("PreparingRebalance"));
    assert_eq!(rig.heartbeat(&member, 3), ErrorCode::RebalanceInProgress);
    let ticket = rig.send(join(Some(&member), "c", &[0]));
    assert_eq!(rig.joined(ticket).generation, 4);
    rig.reload();
    assert_eq!(rig.group_type(), "classic");
    assert_eq!(
        rig.refused(owning("new", 2, topic, &[1])),
        ErrorCode::GroupIdNotFound
    );
}

#[test]
fn one_that_comes_in_the_middle_of_a_rebalance_has_the_others_join_again() {
    let mut rig = quick();
    rig.topic("t", 2);
    let member = rig.classic_alone();
    // A second one joins; the first has not yet.
    let second = rig.send(join(None, "d", &[]));
    assert_eq!(rig.reply::<JoinGroup>(second), None, "it waits");
    rig.told(first("new"));
    let told = rig.reply::<JoinGroup>(second).expect("answered");
    assert_eq!(told.error, ErrorCode::RebalanceInProgress);
    let second = told.member.expect("an id");
    // What the first had is its own until it says otherwise.
    assert_eq!(rig.heartbeat(&member, 1), ErrorCode::RebalanceInProgress);
    let (_, of_first) = rig.rejoin(&member, &[0, 1]);
    assert_eq!(
        of_first.len(),
        1,
        "two others want a share, and there are two partitions"
    );
    let (_, of_second) = rig.rejoin(&second, &[]);
    assert_eq!(of_second, Vec::<i32>::new());
    rig.rejoin(&member, &of_first);
    assert_eq!(rig.state(), Some("Reconciling"));
}

/// How many partitions a member has.
fn has(member: &DescribedConsumerMember) -> usize {
    let topics = member.assigned.iter();
    topics.map(|topic| topic.partitions.len()).sum()
}

#[test]
fn one_that_has_not_heard_its_assignment_keeps_what_it_had_when_the_group_changes() {
    let mut rig = quick();
    rig.topic("t", 2);
    let member = rig.classic_alone();
    // A second one joins, so the first joins again; it keeps what it has meanwhile, as under the cooperative protocol.
    let second = rig.send(join(None, "d", &[]));
    let first_joins = rig.send(join(Some(&member), "c", &[0, 1]));
    assert_eq!(rig.joined(first_joins).generation, 2);
    let second = rig.reply::<JoinGroup>(second).expect("answered").member;
    // The leader gives one to nobody, so that the first gives it up. Both are slow to hear of it.
    let leader = SyncGroup {
        assignments: vec![(Arc::clone(&member), assigned(&[0]))],
        ..rig.sync_of(&member, 2)
    };
    rig.send(leader);
    rig.told(first("new"));
    let described = rig.described();
    let others = described.members.iter().filter(|it| it.member != member);
    assert_eq!(
        others.map(has).sum::<usize>(),
        0,
        "the first may have all of it still"
    );
    let of_first = rig.rejoin(&member, &[0, 1]).1;
    assert_eq!(of_first.len(), 1, "three want a share of two");
    let (_, of_first) = rig.rejoin(&member, &of_first);
    assert_eq!(of_first.len(), 1);
    rig.rejoin(&second.expect("an id"), &[]);
    rig.told(beat("new", 3));
    let described = rig.described();
    let all: usize = described.members.iter().map(has).sum();
    assert_eq!(all, 2, "what was given up is somebody else's");
}

#[test]
fn what_an_assignor_of_their_own_tells_members_keeps_a_group_classic() {
    let with_data = |assigned: Bytes| {
        let mut assignment = assigned.to_vec();
        assignment.truncate(assignment.len() - 4);
        assignment.extend(b"\0\0\0\x01x");
        Bytes::from(assignment)
    };
    for (assignor, is_known) in [("cooperative-sticky", true), ("mine", false)] {
        let mut rig = quick();
        rig.topic("t", 2);
        let join = |member: Option<&Arc<str>>, client| JoinGroup {
            protocols: vec![Protocol {
                name: assignor.into(),
                metadata: metadata(&[]),
            }],
            ..join(member, client, &[])
        };
        let member = rig.ask(join(None, "c")).member.expect("an id");
        let all = SyncGroup {
            protocol: Some(assignor.into()),
            assignments: vec![(Arc::clone(&member), with_data(assigned(&[0, 1])))],
            ..rig.sync_of(&member, 1)
        };
        assert_eq!(rig.ask(all).error, ErrorCode::None);
        // In the middle of a rebalance as well.
        rig.send(join(None, "d"));
        rig.send(join(Some(&member), "c"));
        assert_eq!(rig.state(), Some("CompletingRebalance"));
        let outcome = rig.ask(first("new"));
        assert_eq!(outcome.is_ok(), is_known, "{assignor}: {outcome:?}");
    }
}

#[test]
fn members_of_the_classic_protocol_join_a_group_of_the_other_and_are_fenced_if_they_do_not_follow()
{
    let mut rig = quick();
    let topic = rig.topic("t", 2);
    assert_eq!(rig.told(first("new")), (2, Some(vec![0, 1])));
    rig.pass(1_000);
    let told = rig.ask(JoinGroup {
        is_to_know_its_id: true,
        ..join(None, "c", &[])
    });
    assert_eq!(told.error, ErrorCode::MemberIdRequired);
    let member = told.member.expect("an id");
    assert_eq!(rig.rejoin(&member, &[]), (3, vec![]));
    assert_eq!(rig.told(beat("new", 2)), (2, Some(vec![0])));
    assert_eq!(rig.heartbeat(&member, 3), ErrorCode::None, "it has to wait");
    assert_eq!(rig.told(owning("new", 2, topic, &[0])), (3, None));
    assert_eq!(
        rig.heartbeat(&member, 3),
        ErrorCode::RebalanceInProgress,
        "now it is free"
    );
    assert_eq!(rig.rejoin(&member, &[]), (3, vec![1]));
    assert_eq!(rig.heartbeat(&member, 2), ErrorCode::IllegalGeneration);
    assert_eq!(rig.heartbeat(&"x".into(), 3), ErrorCode::UnknownMemberId);
    assert_eq!(
        rig.heartbeat(&"new".into(), 3),
        ErrorCode::UnknownMemberId,
        "not its protocol"
    );
    let odd = SyncGroup {
        protocol: Some("other".into()),
        ..rig.sync_of(&member, 3)
    };
    assert_eq!(rig.ask(odd).error, ErrorCode::InconsistentGroupProtocol);
    let odd = JoinGroup {
        protocol_type: "connect".into(),
        ..join(None, "c", &[])
    };
    assert_eq!(rig.ask(odd).error, ErrorCode::InconsistentGroupProtocol);

    // It is told to join again, and never does.
    rig.topic("t", 3);
    rig.pass(1_000);
    rig.told(beat("new", 3));
    for _ in 0..15 {
        rig.heartbeat(&member, 3);
        rig.pass(4_000);
        rig.told(beat("new", 4));
    }
    assert_eq!(rig.heartbeat(&member, 3), ErrorCode::UnknownMemberId);
    let late = rig.ask(join(Some(&member), "c", &[1]));
    assert_eq!(
        late.error,
        ErrorCode::UnknownMemberId,
        "it is to hear that what it has is lost"
    );
    // The other way out.
    let reply = rig.ask(join(None, "e", &[]));
    let other = reply.member.expect("an id");
    assert_eq!(rig.leave(&other).expect("of each")[0].1, ErrorCode::None);
    assert_eq!(
        rig.leave(&"new".into()).expect("of each")[0].1,
        ErrorCode::None,
        "an administrator removes members of both protocols"
    );
}

#[test]
fn an_empty_group_is_of_whatever_protocol_comes() {
    let policy = MigrationPolicy {
        upgrades: false,
        downgrades: false,
    };
    let mut rig = rig_with(GroupConfig {
        initial_rebalance_delay_ms: 0,
        migration: policy,
        ..GroupConfig::default()
    });
    rig.topic("t", 1);
    let member = rig.classic_alone();
    assert_eq!(
        rig.refused(first("new")),
        ErrorCode::GroupIdNotFound,
        "it is not to be changed"
    );
    assert_eq!(rig.group_type(), "classic");
    rig.leave(&member).expect("of each");
    assert_eq!(rig.told(first("new")), (2, Some(vec![0])));
    rig.reload();
    assert_eq!(rig.group_type(), "consumer");
    rig.told(beat("new", -1));
    rig.classic_alone();
    rig.reload();
    assert_eq!((rig.group_type(), rig.state()), ("classic", Some("Stable")));
}

#[test]
fn without_the_policy_a_group_of_classic_members_stays_of_the_consumer_protocol() {
    let policy = MigrationPolicy {
        upgrades: true,
        downgrades: false,
    };
    let mut rig = rig_with(GroupConfig {
        initial_rebalance_delay_ms: 0,
        migration: policy,
        ..GroupConfig::default()
    });
    rig.topic("t", 2);
    let member = rig.classic_alone();
    rig.told(first("new"));
    rig.told(beat("new", -1));
    assert_eq!(rig.group_type(), "consumer");
    rig.pass(1_000);
    assert_eq!(rig.rejoin(&member, &[0, 1]).1, [0, 1]);
}

#[test]
fn a_static_member_goes_from_one_protocol_to_the_other() {
    let mut rig = quick();
    rig.topic("t", 2);
    let of_instance = |ask: ConsumerHeartbeat| ConsumerHeartbeat {
        instance: Some("i".into()),
        ..ask
    };
    let classic = JoinGroup {
        instance: Some("i".into()),
        ..join(None, "c", &[])
    };
    let old = rig.ask(classic.clone()).member.expect("an id");
    let all = SyncGroup {
        instance: Some("i".into()),
        assignments: vec![(Arc::clone(&old), assigned(&[0, 1]))],
        ..rig.sync_of(&old, 1)
    };
    assert_eq!(rig.ask(all).error, ErrorCode::None);
    // Restarted with the other protocol: it need not wait for its session to end.
    let (_, partitions) = rig.told(of_instance(first("new")));
    assert_eq!(partitions, Some(vec![0, 1]));
    assert_eq!(rig.described().members.len(), 1);
    // And back: what was of the consumer protocol is away.
    rig.told(of_instance(beat("new", -2)));
    let back = JoinGroup {
        new_member: Uuid::from_u128(77),
        ..classic
    };
    let reply = rig.ask(back);
    assert_eq!(reply.error, ErrorCode::None);
    assert_eq!(rig.group_type(), "classic");
}
