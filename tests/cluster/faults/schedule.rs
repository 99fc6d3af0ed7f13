//! What happens to the brokers, one thing at a time; each is well again when its time is over.

use std::{
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::Failed;
use peer::HoldfastCluster;
use rand::{Rng, rngs::SmallRng};
use rustix::process::{Pid, Signal, kill_process};

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
}

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
    /// One of them.
    pub fn draw(random: &mut SmallRng) -> Fault {
        match random.random_range(0..10) {
            0..4 => Fault::Kill,
            4..6 => Fault::Pause,
            6 => Fault::KillAll,
            7 => Fault::KillMajority,
            _ => Fault::Restart,
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
        }
    }

    /// Lets it happen and heals it: all brokers are ready.
    pub fn happen(
        self,
        cluster: &mut HoldfastCluster,
        random: &mut SmallRng,
    ) -> Result<Happened, Failed> {
        let began = Instant::now();
        let count = cluster.len();
        let at = random.random_range(0..count);
        let away = Duration::from_millis(random.random_range(100..4_000));
        let killed: Vec<usize> = match self {
            Fault::Kill => vec![at],
            Fault::KillMajority => vec![at, (at + 1) % count],
            Fault::KillAll => (0..count).collect(),
            Fault::Pause => {
                let pid = i32::try_from(cluster.node(at).pid())
                    .ok()
                    .and_then(Pid::from_raw);
                let pid = pid.ok_or("no process")?;
                kill_process(pid, Signal::STOP)?;
                thread::sleep(away);
                kill_process(pid, Signal::CONT)?;
                Vec::new()
            }
            Fault::Restart => {
                cluster.node(at).stop()?;
                cluster.node(at).restart()?;
                Vec::new()
            }
        };
        for at in &killed {
            cluster.node(*at).kill9();
        }
        if !killed.is_empty() {
            thread::sleep(away);
        }
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
