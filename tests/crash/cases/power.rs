//! Power cuts: what had not been synced is gone.

use libtest_mimic::Failed;
use peer::{ApacheKafka, ApacheKafkaConfig, Holdfast, HoldfastConfig};
use tests_crash::{Failure, Life, Victim, seed};

use crate::campaign::{Campaign, Ground, Subject};

/// A cut may come before anything was acknowledged.
const CUTS_WITHOUT_SYNC_MAX: u64 = 5;

pub fn run(engine: &'static str) -> Result<(), Failed> {
    let name = match engine {
        "uring" => "power::uring",
        _ => "power::threads",
    };
    Campaign::new(name, engine, true, 1, Subject::Plain).run()
}

/// With a journal in each of several directories, and partitions in all of them.
pub fn directories() -> Result<(), Failed> {
    Campaign::new("power::directories", "auto", true, 3, Subject::Plain).run()
}

/// While old records are deleted.
pub fn retention() -> Result<(), Failed> {
    Campaign::new("power::retention", "auto", true, 1, Subject::Retention).run()
}

/// While topics are compacted.
pub fn compaction() -> Result<(), Failed> {
    Campaign::new("power::compaction", "auto", true, 1, Subject::Compaction).run()
}

/// With batches that bypass the journal.
pub fn bypass() -> Result<(), Failed> {
    Campaign::new("power::bypass", "auto", true, 1, Subject::Bypass).run()
}

/// With a thousand partitions.
pub fn partitions() -> Result<(), Failed> {
    Campaign::new("power::partitions", "auto", true, 1, Subject::Partitions).run()
}

/// The test of the test: a journal that does not sync must be caught losing records.
pub fn without_sync_records_are_lost() -> Result<(), Failed> {
    let mut others = Vec::new();
    for cut in 0..CUTS_WITHOUT_SYNC_MAX {
        let mut ground = Ground::new(true)?;
        let config = HoldfastConfig {
            data_dir: Some(ground.data_dir()),
            ..HoldfastConfig::default()
        };
        // A load stays within the first file: a start that misses a file which the checkpoint names is refused.
        let config = config
            .set("journal.unsafe.no.sync", "true")
            .set("journal.files", "2")
            .set("journal.initial.file.bytes", "67108864");
        let mut holdfast = Holdfast::start(config)?;
        let outcome = cut_once(seed().wrapping_add(cut), &mut holdfast, &mut ground);
        match outcome {
            Err(failure) if failure.count("lost") > 0 => {
                let lost = failure.count("lost");
                eprintln!("power::without_sync_records_are_lost: {lost} batches, cut {cut}");
                return Ok(());
            }
            Err(failure) => others.push(failure.to_string()),
            Ok(()) => others.push("nothing was lost".to_owned()),
        }
    }
    let others = others.join("\n");
    Err(
        format!("{CUTS_WITHOUT_SYNC_MAX} power cuts without a sync lost no record:\n{others}")
            .into(),
    )
}

/// For comparison: Apache Kafka as it comes, which does not sync before it acknowledges.
pub fn apache() -> Result<(), Failed> {
    let mut ground = Ground::new(true)?;
    let config = ApacheKafkaConfig {
        dir: Some(ground.data_dir()),
        heap: "512m".to_owned(),
        ..ApacheKafkaConfig::default()
    };
    let mut kafka = ApacheKafka::start(config)?;
    match cut_once(seed(), &mut kafka, &mut ground) {
        Ok(()) => eprintln!("power::apache: nothing was lost"),
        Err(failure) => eprintln!("power::apache: {failure}"),
    }
    Ok(())
}

/// What is written before the last load is made durable from outside: a broker that does not sync
/// may refuse to start on what is left of its files, and this is about its records.
fn cut_once(seed: u64, victim: &mut dyn Victim, ground: &mut Ground) -> Result<(), Failure> {
    let mut life = Life::begin(seed, victim, ground.disk.as_mut())?;
    life.load_once()?;
    life.sync_disk()?;
    life.crash_once()
}
