//! Random lives of a group that consumers of both protocols are in, from one to the other and back. Whatever they do: no partition is read by
//! two, and in the end everything is somebody's.

use proptest::prelude::*;
use protocol::consumer_protocol::{assignment, encode_assignment, subscription};

use super::consumer::beat;
use super::consumer_random::Client as ConsumerClient;
use super::migration::metadata;
use super::*;

const PARTITIONS: i32 = 7;
/// Those before speak the classic protocol.
const FIRST_CONSUMER: usize = 3;
const CLIENTS: usize = 5;
/// Longer than a client may be silent: one that is removed for it does not know.
const REBALANCE_MS: i32 = 300_000;
const CONSUMER_SESSION_MS: i64 = 45_000;

#[derive(Clone, Debug)]
enum Step {
    /// A client does what is next; more often than not until there is nothing left to do.
    Act {
        client: usize,
        times: usize,
    },
    Leave {
        client: usize,
    },
    /// It is not heard of any more, and begins anew.
    Kill {
        client: usize,
    },
    /// It stands still until it acts again, and does not know for how long.
    Pause {
        client: usize,
    },
    Pass {
        millis: i32,
    },
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        20 => (client.clone(), 1usize..4).prop_map(|(client, times)| Step::Act { client, times }),
        1 => client.clone().prop_map(|client| Step::Leave { client }),
        1 => client.clone().prop_map(|client| Step::Kill { client }),
        1 => client.prop_map(|client| Step::Pause { client }),
        3 => prop_oneof![Just(100), Just(1_000), Just(6_000), Just(11_000), Just(46_000)]
            .prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Reload),
    ]
}

#[derive(Debug, Default)]
enum Phase {
    #[default]
    ToJoin,
    Joining(Ticket),
    /// With what it is to assign, if it is the leader.
    ToSync(Vec<(Arc<str>, Bytes)>),
    Syncing(Ticket),
    Member,
}

/// A consumer of the classic protocol, as clients are written.
#[derive(Debug, Default)]
struct ClassicClient {
    lives: u32,
    /// It keeps what it reads while others join (KIP-429).
    is_cooperative: bool,
    id: Option<Arc<str>>,
    generation: i32,
    phase: Phase,
    /// What it reads.
    owned: BTreeSet<i32>,
    /// When it was heard of last, and knows that it was.
    heard_ms: i64,
    /// It has been answered since then, though it has not looked.
    answered_ms: Option<i64>,
    is_paused: bool,
    /// It has stood still for so long that others may have what it reads, and has not heard yet whether it is still a member.
    is_stale: bool,
}

impl ClassicClient {
    fn name(&self) -> &'static str {
        match self.is_cooperative {
            true => "cooperative-sticky",
            false => "range",
        }
    }

    fn restart(&mut self) {
        *self = ClassicClient {
            lives: self.lives + 1,
            is_cooperative: self.is_cooperative,
            ..ClassicClient::default()
        };
    }

    /// When it goes on it asks again what it had asked: with the id that it has.
    fn go_stale(&mut self) {
        self.is_stale = true;
        if !matches!(self.phase, Phase::Member) {
            self.phase = Phase::ToJoin;
        }
    }

    /// Does one thing, if it has not to wait.
    fn act(&mut self, rig: &mut Rig, at: usize) {
        self.is_paused = false;
        match std::mem::take(&mut self.phase) {
            Phase::ToJoin => self.join(rig, at),
            Phase::Joining(ticket) => match rig.reply::<JoinGroup>(ticket) {
                Some(reply) => self.hear_joined(reply),
                None => self.phase = Phase::Joining(ticket),
            },
            Phase::ToSync(assignments) => {
                let ask = SyncGroup {
                    group: "g".into(),
                    generation: self.generation,
                    member: self.id.clone().expect("it has joined"),
                    instance: None,
                    protocol_type: Some("consumer".into()),
                    protocol: Some(self.name().into()),
                    assignments,
                };
                self.phase = Phase::Syncing(rig.send(ask));
            }
            Phase::Syncing(ticket) => match rig.reply::<SyncGroup>(ticket) {
                Some(reply) => self.hear_synced(&reply),
                None => self.phase = Phase::Syncing(ticket),
            },
            Phase::Member => {
                let id = self.id.clone().expect("a member has one");
                let error = rig.heartbeat(&id, self.generation);
                self.heard_ms = rig.now.monotonic_ms;
                self.is_stale &= error != ErrorCode::None;
                self.phase = Phase::Member;
                self.take(error);
            }
        }
    }

    /// It waits, or may: what it was answered is there now, and was not at `since_ms`.
    fn note_answer(&mut self, rig: &Rig, since_ms: i64) {
        let is_taken = match self.answer(rig) {
            Some(GroupReply::JoinGroup(reply)) => reply.error == ErrorCode::None,
            Some(GroupReply::SyncGroup(reply)) => reply.error == ErrorCode::None,
            _ => false,
        };
        // What is refused is no sign that it is taken for alive.
        if is_taken {
            self.answered_ms.get_or_insert(since_ms);
        }
    }

    fn answer<'a>(&self, rig: &'a Rig) -> Option<&'a GroupReply> {
        match self.phase {
            Phase::Joining(ticket) | Phase::Syncing(ticket) => rig.replies.get(&ticket),
            _ => None,
        }
    }

    /// Whether it waits for others, which the coordinator knows.
    fn waits(&self, rig: &Rig) -> bool {
        matches!(self.phase, Phase::Joining(_) | Phase::Syncing(_)) && self.answer(rig).is_none()
    }

    fn join(&mut self, rig: &mut Rig, at: usize) {
        if !self.is_cooperative {
            self.owned.clear();
        }
        let owned: Vec<i32> = self.owned.iter().copied().collect();
        let client = format!("{at}-{}", self.lives);
        let ask = JoinGroup {
            member: self.id.clone(),
            rebalance_timeout_ms: REBALANCE_MS,
            protocols: vec![Protocol {
                name: self.name().into(),
                metadata: metadata(&owned),
            }],
            new_member: Uuid::from_u128(u128::from(rig.tickets)),
            ..new_member(&client)
        };
        self.phase = Phase::Joining(rig.send(ask));
    }

    fn hear_joined(&mut self, reply: JoinReply) {
        self.heard_ms = self.answered_ms.take().unwrap_or(self.heard_ms);
        let Some(joined) = reply.joined else {
            return self.take(reply.error);
        };
        // It goes on as a member, and gives up in its own time what it is told to.
        self.is_stale = false;
        self.id = reply.member;
        self.generation = joined.generation;
        let is_leader = self.id.as_ref() == Some(&joined.leader);
        self.phase = Phase::ToSync(match is_leader {
            true => assign(&joined.members),
            false => Vec::new(),
        });
    }

    fn hear_synced(&mut self, reply: &SyncReply) {
        self.heard_ms = self.answered_ms.take().unwrap_or(self.heard_ms);
        if reply.error != ErrorCode::None {
            return self.take(reply.error);
        }
        // A member that the leader has left out gets nothing at all.
        let topics = match reply.assignment.is_empty() {
            true => Vec::new(),
            false => assignment(&reply.assignment).expect("well-formed"),
        };
        let assigned = topics.into_iter().flat_map(|(_, partitions)| partitions);
        let before = std::mem::replace(&mut self.owned, assigned.collect());
        // What it has given up others may have once it says so.
        self.phase = match before.is_subset(&self.owned) {
            true => Phase::Member,
            false => Phase::ToJoin,
        };
    }

    fn take(&mut self, error: ErrorCode) {
        match error {
            ErrorCode::None => {}
            ErrorCode::RebalanceInProgress => self.phase = Phase::ToJoin,
            _ => self.restart(),
        }
    }
}

/// What the leader does: shares as equal as they can be, and what somebody has is nobody else's before it is given up.
fn assign(members: &[JoinedMember]) -> Vec<(Arc<str>, Bytes)> {
    let mut claimed: BTreeMap<i32, usize> = BTreeMap::new();
    for (at, member) in members.iter().enumerate() {
        let said = subscription(&member.metadata).expect("well-formed");
        let owned = said
            .owned
            .into_iter()
            .flat_map(|(_, partitions)| partitions);
        claimed.extend(owned.map(|partition| (partition, at)));
    }
    let mut shares = vec![Vec::new(); members.len()];
    for partition in 0..PARTITIONS {
        let at = usize::try_from(partition).expect("small") % members.len();
        if claimed.get(&partition).is_none_or(|owner| *owner == at) {
            shares[at].push(partition);
        }
    }
    let encode = |(member, share): (&JoinedMember, Vec<i32>)| {
        let assigned = encode_assignment(&member.metadata, &[("t", share)]);
        (
            Arc::clone(&member.member),
            assigned.expect("it fits").freeze(),
        )
    };
    members.iter().zip(shares).map(encode).collect()
}

struct Clients {
    classic: Vec<ClassicClient>,
    consumers: Vec<ConsumerClient>,
}

impl Clients {
    fn new(is_cooperative: bool) -> Clients {
        let classic = (0..FIRST_CONSUMER).map(|_| ClassicClient {
            is_cooperative,
            ..ClassicClient::default()
        });
        Clients {
            classic: classic.collect(),
            consumers: vec![ConsumerClient::default(); CLIENTS - FIRST_CONSUMER],
        }
    }

    fn act(&mut self, rig: &mut Rig, at: usize) {
        match self.classic.get_mut(at) {
            Some(client) => client.act(rig, at),
            None => self.consumers[at - FIRST_CONSUMER].speak(rig, at, false, false),
        }
    }

    fn leave(&mut self, rig: &mut Rig, at: usize) {
        match self.classic.get(at) {
            Some(client) => {
                if let Some(id) = &client.id {
                    let _ = rig.leave(id);
                }
            }
            None => {
                let name = self.consumers[at - FIRST_CONSUMER].name(at);
                let _ = rig.ask(beat(&name, -1));
            }
        }
        self.kill(at);
    }

    fn kill(&mut self, at: usize) {
        match self.classic.get_mut(at) {
            Some(client) => client.restart(),
            None => self.consumers[at - FIRST_CONSUMER].restart(),
        }
    }

    /// Those of the consumer protocol know by the epoch that they were removed (`consumer_random`).
    fn pause(&mut self, at: usize) {
        if let Some(client) = self.classic.get_mut(at) {
            client.is_paused = true;
        }
    }

    fn note_answers(&mut self, rig: &Rig, since_ms: i64) {
        for client in &mut self.classic {
            client.note_answer(rig, since_ms);
        }
    }

    /// Who has not been answered for a session's time knows that it may have been taken for dead.
    fn give_up_hope(&mut self, rig: &Rig) {
        let now_ms = rig.now.monotonic_ms;
        for client in &mut self.classic {
            let heard_ms = client.answered_ms.unwrap_or(client.heard_ms);
            if now_ms - heard_ms >= i64::from(SESSION_MS) && !client.waits(rig) {
                match client.is_paused {
                    true => client.go_stale(),
                    false => client.restart(),
                }
            }
        }
        for client in &mut self.consumers {
            if now_ms - client.heard_ms >= CONSUMER_SESSION_MS {
                client.restart();
            }
        }
    }

    /// Requests went to the coordinator that is gone.
    fn reconnect(&mut self) {
        for client in &mut self.classic {
            client.answered_ms = None;
            if !matches!(client.phase, Phase::Member) {
                client.phase = Phase::ToJoin;
            }
        }
    }

    /// No partition is read by two. Returns how many are read.
    fn check(&self) -> usize {
        let fresh = self.classic.iter().filter(|client| !client.is_stale);
        let classic = fresh.flat_map(|client| &client.owned);
        let consumers = self.consumers.iter().flat_map(ConsumerClient::owned);
        let all = classic
            .copied()
            .chain(consumers.map(|(_, partition)| partition));
        let mut seen = BTreeSet::new();
        for partition in all {
            assert!(
                seen.insert(partition),
                "read by two: {partition}\n{:?}\n{:?}",
                self.classic,
                self.consumers
            );
        }
        seen.len()
    }
}

fn run(is_cooperative: bool, steps: &[Step]) {
    let mut rig = rig_with(GroupConfig {
        initial_rebalance_delay_ms: 0,
        ..GroupConfig::default()
    });
    rig.topic("t", PARTITIONS);
    let mut clients = Clients::new(is_cooperative);
    for step in steps {
        let since_ms = rig.now.monotonic_ms;
        match step {
            Step::Act { client, times } => {
                for _ in 0..*times {
                    clients.act(&mut rig, *client);
                    clients.note_answers(&rig, since_ms);
                }
            }
            Step::Leave { client } => {
                clients.leave(&mut rig, *client);
                clients.note_answers(&rig, since_ms);
            }
            Step::Kill { client } => clients.kill(*client),
            Step::Pause { client } => clients.pause(*client),
            Step::Pass { millis } => {
                rig.pass(*millis);
                clients.note_answers(&rig, since_ms);
                clients.give_up_hope(&rig);
            }
            Step::Reload => {
                rig.reload();
                // Nobody who waited will be answered.
                rig.replies.clear();
                clients.reconnect();
            }
        }
        clients.check();
    }
    settle(&mut rig, &mut clients);
}

/// Once nothing goes wrong any more, everybody comes to what it is to have.
fn settle(rig: &mut Rig, clients: &mut Clients) {
    for _ in 0..400 {
        for at in 0..CLIENTS {
            clients.act(rig, at);
            clients.note_answers(rig, rig.now.monotonic_ms);
            clients.check();
        }
        rig.pass(500);
    }
    let partitions = usize::try_from(PARTITIONS).expect("small");
    assert_eq!(clients.check(), partitions, "something is nobody's");
    assert_eq!(rig.state(), Some("Stable"));
}

proptest! {
    #[test]
    fn mixed_lives(
        is_cooperative in any::<bool>(),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        run(is_cooperative, &steps);
    }
}
