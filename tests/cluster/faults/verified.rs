//! What `holdfast-ctl verify` does with a topic of its own, while things happen.

use std::{fs, io, path::PathBuf, sync::mpsc::Sender, time::Duration};

use ctl::{
    Seeds,
    verify::{self, Outcome, Progress, Stop, VerifyConfig},
};
use libtest_mimic::Failed;

use crate::{PARTITIONS, VERIFIED_TOPIC};

/// Longer than any run.
const DURATION: Duration = Duration::from_secs(24 * 60 * 60);
const WRITERS: u32 = 2;
/// Records per second of each of them.
const RATE: f64 = 200.0;

/// Writes, reads and checks until `stop`; says when it has begun, since it gives up if it cannot. What is under way then, and the reads in the end, have `patience`. The history is kept where it is easily
/// found, over that of the run before.
pub fn verify(
    bootstrap: &str,
    name: &str,
    patience: Duration,
    begun: &Sender<()>,
    stop: &Stop,
) -> Result<Outcome, Failed> {
    let history = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.jsonl"));
    match fs::remove_file(&history) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let config = VerifyConfig {
        seeds: Seeds::parse(bootstrap)?,
        topic: Some(VERIFIED_TOPIC.to_owned()),
        partitions: PARTITIONS,
        replication_factor: None,
        duration: DURATION,
        writers: WRITERS,
        rate: RATE,
        patience,
        history: Some(history),
        keep_topic: true,
    };
    let mut is_told = false;
    let mut tell = |progress: Progress| {
        if progress.acknowledged > 0 && !std::mem::replace(&mut is_told, true) {
            // Who has given up waiting does not hear it.
            let _ = begun.send(());
        }
    };
    Ok(verify::run(&config, stop, &mut tell)?)
}
