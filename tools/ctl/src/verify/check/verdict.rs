use std::collections::BTreeMap;

use serde::Serialize;

use super::{Anomaly, check};
use crate::verify::history::{Event, History, Seen};

/// Of one kind so many anomalies are described.
pub const EXAMPLES_MAX: usize = 5;

/// What is said of a history: how much there was, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// How much there was.
    pub counts: Counts,
    /// What is wrong, the worst kind first. Nothing, if all is well.
    pub anomalies: Vec<Group>,
}

/// How much of what there was, in records unless the name says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Sent, each counted once.
    pub sent: u64,
    /// Acknowledged.
    pub acknowledged: u64,
    /// May or may not be there.
    pub unknown: u64,
    /// Batches sent again, each time counted.
    pub retried_batches: u64,
    /// The same by why they were.
    pub retried_for: BTreeMap<String, u64>,
    /// The longest that a batch waited, in microseconds from when it was sent first to its acknowledgement.
    pub longest_wait_us: u64,
    /// When that batch was sent, in microseconds from the begin on.
    pub longest_wait_at_us: u64,
    /// Read, by consumer.
    pub read: BTreeMap<&'static str, u64>,
}

/// Anomalies of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The kind.
    pub name: &'static str,
    /// How many there are.
    pub count: usize,
    /// Some of them, at most [`EXAMPLES_MAX`].
    pub examples: Vec<String>,
}

impl Verdict {
    /// Checks a history.
    pub fn of(history: &History) -> Verdict {
        Verdict {
            counts: Counts::of(history),
            anomalies: grouped(&check(history)),
        }
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.anomalies.is_empty()
    }
}

fn grouped(anomalies: &[Anomaly]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for anomaly in anomalies {
        if groups
            .last()
            .is_none_or(|group| group.name != anomaly.name())
        {
            groups.push(Group {
                name: anomaly.name(),
                count: 0,
                examples: Vec::new(),
            });
        }
        if let Some(group) = groups.last_mut() {
            group.count += 1;
            if group.examples.len() < EXAMPLES_MAX {
                group.examples.push(anomaly.to_string());
            }
        }
    }
    groups
}

impl Counts {
    /// Counts what a history tells.
    pub fn of(history: &History) -> Counts {
        let mut counts = Counts::default();
        let mut waiting = BTreeMap::new();
        for event in &history.events {
            match event {
                Event::Send { batch, at_us, .. } => {
                    counts.sent += u64::from(batch.count);
                    waiting.insert((batch.writer, batch.first), *at_us);
                }
                Event::Ack { batch, at_us, .. } => {
                    counts.acknowledged += u64::from(batch.count);
                    if let Some(sent_us) = waiting.remove(&(batch.writer, batch.first)) {
                        counts.on_acknowledged(sent_us, *at_us);
                    }
                }
                Event::Unknown { batch, .. } => counts.unknown += u64::from(batch.count),
                Event::Retry { error, .. } => {
                    counts.retried_batches += 1;
                    *counts.retried_for.entry(error.clone()).or_default() += 1;
                }
                Event::Poll(poll) => {
                    let read = counts.read.entry(poll.consumer.name()).or_default();
                    let records = poll.records.iter().map(|seen| match seen {
                        Seen::Run(run) => u64::from(run.batch.count),
                        Seen::Foreign { .. } => 1,
                    });
                    *read += records.sum::<u64>();
                }
                _ => {}
            }
        }
        counts
    }

    fn on_acknowledged(&mut self, sent_us: u64, at_us: u64) {
        let waited_us = at_us.saturating_sub(sent_us);
        if waited_us > self.longest_wait_us {
            self.longest_wait_us = waited_us;
            self.longest_wait_at_us = sent_us;
        }
    }
}
