//! Looks at committed offsets all the time: they never go back.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use client::{Connection, Topic};
use libtest_mimic::Failed;

use crate::{SILENCE_MAX, history::History};

const INTERVAL: Duration = Duration::from_millis(20);

/// What has been seen of the groups.
pub struct Watch<'a> {
    address: &'a str,
    groups: &'a [String],
    topic: &'a Topic,
    seen: BTreeMap<(&'a str, i32), i64>,
    history: &'a History,
}

impl<'a> Watch<'a> {
    /// Of groups that have committed nothing.
    pub fn new(
        address: &'a str,
        groups: &'a [String],
        topic: &'a Topic,
        history: &'a History,
    ) -> Watch<'a> {
        Watch {
            address,
            groups,
            topic,
            seen: BTreeMap::new(),
            history,
        }
    }

    /// Looks until it is told to stop. Returns how often it could.
    pub fn run(mut self, stop: &AtomicBool) -> Result<u64, Failed> {
        let mut looks = 0;
        while !stop.load(Ordering::SeqCst) {
            // While the broker is away there is nothing to be seen.
            if let Ok(mut connection) = Connection::connect(self.address, "watch", SILENCE_MAX) {
                looks += self.look(&mut connection, stop)?;
            }
            thread::sleep(INTERVAL);
        }
        Ok(looks)
    }

    fn look(&mut self, connection: &mut Connection, stop: &AtomicBool) -> Result<u64, Failed> {
        let mut looks = 0;
        while !stop.load(Ordering::SeqCst) {
            for group in self.groups {
                let committed = match connection.committed_offsets(group, self.topic) {
                    Ok(committed) => committed,
                    // The coordinator is being loaded.
                    Err(error) if error.is_retriable() => continue,
                    Err(_) => return Ok(looks),
                };
                for partition in 0..self.topic.partitions {
                    let now = committed.get(&partition).copied().unwrap_or(-1);
                    let before = self.seen.entry((group, partition)).or_insert(-1);
                    if now < *before {
                        return Err(format!(
                            "{group} was at offset {before} of partition {partition}, and is at {now} after {:.3} s of the run\n{}",
                            self.history.now(),
                            self.history.of(group)
                        )
                        .into());
                    }
                    *before = now;
                }
                looks += 1;
            }
            thread::sleep(INTERVAL);
        }
        Ok(looks)
    }
}
