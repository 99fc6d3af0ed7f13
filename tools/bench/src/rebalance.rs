//! How long it takes from a member's arrival, leaving or death until a group is at rest again: each member has its share, and everything is
//! somebody's. Members are threads that speak the protocol and read nothing.

mod classic;
mod consumer;
mod crowd;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use client::{ClientError, Connection, Topic};

use crate::BenchError;
use crate::topic;

pub use crowd::{CrowdReport, crowd};

const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Longer than any rebalance takes.
const REST_WITHIN: Duration = Duration::from_secs(120);
/// Nothing happens for so long before something is done, so that no assignment is put off for the last one (KIP-1263).
const CALM: Duration = Duration::from_millis(1_500);
/// Between heartbeats of the classic protocol; brokers are told the same for the other.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);
/// A member that is silent for so long is dead. No multiple of the interval: members' heartbeats are in step after a rebalance, and it would be
/// chance whether they come just before or just after somebody is found dead.
pub const SESSION_TIMEOUT: Duration = Duration::from_millis(2_750);

/// A group protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// JoinGroup and SyncGroup.
    Classic,
    /// KIP-848.
    Consumer,
}

impl Protocol {
    const ALL: [Protocol; 2] = [Protocol::Classic, Protocol::Consumer];

    fn name(self) -> &'static str {
        match self {
            Protocol::Classic => "classic",
            Protocol::Consumer => "consumer",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Protocol {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Protocol, &'static str> {
        let mut all = Protocol::ALL.into_iter();
        all.find(|protocol| protocol.name() == name)
            .ok_or("expected classic or consumer")
    }
}

/// Settings under which both brokers are measured.
pub const SETTINGS: [(&str, &str); 7] = [
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "1000"),
    ("group.consumer.min.session.timeout.ms", "1000"),
    ("group.consumer.session.timeout.ms", "2750"),
    ("group.consumer.min.heartbeat.interval.ms", "100"),
    ("group.consumer.heartbeat.interval.ms", "500"),
    ("offsets.topic.replication.factor", "1"),
];

/// What was measured once.
#[derive(Clone, Copy, Debug)]
pub struct Rebalances {
    /// One more member.
    pub arrival: Duration,
    /// One that says that it leaves.
    pub leaving: Duration,
    /// One that falls silent.
    pub death: Duration,
}

/// Measures a group of so many members.
pub fn round(
    bootstrap: &str,
    name: &str,
    protocol: Protocol,
    members: usize,
) -> Result<Rebalances, BenchError> {
    let partitions = i32::try_from(2 * (members + 1)).unwrap_or(i32::MAX);
    let topic = topic::create(bootstrap, name, partitions, &[])?;
    let world = World::new(bootstrap, name, &topic, protocol);
    let mut crew = Crew {
        world: Arc::new(world),
        running: Vec::new(),
    };
    for _ in 0..members {
        crew.hire()?;
    }
    crew.rest(Instant::now())?;
    calm();
    let arrival = crew.change(Crew::hire)?;
    calm();
    let leaving = crew.change(|crew| crew.dismiss(Order::Leave))?;
    calm();
    let death = crew.change(|crew| crew.dismiss(Order::Die))?;
    drop(crew);
    topic::delete(bootstrap, name)?;
    Ok(Rebalances {
        arrival,
        leaving,
        death,
    })
}

/// Of no particular length, or heartbeats would always be as old as they are now.
fn calm() {
    std::thread::sleep(CALM + HEARTBEAT_INTERVAL.mul_f64(rand::random()));
}

/// What a member is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Stay,
    Leave,
    Die,
}

/// What a member hears. Whose crew is gone leaves.
struct Orders {
    receiver: Receiver<Order>,
    last: Order,
}

impl Orders {
    /// Waits, unless something else than to stay is ordered meanwhile.
    fn wait(&mut self, duration: Duration) -> Order {
        if self.last == Order::Stay {
            self.last = match self.receiver.recv_timeout(duration) {
                Ok(order) => order,
                Err(RecvTimeoutError::Timeout) => Order::Stay,
                Err(RecvTimeoutError::Disconnected) => Order::Leave,
            };
        }
        self.last
    }
}

/// A member that was not dismissed yet.
struct Hired {
    number: usize,
    order: Sender<Order>,
    thread: JoinHandle<Result<(), ClientError>>,
}

/// The members of a group.
struct Crew {
    world: Arc<World>,
    running: Vec<Hired>,
}

impl Crew {
    fn hire(&mut self) -> Result<(), BenchError> {
        let number = self.world.begin();
        let (order, receiver) = mpsc::channel();
        let mut orders = Orders {
            receiver,
            last: Order::Stay,
        };
        let world = Arc::clone(&self.world);
        let thread = std::thread::Builder::new()
            .stack_size(256 << 10)
            .spawn(move || match world.protocol {
                Protocol::Classic => classic::run(&world, number, &mut orders),
                Protocol::Consumer => consumer::run(&world, number, &mut orders),
            })
            .map_err(|_| BenchError::Unexpected("a thread for a member cannot be started"))?;
        self.running.push(Hired {
            number,
            order,
            thread,
        });
        Ok(())
    }

    fn dismiss(&mut self, order: Order) -> Result<(), BenchError> {
        let hired = self
            .running
            .pop()
            .ok_or(BenchError::Unexpected("nobody is left"))?;
        self.world.end(hired.number);
        hired
            .order
            .send(order)
            .map_err(|_| BenchError::Unexpected("a member has ended by itself"))
    }

    fn change(
        &mut self,
        change: impl FnOnce(&mut Crew) -> Result<(), BenchError>,
    ) -> Result<Duration, BenchError> {
        let begun = Instant::now();
        change(self)?;
        Ok(self.rest(begun)?.saturating_duration_since(begun))
    }

    /// Waits until all is somebody's. Returns since when.
    fn rest(&self, begun: Instant) -> Result<Instant, BenchError> {
        let mut state = self.world.state();
        loop {
            if let Some(since) = self.world.at_rest(&state) {
                return Ok(since);
            }
            let left = REST_WITHIN.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(BenchError::Unexpected("the group does not come to rest"));
            }
            let waited = self.world.changes.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for hired in &self.running {
            // One that has ended by itself hears nothing.
            let _ = hired.order.send(Order::Leave);
        }
        for hired in self.running.drain(..) {
            let _ = hired.thread.join();
        }
    }
}

/// What the members of a group share.
struct World {
    bootstrap: String,
    group: String,
    topic: Topic,
    protocol: Protocol,
    state: Mutex<State>,
    /// Of what members have.
    changes: Condvar,
}

#[derive(Default)]
struct State {
    begun: usize,
    /// What each member that is to be there has.
    owned: BTreeMap<usize, BTreeSet<i32>>,
    changed: Option<Instant>,
}

impl World {
    fn new(bootstrap: &str, group: &str, topic: &Topic, protocol: Protocol) -> World {
        World {
            bootstrap: bootstrap.to_owned(),
            group: group.to_owned(),
            topic: topic.clone(),
            protocol,
            state: Mutex::default(),
            changes: Condvar::new(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> usize {
        let mut state = self.state();
        state.begun += 1;
        let number = state.begun;
        state.owned.insert(number, BTreeSet::new());
        number
    }

    fn end(&self, number: usize) {
        self.state().owned.remove(&number);
    }

    /// Notes what a member has from now on.
    fn set(&self, number: usize, owned: &BTreeSet<i32>) {
        let mut state = self.state();
        if let Some(known) = state.owned.get_mut(&number)
            && known != owned
        {
            known.clone_from(owned);
            state.changed = Some(Instant::now());
            self.changes.notify_all();
        }
    }

    /// Since when everything is somebody's and everybody has a share; `None` if it is not so.
    fn at_rest(&self, state: &State) -> Option<Instant> {
        let members = state.owned.len().max(1);
        let partitions = usize::try_from(self.topic.partitions).unwrap_or(0);
        let shares = partitions / members..=partitions.div_ceil(members);
        let has_share = |owned: &BTreeSet<i32>| shares.contains(&owned.len());
        let all: BTreeSet<i32> = state.owned.values().flatten().copied().collect();
        let sum: usize = state.owned.values().map(BTreeSet::len).sum();
        let is_whole = all.len() == partitions && sum == partitions;
        (is_whole && state.owned.values().all(has_share)).then_some(state.changed?)
    }

    fn connect(&self) -> Result<Connection, ClientError> {
        let mut connection = Connection::connect(&self.bootstrap, "holdfast-bench", SILENCE_MAX)?;
        let deadline = Instant::now() + SILENCE_MAX;
        loop {
            match connection.find_coordinator(&self.group) {
                Err(error) if error.is_retriable() && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                found => break found.map(|_| connection),
            }
        }
    }
}
