//! The same load and the same checks with nobody killed: whether the load itself is in order, seen
//! against a broker that is not ours, and whether ours keeps order at all.

use libtest_mimic::Failed;
use peer::{ApacheKafka, ApacheKafkaConfig, Holdfast, HoldfastConfig};
use tests_crash::{Failure, Life, Victim, seed};

use crate::campaign::Ground;

const LOADS: u64 = 3;

pub fn apache() -> Result<(), Failed> {
    let config = ApacheKafkaConfig {
        heap: "512m".to_owned(),
        ..ApacheKafkaConfig::default()
    };
    run(&mut ApacheKafka::start(config)?)
}

pub fn holdfast() -> Result<(), Failed> {
    let ground = Ground::new(false)?;
    let config = HoldfastConfig {
        data_dir: Some(ground.data_dir()),
        ..HoldfastConfig::default()
    };
    run(&mut Holdfast::start(config)?)
}

fn run(victim: &mut dyn Victim) -> Result<(), Failed> {
    let seed = seed();
    let outcome = loads(seed, victim);
    outcome.map_err(|failure| {
        let log = victim.log_tail();
        let seed = format!("HOLDFAST_CRASH_SEED={seed}");
        Failed::from(format!(
            "{failure}\n\n{seed}\n\nthe broker's log ends with\n{log}"
        ))
    })
}

fn loads(seed: u64, victim: &mut dyn Victim) -> Result<(), Failure> {
    let mut life = Life::begin(seed, victim, None)?;
    for _ in 0..LOADS {
        life.load_once()?;
    }
    life.stop_once()
}
