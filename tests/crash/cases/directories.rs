//! Two disks with a data directory each, one of which fails.

use libtest_mimic::Failed;
use peer::{Holdfast, HoldfastConfig};
use tests_crash::{Failure, Life, LoopDisk, Tally, Victim, number_from_env, seed};

use crate::campaign::{more_directories, parent, settings};

const CYCLES_VARIABLE: &str = "HOLDFAST_DISK_FAILURE_CYCLES";
const CYCLES: u64 = 1;

/// The disk that does not hold the metadata fails under load, and again and again: with errors, with errors at the start, and not
/// being there at all. In between all of it is back.
pub fn one_disk_fails() -> Result<(), Failed> {
    let cycles = number_from_env(CYCLES_VARIABLE).unwrap_or(CYCLES);
    let seed = seed();
    let metadata = LoopDisk::create(parent())?;
    let mut other = LoopDisk::create(parent())?;
    let config = HoldfastConfig {
        data_dir: Some(metadata.path().join("data")),
        args: more_directories([other.path().join("data")].into_iter()),
        ..settings(seed, "auto")
    };
    let mut holdfast = Holdfast::start(config)?;
    let outcome = live(seed, cycles, &mut holdfast, &mut other);
    let tally = outcome.map_err(|failure| {
        holdfast.kill9();
        Failed::from(format!(
            "{failure}\n\nagain: HOLDFAST_CRASH_SEED={seed} {CYCLES_VARIABLE}={cycles} cargo test -p tests-crash --test \
             crash -- --exact directories::one_disk_fails\n\nthe broker's log ends with\n{}",
            Victim::log_tail(&holdfast),
        ))
    })?;
    eprintln!("directories::one_disk_fails: {tally}");
    Ok(())
}

fn live(
    seed: u64,
    cycles: u64,
    victim: &mut dyn Victim,
    disk: &mut LoopDisk,
) -> Result<Tally, Failure> {
    let mut life = Life::begin(seed, victim, None)?;
    for _ in 0..cycles {
        life.load_once()?;
        life.fail_once(|| disk.cut_power())?;
        // It is there, and every call fails.
        life.restart_half(|| Ok(()))?;
        life.restart_half(|| disk.unmount())?;
        life.restart_whole(|| disk.mount())?;
    }
    life.stop_once()?;
    Ok(life.tally())
}
