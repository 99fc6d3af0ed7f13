//! Random lives of a group: nothing panics, each request is answered once and in the end, and what is loaded is what was there.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Join {
        client: u8,
        again: bool,
        is_static: bool,
        other_protocol: bool,
        two_steps: bool,
    },
    Sync {
        client: u8,
        late: bool,
    },
    Heartbeat {
        client: u8,
    },
    Leave {
        client: u8,
    },
    Commit {
        client: u8,
        as_member: bool,
    },
    Pass {
        millis: i32,
    },
    Delete,
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0u8..4;
    prop_oneof![
        6 => (client.clone(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.1), any::<bool>()).prop_map(
            |(client, again, is_static, other_protocol, two_steps)| Step::Join {
                client, again, is_static, other_protocol, two_steps,
            }
        ),
        6 => (client.clone(), prop::bool::weighted(0.1)).prop_map(|(client, late)| Step::Sync { client, late }),
        4 => client.clone().prop_map(|client| Step::Heartbeat { client }),
        2 => client.clone().prop_map(|client| Step::Leave { client }),
        3 => (client, any::<bool>()).prop_map(|(client, as_member)| Step::Commit { client, as_member }),
        4 => prop_oneof![Just(100), Just(3_000), Just(9_000), Just(61_000)].prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Delete),
        1 => Just(Step::Reload),
    ]
}

struct Client {
    member: Option<Arc<str>>,
    generation: i32,
    joining: Option<Ticket>,
}

/// Learns what was answered to those who wait.
fn listen(rig: &mut Rig, clients: &mut [Client]) {
    for client in clients {
        let Some(ticket) = client.joining else {
            continue;
        };
        let Some(reply) = rig.reply::<JoinGroup>(ticket) else {
            continue;
        };
        client.joining = None;
        match (reply.error, reply.joined) {
            (ErrorCode::None, Some(joined)) => {
                client.generation = joined.generation;
                client.member = reply.member;
            }
            (ErrorCode::MemberIdRequired, None) => client.member = reply.member,
            (_, None) => client.member = None,
            (error, Some(_)) => panic!("joined with {error:?}"),
        }
    }
}

fn run(steps: &[Step]) {
    let mut rig = rig();
    let mut clients: Vec<Client> = (0..4)
        .map(|_| Client {
            member: None,
            generation: 0,
            joining: None,
        })
        .collect();
    let mut lives = 0u128;
    for step in steps {
        match step {
            Step::Join {
                client,
                again,
                is_static,
                other_protocol,
                two_steps,
            } => {
                lives += 1;
                let at = usize::from(*client);
                let ask = JoinGroup {
                    member: clients[at].member.clone().filter(|_| *again),
                    instance: is_static.then(|| format!("i{client}").into()),
                    protocols: protocols(if *other_protocol {
                        &["x", "range"]
                    } else {
                        &["range"]
                    }),
                    is_to_know_its_id: *two_steps,
                    new_member: Uuid::from_u128(lives),
                    ..new_member("c")
                };
                clients[at].joining = Some(rig.send(ask));
            }
            Step::Sync { client, late } => {
                let client = &clients[usize::from(*client)];
                let Some(member) = client.member.clone() else {
                    continue;
                };
                let generation = client.generation - i32::from(*late);
                rig.sync(&member, generation, &[(&member, "mine")]);
            }
            Step::Heartbeat { client } => {
                let client = &clients[usize::from(*client)];
                let Some(member) = client.member.clone() else {
                    continue;
                };
                rig.heartbeat(&member, client.generation);
            }
            Step::Leave { client } => {
                let Some(member) = clients[usize::from(*client)].member.clone() else {
                    continue;
                };
                let _ = rig.leave(&member);
            }
            Step::Commit { client, as_member } => {
                let client = &clients[usize::from(*client)];
                let partition = CommitPartition {
                    partition: 0,
                    offset: rig.now.monotonic_ms,
                    leader_epoch: None,
                    metadata: "".into(),
                };
                let _ = rig.ask(CommitOffsets {
                    group: "g".into(),
                    member: client.member.clone().filter(|_| *as_member),
                    instance: None,
                    generation: as_member.then_some(client.generation),
                    knows_epochs: true,
                    retention_ms: None,
                    topics: vec![CommitTopic {
                        topic: "t".into(),
                        partitions: vec![partition],
                    }],
                });
            }
            Step::Pass { millis } => rig.pass(*millis),
            Step::Delete => _ = rig.ask(DeleteGroup { group: "g".into() }),
            Step::Reload => {
                let committed = recorded(&rig);
                rig.reload();
                assert_eq!(recorded(&rig), committed, "what was recorded is there");
                // Nobody who waited will be answered.
                rig.replies.clear();
                for client in &mut clients {
                    client.joining = None;
                }
            }
        }
        listen(&mut rig, &mut clients);
    }
    // In the end nobody is heard of, and nobody waits.
    rig.pass(700_000);
    listen(&mut rig, &mut clients);
    let waits = clients.iter().filter(|client| client.joining.is_some());
    // One that a later request of the same client took the place of was answered as well, and is not asked for here.
    assert_eq!(waits.count(), 0, "a request is not answered");
    assert!(
        matches!(rig.state(), None | Some("Empty")),
        "{:?}",
        rig.state()
    );
}

/// Offsets, and the generation of a group that is stable.
fn recorded(rig: &Rig) -> (Vec<(String, i64)>, bool) {
    let groups: Vec<_> = rig.coordinator.groups().collect();
    let offsets = groups.iter().flat_map(|group| group.offsets());
    let offsets = offsets.map(|(topic, _, offset)| (topic.to_string(), offset));
    let is_stable = groups.iter().any(|group| group.state == "Stable");
    (offsets.collect(), is_stable || rig.has_recorded_members())
}

impl Rig {
    /// Whether the last record of the group has members: a group that is in the middle of a rebalance is loaded as it was before.
    fn has_recorded_members(&self) -> bool {
        let mut records = self.log.iter().rev();
        let last = records.find_map(|record| match record {
            GroupRecord::GroupMetadata { value, .. } => Some(value.as_ref()),
            _ => None,
        });
        last.flatten()
            .is_some_and(|value| !value.members.is_empty())
    }
}

proptest! {
    #[test]
    fn lives(steps in prop::collection::vec(step(), 1..60)) {
        run(&steps);
    }
}
