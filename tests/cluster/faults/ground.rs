//! What the brokers stand on: a network each, and a disk each that can lose its power; as far as this machine has them.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::PoisonError,
    thread,
    time::{Duration, Instant},
};

use libtest_mimic::Failed;
use peer::{HoldfastCluster, HoldfastConfig};
use protocol::model::Uuid;
use tempfile::TempDir;
use tests_crash::{LoopDisk, is_set};

use crate::{
    NODES,
    mover::{self, Moving},
    network::Network,
    reader,
};

/// A slow disk does nothing for so long at a time.
const SLOW_FOR: Duration = Duration::from_millis(300);
/// And works for so long.
const SLOW_AWAKE: Duration = Duration::from_millis(10);
/// A disk is filled up to so much less than there was, step by step.
const FILL_STEP_BYTES: u64 = 4 << 20;
const FILL_ATTEMPTS: u64 = 8;

/// The ground of one run.
pub struct Ground {
    /// `None`: all are on the loopback.
    pub network: Option<Network>,
    disks: Vec<LoopDisk>,
    /// Says, in a file for each broker, how wrong its clock is.
    clocks: TempDir,
    /// Whether disks may be wiped.
    pub may_wipe: bool,
    /// What was on disks that were wiped.
    lost: Vec<Uuid>,
}

impl Ground {
    /// What this machine lets us have. With `CI=true` all of it has to be there that `HOLDFAST_NO_NETNS` and `HOLDFAST_NO_LOOP` do not give up.
    pub fn find(network: Option<Network>, may_wipe: bool) -> Result<Ground, Failed> {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let mut disks = Vec::new();
        if !may_be_without("HOLDFAST_NO_LOOP", || LoopDisk::unavailable(parent))? {
            for _ in 0..NODES {
                disks.push(LoopDisk::create(parent)?);
            }
        }
        Ok(Ground {
            network,
            disks,
            clocks: TempDir::with_prefix("clocks-")?,
            may_wipe,
            lost: Vec::new(),
        })
    }

    /// Whether brokers have disks of their own, which lose their power, hang, and fill up.
    pub fn has_disks(&self) -> bool {
        !self.disks.is_empty()
    }

    /// Starts the brokers on it.
    pub fn start(&self, config: &HoldfastConfig) -> Result<HoldfastCluster, Failed> {
        let mut configs = vec![config.clone(); NODES];
        for (config, host) in configs.iter_mut().zip(1..) {
            let settings = std::mem::take(config);
            *config = settings.set("broker.rack", &reader::rack(host - 1)).set(
                "replica.selector.class",
                "org.apache.kafka.common.replica.RackAwareReplicaSelector",
            );
            if let Some(network) = self.network {
                config.host = network.address(host);
                config.runner = network.runner(host);
            }
            // Not where it is mounted, which has a `lost+found`.
            let disk = self.disks.get(host - 1);
            let clock = self.clock_file(host - 1);
            let clock = clock.to_str().ok_or("a path that is no text")?;
            *config = config.clone().set("clock.unsafe.offset.file", clock);
            config.data_dir = disk.map(|disk| disk.path().join("data"));
        }
        Ok(HoldfastCluster::start_each(configs)?)
    }

    /// The power of some brokers, from 0, is cut at one instant; it comes back before they are started again.
    pub fn cut_power(
        &mut self,
        cluster: &mut HoldfastCluster,
        nodes: &[usize],
    ) -> Result<(), Failed> {
        let disks = &self.disks;
        thread::scope(|scope| {
            let cuts = nodes
                .iter()
                .map(|at| scope.spawn(|| disks[*at].cut_power()));
            let cuts: Vec<_> = cuts.collect();
            cuts.into_iter()
                .try_for_each(|cut| cut.join().expect("it does not panic"))
        })?;
        for at in nodes {
            cluster.node(*at).kill9();
        }
        for at in nodes {
            self.disks[*at].restore_power()?;
        }
        Ok(())
    }

    /// A broker's clock, from 0, is wrong by so many milliseconds from now on.
    pub fn set_clock(&self, at: usize, offset_ms: i64) -> Result<(), Failed> {
        Ok(fs::write(self.clock_file(at), offset_ms.to_string())?)
    }

    fn clock_file(&self, at: usize) -> PathBuf {
        self.clocks.path().join(at.to_string())
    }

    /// A broker's disk, from 0, hangs from now on.
    pub fn hang(&self, at: usize) -> Result<(), Failed> {
        Ok(self.disks[at].freeze()?)
    }

    /// It does so no more.
    pub fn go_on(&self, at: usize) -> Result<(), Failed> {
        Ok(self.disks[at].thaw()?)
    }

    /// A broker's disk, from 0, does something only now and then, for so long.
    pub fn slow_down(&self, at: usize, time: Duration) -> Result<(), Failed> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.hang(at)?;
            thread::sleep(SLOW_FOR);
            self.go_on(at)?;
            thread::sleep(SLOW_AWAKE);
        }
        Ok(())
    }

    /// A broker's disk, from 0, is full from now on.
    pub fn fill(&self, at: usize) -> Result<(), Failed> {
        let filler = fs::File::create(self.filler(at))?;
        let flags = rustix::fs::FallocateFlags::empty();
        // The broker may take some of it meanwhile.
        let mut outcome = Ok(());
        for attempt in 0..FILL_ATTEMPTS {
            let free = rustix::fs::fstatvfs(&filler)?;
            let bytes = free.f_bavail * free.f_frsize;
            let less = bytes.saturating_sub(attempt * FILL_STEP_BYTES).max(1);
            outcome = rustix::fs::fallocate(&filler, flags, 0, less);
            if outcome.is_ok() {
                break;
            }
        }
        Ok(outcome?)
    }

    /// It is full no more.
    pub fn make_room(&self, at: usize) -> Result<(), Failed> {
        match fs::remove_file(self.filler(at)) {
            // The power was cut, and took it away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    fn filler(&self, at: usize) -> PathBuf {
        self.disks[at].path().join("filler")
    }

    /// Makes everything durable that is on the disks.
    pub fn sync(&self) -> Result<(), Failed> {
        for disk in &self.disks {
            disk.sync()?;
        }
        Ok(())
    }

    /// A broker, from 0, is killed, and all that it has on its disk is lost; once that is so, nothing but that disk.
    pub fn wipe(
        &mut self,
        cluster: &mut HoldfastCluster,
        at: usize,
        moving: &Moving,
    ) -> Result<(), Failed> {
        let _still = moving.lock().unwrap_or_else(PoisonError::into_inner);
        let addresses = mover::addresses(cluster);
        let quorum = mover::wait_redundant(&addresses, &self.lost)?;
        cluster.node(at).kill9();
        let of_node = quorum
            .voters
            .iter()
            .filter(|it| usize::try_from(it.id - 1) == Ok(at));
        self.lost.extend(of_node.map(|it| it.directory));
        for entry in fs::read_dir(cluster.node(at).data_dir())? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => fs::remove_dir_all(entry.path())?,
                false => fs::remove_file(entry.path())?,
            }
        }
        Ok(())
    }
}

/// Whether a run goes without something, because it need not be, or cannot be had, for which `why_not` tries.
pub fn may_be_without(
    variable: &str,
    why_not: impl FnOnce() -> Option<String>,
) -> Result<bool, Failed> {
    if is_set(variable) {
        return Ok(true);
    }
    match why_not() {
        None => Ok(false),
        Some(why) if is_set("CI") => Err(format!("{why} (go without: {variable}=1)").into()),
        Some(why) => {
            eprintln!("faults: as with {variable}=1, since {why}");
            Ok(true)
        }
    }
}
