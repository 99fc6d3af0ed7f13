//! What may happen to the brokers.

use rand::{Rng, rngs::SmallRng};

use crate::{ground::Ground, network::Host};

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One is killed, and comes back.
    Kill,
    /// One stands still for a while.
    Pause,
    /// All are killed at once, and come back.
    KillAll,
    /// Two of three are killed: nothing may be acknowledged meanwhile.
    KillMajority,
    /// One is stopped as it should be, and started again.
    Restart,
    /// One loses its power: what it had not synced is gone.
    Power,
    /// All lose their power at once.
    PowerAll,
    /// One is killed, and comes back with nothing on its disk.
    Wipe,
    /// One and all others, clients too, cannot reach each other.
    Isolate,
    /// One and the other brokers cannot reach each other; clients reach all.
    CutOff,
    /// What one sends to other brokers is lost.
    Mute,
    /// What other brokers send to one is lost.
    Deaf,
    /// Two cannot reach each other; all others can.
    Between,
    /// The disk of one takes what is written, and neither does it nor fails.
    Hang,
    /// That of one does something only now and then.
    Slow,
    /// That of one is full.
    Full,
    /// The clock of one jumps, and back.
    Clock,
}

/// Each with how often it is drawn.
const FAULTS: [(Fault, u32); 17] = [
    (Fault::Kill, 4),
    (Fault::Pause, 2),
    (Fault::KillAll, 1),
    (Fault::KillMajority, 1),
    (Fault::Restart, 2),
    (Fault::Power, 1),
    (Fault::PowerAll, 2),
    (Fault::Wipe, 1),
    (Fault::Isolate, 1),
    (Fault::CutOff, 1),
    (Fault::Mute, 1),
    (Fault::Deaf, 1),
    (Fault::Between, 1),
    (Fault::Hang, 1),
    (Fault::Slow, 1),
    (Fault::Full, 1),
    (Fault::Clock, 1),
];

impl Fault {
    /// One of those that can be had.
    pub fn draw(ground: &Ground, random: &mut SmallRng) -> Fault {
        let can_be_had = FAULTS.iter().filter(|(fault, _)| fault.can_be_had(ground));
        let sum = can_be_had.clone().map(|(_, weight)| weight).sum();
        let mut drawn: u32 = random.random_range(0..sum);
        for (fault, weight) in can_be_had {
            if drawn < *weight {
                return *fault;
            }
            drawn -= weight;
        }
        unreachable!("what was drawn is less than the sum")
    }

    fn can_be_had(self, ground: &Ground) -> bool {
        match self {
            Fault::Power | Fault::PowerAll | Fault::Hang | Fault::Slow | Fault::Full => {
                ground.has_disks()
            }
            Fault::Wipe => ground.may_wipe,
            Fault::Isolate | Fault::CutOff | Fault::Mute | Fault::Deaf | Fault::Between => {
                ground.network.is_some()
            }
            _ => true,
        }
    }

    /// For the report.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Kill => "kill",
            Fault::Pause => "pause",
            Fault::KillAll => "kill all",
            Fault::KillMajority => "kill two",
            Fault::Restart => "restart",
            Fault::Power => "power",
            Fault::PowerAll => "power all",
            Fault::Wipe => "wipe",
            Fault::Isolate => "isolate",
            Fault::CutOff => "cut off",
            Fault::Mute => "mute",
            Fault::Deaf => "deaf",
            Fault::Between => "between",
            Fault::Hang => "hang",
            Fault::Slow => "slow",
            Fault::Full => "full",
            Fault::Clock => "clock",
        }
    }

    /// Whether the cluster can go on meanwhile.
    pub fn leaves_majority(self) -> bool {
        !matches!(self, Fault::KillAll | Fault::KillMajority | Fault::PowerAll)
    }

    /// Whether another can happen while it lasts: it is about one broker, or the way between them, and needs nothing to be well.
    pub fn may_be_joined(self) -> bool {
        matches!(
            self,
            Fault::Pause
                | Fault::Isolate
                | Fault::CutOff
                | Fault::Mute
                | Fault::Deaf
                | Fault::Between
                | Fault::Hang
                | Fault::Full
                | Fault::Clock
        )
    }

    /// Whether it can happen to the broker `at`, from 0, while another lasts that is about the one before.
    pub fn may_join(self, other: Fault, at: usize, count: usize) -> bool {
        let before = (at + count - 1) % count;
        let both_cut = !self.cuts(at, count).is_empty() && !other.cuts(before, count).is_empty();
        // A process that waits for its disk cannot be killed.
        let kills_waiting = other == Fault::Hang && self.kills(at, count).contains(&before);
        !matches!(self, Fault::Wipe | Fault::Slow) && self != other && !both_cut && !kills_waiting
    }

    /// Which brokers are killed, from 0, if it is about `at`.
    pub fn kills(self, at: usize, count: usize) -> Vec<usize> {
        match self {
            Fault::Kill | Fault::Power | Fault::Wipe => vec![at],
            Fault::KillMajority => vec![at, (at + 1) % count],
            Fault::KillAll | Fault::PowerAll => (0..count).collect(),
            _ => Vec::new(),
        }
    }

    /// From whom nothing arrives at whom, if it is about the broker `at`, from 0.
    pub fn cuts(self, at: usize, count: usize) -> Vec<(Host, Host)> {
        let one = at + 1;
        let others = (1..=count).filter(|host| *host != one);
        let sent = others.clone().map(|other| (one, other));
        let received = others.map(|other| (other, one));
        match self {
            Fault::Isolate => {
                let clients = [(one, 0), (0, one)];
                sent.chain(received).chain(clients).collect()
            }
            Fault::CutOff => sent.chain(received).collect(),
            Fault::Mute => sent.collect(),
            Fault::Deaf => received.collect(),
            Fault::Between => {
                let other = (at + 1) % count + 1;
                vec![(one, other), (other, one)]
            }
            _ => Vec::new(),
        }
    }
}
