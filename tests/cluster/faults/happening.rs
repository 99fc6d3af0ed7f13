//! How faults happen, one or two at a time; all brokers are well again when their time is over.

use std::{
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::Failed;
use peer::HoldfastCluster;
use rand::{Rng, rngs::SmallRng};
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};
use tests_crash::is_set;

use crate::{ground::Ground, mover::Moving, schedule::Fault};

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

/// What faults happen to, and what decides about them.
pub struct Scene<'a> {
    /// What the brokers stand on.
    pub ground: &'a mut Ground,
    /// The brokers.
    pub cluster: &'a mut HoldfastCluster,
    /// Who moves partitions meanwhile.
    pub moving: &'a Moving,
    /// Decides.
    pub random: &'a mut SmallRng,
}

/// One fault, or two at once, that are over.
#[derive(Clone, Debug)]
pub struct Happened {
    /// Which.
    pub faults: Vec<Fault>,
    /// When the first began.
    pub began: Instant,
    /// When all brokers were well again.
    pub healed: Instant,
}

impl Happened {
    /// For the report.
    pub fn name(&self) -> String {
        let names: Vec<_> = self.faults.iter().map(|fault| fault.name()).collect();
        names.join(" + ")
    }

    /// Whether the cluster could go on meanwhile.
    pub fn left_majority(&self) -> bool {
        matches!(&self.faults[..], [fault] if fault.leaves_majority())
    }
}

impl Scene<'_> {
    /// Lets a fault happen to some broker, and heals it.
    pub fn one(&mut self, fault: Fault) -> Result<Happened, Failed> {
        let at = self.random.random_range(0..self.cluster.len());
        let began = Instant::now();
        self.begin(fault, at)?;
        let lasts = self.lasting();
        match fault {
            Fault::Slow => self.ground.slow_down(at, lasts)?,
            // It lasts for as long as the broker needs.
            Fault::Restart => {}
            _ => thread::sleep(lasts),
        }
        self.end(fault, at)?;
        self.well(vec![fault], began)
    }

    /// Lets another one happen while one lasts. Either may be over first.
    pub fn two(&mut self, first: Fault, second: Fault, at: usize) -> Result<Happened, Failed> {
        let next = (at + 1) % self.cluster.len();
        let began = Instant::now();
        self.begin(first, at)?;
        thread::sleep(self.lasting() / 2);
        self.begin(second, next)?;
        thread::sleep(self.lasting() / 2);
        let mut over = [(first, at), (second, next)];
        if self.random.random() {
            over.reverse();
        }
        let [(one, of_one), (other, of_other)] = over;
        self.end(one, of_one)?;
        thread::sleep(self.lasting() / 2);
        self.end(other, of_other)?;
        self.well(vec![first, second], began)
    }

    /// Draws two that can happen at once, and which broker, from 0, the first is about.
    pub fn draw_two(&mut self) -> (Fault, Fault, usize) {
        let count = self.cluster.len();
        loop {
            let first = Fault::draw(self.ground, self.random);
            let second = Fault::draw(self.ground, self.random);
            let at = self.random.random_range(0..count);
            if first.may_be_joined() && second.may_join(first, (at + 1) % count, count) {
                return (first, second, at);
            }
        }
    }

    fn lasting(&mut self) -> Duration {
        let is_long = self.random.random_ratio(1, LONG_ONE_OF) || is_set("HOLDFAST_FAULTS_LONG");
        let millis = match is_long {
            true => self.random.random_range(4_000..20_000),
            false => self.random.random_range(100..4_000),
        };
        Duration::from_millis(millis)
    }

    fn begin(&mut self, fault: Fault, at: usize) -> Result<(), Failed> {
        let count = self.cluster.len();
        let killed = fault.kills(at, count);
        match fault {
            Fault::Power | Fault::PowerAll => self.ground.cut_power(self.cluster, &killed)?,
            Fault::Wipe => self.ground.wipe(self.cluster, at, self.moving)?,
            Fault::Pause => self.signal(at, Signal::STOP)?,
            Fault::Hang => self.ground.hang(at)?,
            Fault::Full => self.ground.fill(at)?,
            Fault::Clock => {
                let jump = CLOCK_JUMPS[self.random.random_range(0..CLOCK_JUMPS.len())];
                self.ground.set_clock(at, jump)?;
            }
            Fault::Restart => {
                self.cluster.node(at).stop()?;
                self.cluster.node(at).relaunch()?;
            }
            _ => killed.iter().for_each(|at| self.cluster.node(*at).kill9()),
        }
        if let Some(network) = self.ground.network {
            for (from, to) in fault.cuts(at, count) {
                network.cut(from, to)?;
            }
        }
        Ok(())
    }

    /// Those that were killed are started again, and may take their time.
    fn end(&mut self, fault: Fault, at: usize) -> Result<(), Failed> {
        let count = self.cluster.len();
        match fault {
            Fault::Pause => self.signal(at, Signal::CONT)?,
            Fault::Hang => self.ground.go_on(at)?,
            Fault::Full => self.ground.make_room(at)?,
            Fault::Clock => self.ground.set_clock(at, 0)?,
            _ => {}
        }
        let has_cuts = !fault.cuts(at, count).is_empty();
        if let Some(network) = self.ground.network.filter(|_| has_cuts) {
            network.heal()?;
        }
        for at in fault.kills(at, count) {
            self.cluster.node(at).relaunch()?;
        }
        Ok(())
    }

    /// Waits until all of them are well.
    fn well(&mut self, faults: Vec<Fault>, began: Instant) -> Result<Happened, Failed> {
        for at in 0..self.cluster.len() {
            self.cluster.node(at).wait_ready()?;
        }
        Ok(Happened {
            faults,
            began,
            healed: Instant::now(),
        })
    }

    fn signal(&mut self, at: usize, signal: Signal) -> Result<(), Failed> {
        let pid = i32::try_from(self.cluster.node(at).pid())
            .ok()
            .and_then(Pid::from_raw);
        match kill_process(pid.ok_or("no process")?, signal) {
            // It was killed meanwhile.
            Err(Errno::SRCH) => Ok(()),
            outcome => Ok(outcome?),
        }
    }
}
