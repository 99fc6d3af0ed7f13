//! Crashes of a whole data directory on the simulated disk, one seed a run.
//!
//! What was durable before a crash is there after it, once and in order; what was appended but not durable is there at most once;
//! nothing else is. `HOLDFAST_SIM_SEEDS` says how many seeds (default 300), `HOLDFAST_SIM_SEED` runs a single one.

mod support;

use support::crash::{Outcome, run_seed};

fn seeds() -> Vec<u64> {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse::<u64>().ok())
    };
    match number("HOLDFAST_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("HOLDFAST_SIM_SEEDS").unwrap_or(300)).collect(),
    }
}

#[test]
fn what_was_durable_survives_every_crash() {
    let mut sum = Outcome::default();
    for seed in seeds() {
        match run_seed(seed, false) {
            Ok(outcome) => sum.add(&outcome),
            Err(failure) => panic!("HOLDFAST_SIM_SEED={seed} replays this: {failure}"),
        }
    }
    println!("{sum:?}");
    assert!(
        sum.crashes > 0 && sum.verified > 0,
        "the test tested nothing: {sum:?}"
    );
}

/// The test can fail: on a disk that says it synced and did not, records are lost, and this must be seen.
#[test]
fn a_disk_that_lies_about_sync_is_found_out() {
    let caught = (0..60)
        .filter(|seed| run_seed(*seed, true).is_err())
        .count();
    assert!(
        caught > 20,
        "only {caught} of 60 seeds noticed that nothing was synced"
    );
}

#[test]
fn one_seed_is_one_history() {
    let first = run_seed(7, false).map_err(|failure| failure.to_string());
    let second = run_seed(7, false).map_err(|failure| failure.to_string());
    assert_eq!(first, second);
}
