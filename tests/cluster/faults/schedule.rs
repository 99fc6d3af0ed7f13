//! What happens to the brokers, one thing at a time; each is well again when its time is over.

use std::{
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::Failed;
use peer::HoldfastCluster;
use rand::{Rng, rngs::SmallRng};
use rustix::process::{Pid, Signal, kill_process};
use tests_crash::is_set;

use crate::{ground::Ground, mover::Moving, network::Host};

/// Of so many faults one lasts long.
const LONG_ONE_OF: u32 = 8;

/// By so many milliseconds clocks jump: a summer time, a dead battery, and what comes to mind with it.
const CLOCK_JUMPS: [i64; 6] = [
    3_600_000,
    -3_600_000,
    315_360_000_000,
    -315_360_000_000,
    1_000,
    -1_790_000_000_000,
];

/// A fault.
#[derive(Clone, Copy, Debug)]
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

/// A fault that is over.
#[derive(Clone, Copy, Debug)]
pub struct Happened {
    /// Which.
    pub fault: Fault,
    /// When it began.
    pub began: Instant,
    /// When all brokers were well again.
    pub healed: Instant,
}

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

    /// Which brokers are killed, from 0, if it is about `at`.
    fn kills(self, at: usize, count: usize) -> Vec<usize> {
        match self {
            Fault::Kill | Fault::Power | Fault::Wipe => vec![at],
            Fault::KillMajority => vec![at, (at + 1) % count],
            Fault::KillAll | Fault::PowerAll => (0..count).collect(),
            _ => Vec::new(),
        }
    }

    /// From whom nothing arrives at whom, if it is about the broker `at`, from 0.
    fn cuts(self, at: usize, count: usize) -> Vec<(Host, Host)> {
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

    /// Lets it happen and heals it: all brokers are ready.
    pub fn happen(
        self,
        ground: &mut Ground,
        cluster: &mut HoldfastCluster,
        moving: &Moving,
        random: &mut SmallRng,
    ) -> Result<Happened, Failed> {
        let count = cluster.len();
        let at = random.random_range(0..count);
        let is_long = random.random_ratio(1, LONG_ONE_OF) || is_set("HOLDFAST_FAULTS_LONG");
        let away = match is_long {
            true => random.random_range(4_000..20_000),
            false => random.random_range(100..4_000),
        };
        let away = Duration::from_millis(away);
        let began = Instant::now();
        let killed = self.kills(at, count);
        match self {
            Fault::Power | Fault::PowerAll => ground.cut_power(cluster, &killed)?,
            Fault::Wipe => ground.wipe(cluster, at, moving)?,
            _ => killed.iter().for_each(|at| cluster.node(*at).kill9()),
        }
        match self {
            Fault::Pause => pause(cluster, at, away)?,
            Fault::Hang => ground.hang(at, away)?,
            Fault::Slow => ground.slow_down(at, away)?,
            Fault::Full => ground.fill(at, away)?,
            Fault::Clock => {
                let jump = CLOCK_JUMPS[random.random_range(0..CLOCK_JUMPS.len())];
                ground.set_clock(at, jump)?;
            }
            Fault::Restart => {
                cluster.node(at).stop()?;
                cluster.node(at).restart()?;
            }
            _ => {}
        }
        if let Some(network) = ground.network {
            for (from, to) in self.cuts(at, count) {
                network.cut(from, to)?;
            }
        }
        if !matches!(
            self,
            Fault::Pause | Fault::Restart | Fault::Hang | Fault::Slow | Fault::Full
        ) {
            thread::sleep(away);
        }
        if let Some(network) = ground.network {
            network.heal()?;
        }
        ground.set_clock(at, 0)?;
        for at in &killed {
            cluster.node(*at).relaunch()?;
        }
        for at in &killed {
            cluster.node(*at).wait_ready()?;
        }
        Ok(Happened {
            fault: self,
            began,
            healed: Instant::now(),
        })
    }
}

fn pause(cluster: &mut HoldfastCluster, at: usize, away: Duration) -> Result<(), Failed> {
    let pid = i32::try_from(cluster.node(at).pid())
        .ok()
        .and_then(Pid::from_raw);
    let pid = pid.ok_or("no process")?;
    kill_process(pid, Signal::STOP)?;
    thread::sleep(away);
    kill_process(pid, Signal::CONT)?;
    Ok(())
}
