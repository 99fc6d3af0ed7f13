//! A partition on three brokers, whatever happens to them: they crash and lose what they had not synced, one loses its disk, they are fenced though they live,
//! they hear of the metadata late, and what they say to each other is late, lost, doubled and out of order. What was committed once is in the log of every later
//! leader, at the same place; no follower is ever told to cut it; and when everything is well again, records are committed.

use std::collections::{BTreeMap, BTreeSet};

use broker_controller::decide::{
    AlterPartition, BootstrapCluster, CreateTopics, FEATURES, FenceBroker, IsrProposal, NewTopic,
    RegisterBroker, ReplicaAssignment, UnfenceBroker,
};
use broker_controller::image::PartitionImage;
use broker_controller::record::Listener;
use broker_controller::{
    ApiError, ClusterId, Command, ConfigResource, ConfigValidator, Context, ControllerConfig,
    DirectoryId, IncarnationId, MetadataImage, ResourceType, TopicRules,
};
use broker_replication::{
    Effect, FollowerReport, Leader, LogEnds, OwnLog, PartitionView, ProposedIsr, Truncation,
    truncation,
};
use proptest::prelude::*;
use protocol::model::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionIndex, TopicId, Uuid};

const BROKERS: usize = 3;
const MIN_INSYNC: usize = 2;
const LAG_MS: i64 = 2_000;
const NETWORK_MAX: usize = 50;

struct Rules;

impl ConfigValidator for Rules {
    fn is_list(&self, _: ResourceType, _: &str) -> bool {
        false
    }

    fn default_value(&self, _: ResourceType, _: &str) -> Option<String> {
        None
    }

    fn topic_rules(&self, _: &BTreeMap<String, String>) -> TopicRules {
        TopicRules {
            min_insync_replicas: MIN_INSYNC,
            unclean_leader_election: false,
            survives_restart: true,
        }
    }

    fn validate(
        &self,
        _: &ConfigResource,
        _: &BTreeMap<String, String>,
        _: &BTreeMap<String, String>,
    ) -> Result<(), ApiError> {
        Ok(())
    }
}

/// Which epoch wrote it, and what it says.
type Record = (LeaderEpoch, u32);

#[derive(Debug)]
enum Role {
    Nothing,
    Leader(Box<Leader>),
    Follower {
        leader: BrokerId,
        epoch: LeaderEpoch,
    },
}

#[derive(Debug)]
struct Node {
    id: BrokerId,
    is_alive: bool,
    broker_epoch: BrokerEpoch,
    directory: DirectoryId,
    log: Vec<Record>,
    durable: usize,
    /// How often the log was cut.
    cuts: u32,
    high_watermark: usize,
    role: Role,
}

impl OwnLog for Node {
    fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let end = self.log.partition_point(|(own, _)| *own <= epoch);
        let (own, _) = self.log.get(end.checked_sub(1)?)?;
        Some((*own, offset(end)))
    }

    fn end(&self) -> Offset {
        offset(self.log.len())
    }

    fn high_watermark(&self) -> Offset {
        offset(self.high_watermark)
    }
}

#[derive(Clone, Debug)]
enum Message {
    Fetch {
        from: BrokerId,
        to: BrokerId,
        broker_epoch: BrokerEpoch,
        epoch: LeaderEpoch,
        cuts: u32,
        at: usize,
        last: Option<LeaderEpoch>,
        durable: usize,
    },
    Fetched {
        from: BrokerId,
        to: BrokerId,
        epoch: LeaderEpoch,
        cuts: u32,
        at: usize,
        high_watermark: usize,
        answer: Answer,
    },
    Propose(AlterPartition),
    Refused(BrokerId, ProposedIsr),
}

#[derive(Clone, Debug)]
enum Answer {
    Records(Vec<Record>),
    /// The leader's log has gone another way.
    Diverging(Option<(LeaderEpoch, Offset)>),
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Sync(usize),
    Fetch(usize),
    Deliver {
        at: usize,
        twice: bool,
    },
    Lose {
        at: usize,
    },
    Hear(usize),
    Pass(i64),
    Fence(usize),
    Unfence(usize),
    Crash {
        node: usize,
        kept: usize,
    },
    Restart(usize),
    /// It crashes, and its disk is gone. Once in a run.
    Wipe(usize),
    /// Leaders write, and all goes well for a while, but for one who does not follow.
    Calm {
        without: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..BROKERS;
    prop_oneof![
        6 => node.clone().prop_map(Step::Write),
        6 => node.clone().prop_map(Step::Sync),
        10 => node.clone().prop_map(Step::Fetch),
        24 => (0..NETWORK_MAX, prop::bool::weighted(0.1)).prop_map(|(at, twice)| Step::Deliver { at, twice }),
        2 => (0..NETWORK_MAX).prop_map(|at| Step::Lose { at }),
        6 => node.clone().prop_map(Step::Hear),
        3 => prop_oneof![Just(100), Just(1_000), Just(2_500)].prop_map(Step::Pass),
        1 => node.clone().prop_map(Step::Fence),
        3 => node.clone().prop_map(Step::Unfence),
        1 => (node.clone(), 0usize..4).prop_map(|(node, kept)| Step::Crash { node, kept }),
        3 => node.clone().prop_map(Step::Restart),
        1 => node.prop_map(Step::Wipe),
        8 => (0..=BROKERS).prop_map(|without| Step::Calm { without }),
    ]
}

fn offset(at: usize) -> Offset {
    Offset::new(i64::try_from(at).expect("small"))
}

fn place(offset: Offset) -> usize {
    usize::try_from(offset.get()).expect("not negative")
}

fn topic() -> TopicId {
    TopicId::new(Uuid::from_u128(7)).expect("not zero")
}

fn cluster_id() -> ClusterId {
    ClusterId::new(Uuid::from_u128(1))
}

struct World {
    now_ms: i64,
    image: MetadataImage,
    nodes: Vec<Node>,
    network: Vec<Message>,
    committed: Vec<Record>,
    written: u32,
    drawn: u128,
    is_wiped: bool,
}

impl World {
    fn new() -> World {
        let mut world = World {
            now_ms: 0,
            image: MetadataImage::default(),
            nodes: Vec::new(),
            network: Vec::new(),
            committed: Vec::new(),
            written: 0,
            drawn: 1_000,
            is_wiped: false,
        };
        let cluster_id = cluster_id();
        let founded = world.decide(&BootstrapCluster { cluster_id });
        founded.expect("an empty log");
        for at in 0..BROKERS {
            let directory = world.draw();
            world.nodes.push(Node {
                id: BrokerId::new(i32::try_from(at).expect("small") + 1),
                is_alive: true,
                broker_epoch: BrokerEpoch::new(0),
                directory: DirectoryId::new(directory),
                log: Vec::new(),
                durable: 0,
                cuts: 0,
                high_watermark: 0,
                role: Role::Nothing,
            });
            world.register(at);
        }
        let replicas = world.nodes.iter().map(|node| node.id).collect();
        let created = world.decide(&CreateTopics {
            topics: vec![NewTopic {
                name: "t".to_owned(),
                topic_id: topic(),
                num_partitions: None,
                replication_factor: None,
                assignments: vec![ReplicaAssignment {
                    partition: 0,
                    brokers: replicas,
                }],
                configs: Vec::new(),
            }],
            validate_only: false,
        });
        created[0].result.as_ref().expect("a topic");
        world
    }

    fn draw(&mut self) -> Uuid {
        self.drawn += 1;
        Uuid::from_u128(self.drawn)
    }

    fn decide<C: Command>(&mut self, command: &C) -> C::Response {
        let decision = command.decide(&Context {
            image: &self.image,
            config: &ControllerConfig::default(),
            configs: &Rules,
        });
        self.image = self.image.apply(&decision.records).image;
        assert_eq!(self.image.check_invariants(), Ok(()));
        decision.response
    }

    /// Another life begins.
    fn register(&mut self, at: usize) {
        let incarnation = self.draw();
        let node = &self.nodes[at];
        let (broker_id, directory) = (node.id, node.directory);
        let known = self.image.broker(broker_id);
        let is_other = known.is_some_and(|it| !it.fenced && !it.directories.contains(&directory));
        if is_other {
            // Its session has to end first.
            self.fence(at);
        }
        let registration = RegisterBroker {
            cluster_id: cluster_id(),
            broker_id,
            incarnation_id: IncarnationId::new(incarnation),
            directories: vec![directory],
            listeners: vec![Listener {
                name: "PLAINTEXT".to_owned(),
                host: "h".to_owned(),
                port: 1,
            }],
            rack: None,
            features: FEATURES.iter().map(|feature| (*feature).into()).collect(),
            fenced: false,
        };
        let registered = self.decide(&registration);
        self.nodes[at].broker_epoch = registered.expect("a broker epoch");
    }

    fn fence(&mut self, at: usize) {
        let Some(broker) = self.image.broker(self.nodes[at].id) else {
            return;
        };
        let fence = FenceBroker {
            broker_id: broker.broker_id,
            broker_epoch: broker.broker_epoch,
        };
        self.decide(&fence).expect("the life that is registered");
    }

    fn partition(&self) -> &PartitionImage {
        let partition = self.image.partition(topic(), PartitionIndex::new(0));
        partition.expect("it is there")
    }

    fn view(&self) -> PartitionView {
        let partition = self.partition();
        let live = self.image.brokers().filter(|broker| !broker.fenced);
        PartitionView {
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            isr: partition.isr.clone(),
            live: live.map(|it| (it.broker_id, it.broker_epoch)).collect(),
            min_insync_replicas: MIN_INSYNC,
            has_elr: !partition.elr.is_empty(),
            has_others: true,
            short_of_space: BTreeSet::new(),
        }
    }

    /// A broker hears of the newest metadata.
    fn hear(&mut self, at: usize) {
        let view = self.view();
        let partition = self.partition().clone();
        let node = &mut self.nodes[at];
        if !node.is_alive {
            return;
        }
        let is_this_life = view.live.get(&node.id) == Some(&node.broker_epoch);
        let is_here = partition.directory_on(node.id) == Some(node.directory);
        let mut effects = Vec::new();
        match (&mut node.role, partition.leader) {
            (Role::Leader(leader), Some(id))
                if id == node.id && leader.view().leader_epoch == view.leader_epoch =>
            {
                leader.on_view(view, &mut effects);
            }
            (Role::Follower { epoch, .. }, _) if *epoch > partition.leader_epoch => {}
            (_, Some(id)) if id == node.id && is_here && is_this_life => {
                for (at, record) in self.committed.iter().enumerate() {
                    assert_eq!(
                        node.log.get(at),
                        Some(record),
                        "a leader has not all that was committed"
                    );
                }
                let ends = LogEnds {
                    high_watermark: offset(node.high_watermark),
                    durable_end: offset(node.durable),
                    end: offset(node.log.len()),
                };
                let leader = Leader::new(node.id, LAG_MS, self.now_ms, view, ends, &mut effects);
                node.role = Role::Leader(Box::new(leader));
            }
            (_, Some(leader)) if leader != node.id && is_here => {
                node.role = Role::Follower {
                    leader,
                    epoch: partition.leader_epoch,
                };
            }
            _ => node.role = Role::Nothing,
        }
        self.take(at, effects);
    }

    fn take(&mut self, at: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::HighWatermark(high_watermark) => self.commit(at, place(high_watermark)),
                Effect::Propose(proposal) => {
                    let node = &self.nodes[at];
                    let message = Message::Propose(AlterPartition {
                        broker_id: node.id,
                        broker_epoch: node.broker_epoch,
                        proposals: vec![IsrProposal {
                            topic_id: topic(),
                            partition: PartitionIndex::new(0),
                            leader_epoch: proposal.leader_epoch,
                            partition_epoch: proposal.partition_epoch,
                            isr: proposal.isr,
                        }],
                    });
                    self.send(message);
                }
            }
        }
    }

    fn commit(&mut self, at: usize, end: usize) {
        let node = &mut self.nodes[at];
        node.high_watermark = end;
        for (at, record) in node.log[..end].iter().enumerate() {
            match self.committed.get(at) {
                Some(known) => assert_eq!(record, known, "one offset, two records"),
                None => self.committed.push(*record),
            }
        }
    }

    fn send(&mut self, message: Message) {
        // The oldest is lost first.
        if self.network.len() == NETWORK_MAX {
            self.network.remove(0);
        }
        self.network.push(message);
    }

    fn at(&self, id: BrokerId) -> usize {
        let at = self.nodes.iter().position(|node| node.id == id);
        at.expect("one of the three")
    }

    fn fetch(&mut self, at: usize) {
        let node = &self.nodes[at];
        let (true, Role::Follower { leader, epoch }) = (node.is_alive, &node.role) else {
            return;
        };
        self.send(Message::Fetch {
            from: node.id,
            to: *leader,
            broker_epoch: node.broker_epoch,
            epoch: *epoch,
            cuts: node.cuts,
            at: node.log.len(),
            last: node.log.last().map(|(epoch, _)| *epoch),
            durable: node.durable,
        });
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Fetch { .. } => self.on_fetch(message),
            Message::Fetched { .. } => self.on_fetched(message),
            Message::Propose(proposal) => {
                let from = proposal.broker_id;
                let first = proposal.proposals[0].clone();
                let refused = match self.decide(&proposal) {
                    Ok(results) => results[0].result.is_err(),
                    Err(_) => true,
                };
                if refused {
                    let proposed = ProposedIsr {
                        leader_epoch: first.leader_epoch,
                        partition_epoch: first.partition_epoch,
                        isr: first.isr,
                    };
                    self.send(Message::Refused(from, proposed));
                }
            }
            Message::Refused(to, proposed) => {
                // It goes by what it knows after it has heard the newest.
                let at = self.at(to);
                self.hear(at);
                if let Role::Leader(leader) = &mut self.nodes[at].role {
                    leader.on_refused(&proposed);
                }
            }
        }
    }

    fn on_fetch(&mut self, message: Message) {
        let Message::Fetch {
            from,
            to,
            broker_epoch,
            epoch,
            cuts,
            at,
            last,
            durable,
        } = message
        else {
            return;
        };
        let leader_at = self.at(to);
        let now_ms = self.now_ms;
        let node = &mut self.nodes[leader_at];
        let own = last.map(|last| node.end_of_epoch(last));
        let Role::Leader(leader) = &mut node.role else {
            return;
        };
        if !node.is_alive || leader.view().leader_epoch != epoch {
            return;
        }
        let diverges = match (last, own) {
            (Some(last), Some(Some((own, end)))) => own < last || end < offset(at),
            (Some(_), _) => true,
            (None, _) => at > 0,
        };
        let mut effects = Vec::new();
        let answer = match diverges {
            true => Answer::Diverging(own.flatten()),
            false => {
                let report = FollowerReport {
                    broker_id: from,
                    broker_epoch,
                    durable_end: offset(durable),
                };
                if leader.on_report(now_ms, report, &mut effects).is_err() {
                    return;
                }
                let end = node.log.len().min(at + 3);
                Answer::Records(node.log[at..end].to_vec())
            }
        };
        self.take(leader_at, effects);
        let high_watermark = self.nodes[leader_at].high_watermark;
        self.send(Message::Fetched {
            from: to,
            to: from,
            epoch,
            cuts,
            at,
            high_watermark,
            answer,
        });
    }

    fn on_fetched(&mut self, message: Message) {
        let Message::Fetched {
            from,
            to,
            epoch: asked_in,
            cuts,
            at,
            high_watermark,
            answer,
        } = message
        else {
            return;
        };
        let follower_at = self.at(to);
        let node = &mut self.nodes[follower_at];
        let Role::Follower { leader, epoch } = node.role else {
            return;
        };
        let is_as_then = (leader, epoch, node.cuts) == (from, asked_in, cuts);
        if !node.is_alive || !is_as_then {
            return;
        }
        match answer {
            Answer::Records(records) => {
                if at != node.log.len() {
                    return;
                }
                node.log.extend(records);
                let known = high_watermark.min(node.log.len());
                node.high_watermark = node.high_watermark.max(known);
            }
            Answer::Diverging(theirs) => {
                let theirs = theirs.unwrap_or((LeaderEpoch::new(0), Offset::ZERO));
                let to = match truncation(node, theirs, false) {
                    Truncation::To(to) => place(to),
                    alarm => panic!("{alarm:?}: {node:?}"),
                };
                node.log.truncate(to);
                node.durable = node.durable.min(to);
                node.cuts += 1;
            }
        }
    }

    fn crash(&mut self, at: usize, kept: usize) {
        let node = &mut self.nodes[at];
        if !node.is_alive {
            return;
        }
        node.is_alive = false;
        node.role = Role::Nothing;
        // Some of what was not synced may be there.
        let unsynced = node.log.len() - node.durable;
        node.log.truncate(node.durable + kept.min(unsynced));
        node.durable = node.log.len();
        node.high_watermark = node.high_watermark.min(node.log.len());
        node.cuts += 1;
    }

    fn restart(&mut self, at: usize) {
        if !self.nodes[at].is_alive {
            self.nodes[at].is_alive = true;
            self.register(at);
        }
    }

    fn unfence(&mut self, at: usize) {
        let node = &self.nodes[at];
        if node.is_alive {
            let unfence = UnfenceBroker {
                broker_id: node.id,
                broker_epoch: node.broker_epoch,
            };
            self.decide(&unfence).expect("its life");
        }
    }

    fn write(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if let (true, Role::Leader(leader)) = (node.is_alive, &mut node.role) {
            self.written += 1;
            node.log.push((leader.view().leader_epoch, self.written));
            leader.on_append(offset(node.log.len()));
        }
    }

    fn sync(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        if !node.is_alive {
            return;
        }
        node.durable = node.log.len();
        let mut effects = Vec::new();
        if let Role::Leader(leader) = &mut node.role {
            leader.on_durable(offset(node.durable), &mut effects);
        }
        self.take(at, effects);
    }

    fn pass(&mut self, millis: i64) {
        self.now_ms += millis;
        for at in 0..BROKERS {
            let mut effects = Vec::new();
            if let Role::Leader(leader) = &mut self.nodes[at].role {
                leader.on_tick(self.now_ms, &mut effects);
            }
            self.take(at, effects);
        }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Write(at) => self.write(at),
            Step::Sync(at) => self.sync(at),
            Step::Fetch(at) => self.fetch(at),
            Step::Deliver { at, twice } => {
                if let Some(message) = self.network.get(at).cloned() {
                    if !twice {
                        self.network.remove(at);
                    }
                    self.deliver(message);
                }
            }
            Step::Lose { at } => {
                if at < self.network.len() {
                    self.network.remove(at);
                }
            }
            Step::Hear(at) => self.hear(at),
            Step::Pass(millis) => self.pass(millis),
            Step::Fence(at) => self.fence(at),
            Step::Unfence(at) => self.unfence(at),
            Step::Crash { node, kept } => self.crash(node, kept),
            Step::Restart(at) => self.restart(at),
            Step::Wipe(at) => self.wipe(at),
            Step::Calm { without } => self.calm(without),
        }
    }

    fn calm(&mut self, without: usize) {
        for at in 0..BROKERS {
            self.write(at);
        }
        for _ in 0..3 {
            for at in (0..BROKERS).filter(|at| *at != without) {
                self.hear(at);
                self.fetch(at);
                self.sync(at);
            }
            while !self.network.is_empty() {
                let message = self.network.remove(0);
                self.deliver(message);
            }
        }
    }

    fn wipe(&mut self, at: usize) {
        if self.is_wiped {
            return;
        }
        self.is_wiped = true;
        self.crash(at, 0);
        let directory = DirectoryId::new(self.draw());
        let node = &mut self.nodes[at];
        node.directory = directory;
        node.log.clear();
        (node.durable, node.high_watermark) = (0, 0);
    }

    /// Everybody is well, and everything arrives.
    fn heal(&mut self) {
        for at in 0..BROKERS {
            self.restart(at);
            self.unfence(at);
        }
        self.network.clear();
        // Proposals that were lost are made again in another leadership.
        for at in 0..BROKERS {
            self.nodes[at].role = Role::Nothing;
        }
        self.settle();
        // The directory of the last member of the ISR may be gone.
        if self.partition().leader.is_none() {
            return;
        }
        let before = self.committed.len();
        for at in 0..BROKERS {
            self.write(at);
        }
        self.settle();
        assert!(
            self.committed.len() > before,
            "nothing is committed any more"
        );
    }

    fn settle(&mut self) {
        for _ in 0..60 {
            for at in 0..BROKERS {
                self.hear(at);
                self.fetch(at);
                self.sync(at);
            }
            while !self.network.is_empty() {
                let message = self.network.remove(0);
                self.deliver(message);
            }
            self.pass(100);
        }
    }
}

proptest! {
    #[test]
    fn what_was_committed_stays(steps in prop::collection::vec(step(), 1..400)) {
        let mut world = World::new();
        for step in &steps {
            world.run(step);
        }
        world.heal();
    }
}
