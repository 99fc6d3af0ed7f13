//! Random lives of a group of the consumer protocol. Whatever members do, and whatever is sent twice, late or never answered: no partition is
//! read by two, what is loaded is what was there, and in the end everything is somebody's.

use proptest::prelude::*;

use super::consumer::beat;
use super::*;

const PARTITIONS: i32 = 7;

#[derive(Clone, Debug)]
enum Step {
    /// A heartbeat; with all there is to say; its answer is lost.
    Beat {
        client: usize,
        full: bool,
        lost: bool,
    },
    /// The heartbeat before is delivered again.
    Again {
        client: usize,
    },
    Leave {
        client: usize,
    },
    /// It does nothing and is not heard of, for as long as this and what passes else.
    Pass {
        millis: i32,
    },
    Grow,
    Reload,
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0usize..4;
    prop_oneof![
        10 => (client.clone(), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(client, full, lost)| Step::Beat { client, full, lost }),
        3 => client.clone().prop_map(|client| Step::Again { client }),
        1 => client.prop_map(|client| Step::Leave { client }),
        3 => prop_oneof![Just(100), Just(1_000), Just(20_000), Just(46_000)]
            .prop_map(|millis| Step::Pass { millis }),
        1 => Just(Step::Grow),
        1 => Just(Step::Reload),
    ]
}

/// A consumer, as clients are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    lives: u32,
    epoch: i32,
    /// What it reads.
    owned: BTreeSet<TopicPartition>,
    /// It has not been answered, so it says all there is.
    must_say_all: bool,
    /// When it was heard of last, and knows that it was.
    pub(super) heard_ms: i64,
    last: Option<ConsumerHeartbeat>,
}

impl Client {
    pub(super) fn name(&self, at: usize) -> String {
        format!("{at}-{}", self.lives)
    }

    /// It stops reading, and begins anew, under another id as after a restart.
    pub(super) fn restart(&mut self) {
        *self = Client {
            lives: self.lives + 1,
            ..Client::default()
        };
    }

    /// What it reads.
    pub(super) fn owned(&self) -> impl Iterator<Item = TopicPartition> {
        self.owned.iter().copied()
    }

    /// Sends a heartbeat, with all there is to say if it has to be or is to be `full`, and does what it is told unless the answer is `lost`.
    pub(super) fn speak(&mut self, rig: &mut Rig, at: usize, full: bool, lost: bool) {
        let ask = self.heartbeat(at, full);
        self.last = Some(ask.clone());
        let reply = rig.ask(ask);
        match lost {
            true => self.must_say_all = true,
            false => {
                self.heard_ms = rig.now.monotonic_ms;
                self.hear(reply);
            }
        }
    }

    fn heartbeat(&self, at: usize, full: bool) -> ConsumerHeartbeat {
        let ask = beat(&self.name(at), self.epoch);
        if !(full || self.must_say_all || self.epoch == 0) {
            return ask;
        }
        ConsumerHeartbeat {
            // Longer than a client may be silent: one that is removed for it does not know.
            rebalance_timeout_ms: Some(300_000),
            names: Some(vec!["t".into()]),
            owned: Some(self.owned.clone()),
            ..ask
        }
    }

    /// What it is told it does: what is not its own any more it stops reading at once.
    fn hear(&mut self, reply: ConsumerHeartbeatReply) {
        self.must_say_all = false;
        match reply {
            Ok(answer) => {
                self.epoch = answer.epoch;
                if let Some(topics) = answer.assignment {
                    let each = |(topic, partitions): (Uuid, Vec<i32>)| {
                        partitions
                            .into_iter()
                            .map(move |partition| (topic, partition))
                    };
                    let assigned: BTreeSet<_> = topics.into_iter().flat_map(each).collect();
                    // The next heartbeat says that it has followed.
                    self.must_say_all = self.owned != assigned;
                    self.owned = assigned;
                }
            }
            Err(_) => self.restart(),
        }
    }
}

fn run(steps: &[Step]) {
    let mut rig = rig();
    let mut partitions = PARTITIONS;
    rig.topic("t", partitions);
    let mut clients: Vec<Client> = vec![Client::default(); 4];
    for step in steps {
        match step {
            Step::Beat { client, full, lost } => {
                clients[*client].speak(&mut rig, *client, *full, *lost)
            }
            Step::Again { client } => {
                // A client that joins has nothing, so a request to join that comes late is one of nobody's.
                let last = clients[*client].last.clone();
                if let Some(last) = last.filter(|last| last.epoch > 0) {
                    let _ = rig.ask(last);
                }
            }
            Step::Leave { client } => {
                let name = clients[*client].name(*client);
                let _ = rig.ask(beat(&name, -1));
                clients[*client].restart();
            }
            Step::Pass { millis } => {
                rig.pass(*millis);
                // One that has not been answered for a session's time knows that it may have been taken for dead.
                for client in &mut clients {
                    if rig.now.monotonic_ms - client.heard_ms >= 45_000 {
                        client.restart();
                    }
                }
            }
            Step::Grow => {
                partitions += 1;
                rig.topic("t", partitions);
            }
            Step::Reload => {
                let before = rig.described_if_there();
                rig.reload();
                assert_eq!(
                    rig.described_if_there(),
                    before,
                    "what was recorded is there"
                );
                // Requests went to the coordinator before, and with it.
                for client in &mut clients {
                    client.last = None;
                }
            }
        }
        check(&clients);
    }
    settle(&mut rig, &mut clients, partitions);
}

/// No partition is read by two.
fn check(clients: &[Client]) {
    let mut seen = BTreeSet::new();
    for client in clients {
        for partition in &client.owned {
            assert!(seen.insert(*partition), "read by two: {partition:?}");
        }
    }
}

/// Once nothing goes wrong any more, everybody comes to what it is to have.
fn settle(rig: &mut Rig, clients: &mut [Client], partitions: i32) {
    for _ in 0..80 {
        for at in 0..clients.len() {
            clients[at].speak(rig, at, false, false);
            check(clients);
        }
        rig.pass(1_000);
    }
    let owned: usize = clients.iter().map(|client| client.owned.len()).sum();
    assert_eq!(
        i32::try_from(owned),
        Ok(partitions),
        "something is nobody's"
    );
    assert_eq!(rig.state(), Some("Stable"));
}

impl Rig {
    fn described_if_there(&mut self) -> Option<DescribedConsumerGroup> {
        self.ask(DescribeConsumerGroup { group: "g".into() }).ok()
    }
}

proptest! {
    #[test]
    fn consumer_lives(steps in prop::collection::vec(step(), 1..80)) {
        run(&steps);
    }
}
