//! A consumer group that commits one offset after the other, and what must be found of them.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::{history::Anomaly, patience::until_answered};
use client::{ClientError, Connection, Topic};

/// Longer than a broker on a busy machine is silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// There is nothing to wait on: that is what a retriable code means.
const RETRY_BACKOFF: Duration = Duration::from_millis(10);

/// A group that lives through the broker's crashes. It commits in all partitions of a topic at once.
#[derive(Debug)]
pub struct Committer {
    group: String,
    /// By partition.
    partitions: BTreeMap<i32, Committed>,
    commits: u64,
}

/// The offsets of a partition.
#[derive(Clone, Copy, Debug, Default)]
struct Committed {
    /// The last that was sent.
    sent: i64,
    /// The last that was acknowledged or read: the broker must not have less from then on.
    known: i64,
}

impl Committer {
    /// One that has committed nothing.
    pub fn new(id: u32) -> Committer {
        Committer {
            group: format!("group-{id}"),
            partitions: BTreeMap::new(),
            commits: 0,
        }
    }

    /// The group's id.
    pub fn group(&self) -> &str {
        &self.group
    }

    /// How many offsets were acknowledged.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// Commits until it is told to stop, or the broker does not answer any more.
    pub fn run(
        &mut self,
        address: &str,
        topic: &Topic,
        stop: &AtomicBool,
    ) -> Result<(), ClientError> {
        let mut connection = Connection::connect(address, "committer", SILENCE_MAX)?;
        until_answered(|| connection.find_coordinator(&self.group))?;
        while !stop.load(Ordering::SeqCst) {
            let offsets: BTreeMap<i32, i64> = (0..topic.partitions)
                .map(|partition| {
                    let committed = self.partitions.entry(partition).or_default();
                    committed.sent += 1;
                    (partition, committed.sent)
                })
                .collect();
            match connection.commit_offsets(&self.group, topic, &offsets) {
                Ok(()) => {}
                Err(error) if error.is_retriable() => {
                    thread::sleep(RETRY_BACKOFF);
                    continue;
                }
                Err(error) => return Err(error),
            }
            self.commits += offsets.len() as u64;
            for (partition, offset) in offsets {
                self.partitions.entry(partition).or_default().known = offset;
            }
        }
        Ok(())
    }

    /// Compares with what is there: nothing that was acknowledged or read is gone, and nothing is there that was never sent.
    pub fn check(&mut self, found: &BTreeMap<i32, i64>) -> Vec<(i32, Anomaly)> {
        let mut anomalies = Vec::new();
        for (partition, committed) in &mut self.partitions {
            let found = found.get(partition).copied().unwrap_or(0);
            let (known, sent) = (committed.known, committed.sent);
            if (known..=sent).contains(&found) {
                committed.known = found;
                continue;
            }
            let group = self.group.clone();
            anomalies.push((
                *partition,
                Anomaly::Uncommitted {
                    group,
                    known,
                    sent,
                    found,
                },
            ));
        }
        anomalies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_that_goes_back_or_was_never_sent_is_named() {
        let committed = Committed { sent: 9, known: 5 };
        let at = |found: Option<i64>| {
            let mut committer = Committer::new(1);
            committer.partitions.insert(0, committed);
            let found = found.map(|found| (0, found)).into_iter().collect();
            committer.check(&found).len()
        };
        assert_eq!([at(Some(5)), at(Some(9))], [0, 0]);
        assert_eq!([at(None), at(Some(4)), at(Some(10))], [1, 1, 1]);
        let mut committer = Committer::new(1);
        committer.partitions.insert(0, committed);
        assert!(committer.check(&[(0, 8)].into()).is_empty());
        assert_eq!(committer.check(&[(0, 7)].into()).len(), 1, "it was read");
    }
}
