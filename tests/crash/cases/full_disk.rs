//! A disk that is full for a while, with load all the time.

use libtest_mimic::Failed;
use peer::{Holdfast, HoldfastConfig};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tests_crash::{Crowd, Failure, Fate, Life, LoopDisk, Tally, Victim, number_from_env, seed};

use crate::campaign::parent;

const CYCLES_VARIABLE: &str = "HOLDFAST_FULL_DISK_CYCLES";
/// One of each kind.
const CYCLES: u64 = 2;
/// What was written stays, so that a disk is full for good at some time.
const CYCLES_PER_DISK_MAX: u64 = 3;
const DISK_BYTES: u64 = 192 << 20;
/// A twentieth of the disk is the watermark: a little more than that is left to the load.
const NEARLY: std::ops::Range<u64> = 9 << 20..16 << 20;

pub fn run(engine: &'static str) -> Result<(), Failed> {
    let cycles = number_from_env(CYCLES_VARIABLE).unwrap_or(CYCLES);
    let mut total = Tally::default();
    for life in 0..cycles.div_ceil(CYCLES_PER_DISK_MAX) {
        let left = cycles - life * CYCLES_PER_DISK_MAX;
        total.add(run_life(
            engine,
            seed().wrapping_add(life),
            left.min(CYCLES_PER_DISK_MAX),
        )?);
    }
    eprintln!("full_disk::{engine}: {total}");
    Ok(())
}

fn run_life(engine: &'static str, seed: u64, cycles: u64) -> Result<Tally, Failed> {
    let mut disk = LoopDisk::with_bytes(parent(), DISK_BYTES)?;
    let config = HoldfastConfig {
        data_dir: Some(disk.path().join("data")),
        ..HoldfastConfig::default()
    };
    let config = config
        .set("io.engine", engine)
        .set("journal.file.bytes", "4194304")
        .set("journal.initial.file.bytes", "1048576")
        .set("journal.commit.bytes.max", "524288")
        .set("log.segment.bytes", "1048576")
        .set("log.tail.bytes.max", "4194304")
        // So that there is something to write whenever the last block is taken.
        .set("log.write.behind.ms", "300");
    let mut holdfast = Holdfast::start(config)?;
    let outcome = live(seed, cycles, &mut holdfast, &mut disk);
    outcome.map_err(|failure| {
        holdfast.kill9();
        Failed::from(format!(
            "{failure}\n\nseed {seed}; the data is kept in {}\nagain: HOLDFAST_CRASH_SEED={seed} \
             {CYCLES_VARIABLE}={cycles} cargo test -p tests-crash --test crash -- --exact \
             full_disk::{engine}\n\nthe broker's log ends with\n{}",
            disk.keep().display(),
            Victim::log_tail(&holdfast),
        ))
    })
}

fn live(
    seed: u64,
    cycles: u64,
    victim: &mut dyn Victim,
    disk: &mut LoopDisk,
) -> Result<Tally, Failure> {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut life = Life::begin(seed, victim, Some(disk))?;
    for cycle in 0..cycles {
        // Both kinds in any two.
        let (crowd, fate) = match cycle {
            0 => (Crowd::Suddenly, Fate::Lives),
            1 => (Crowd::Nearly(NEARLY.start), Fate::IsKilled),
            _ => drawn(&mut random),
        };
        life.crowd_once(crowd, fate)?;
    }
    life.stop_once()?;
    Ok(life.tally())
}

fn drawn(random: &mut SmallRng) -> (Crowd, Fate) {
    let crowd = match random.random_bool(0.5) {
        true => Crowd::Suddenly,
        false => Crowd::Nearly(random.random_range(NEARLY)),
    };
    let fate = match random.random_bool(0.5) {
        true => Fate::Lives,
        false => Fate::IsKilled,
    };
    (crowd, fate)
}
