//! The way of each consumer through each partition.

use std::collections::{BTreeMap, HashSet};

use super::{Anomaly, logs::Logs, sent::values};
use crate::verify::history::{Consumer, Event, History, Poll, Seen, Value};

/// What those read who decide in the end what is there.
#[derive(Default)]
pub(super) struct Readers(BTreeMap<(i32, Consumer), Reader>);

/// One of them in one partition.
#[derive(Default)]
pub(super) struct Reader {
    /// It came to here.
    pub reached: i64,
    /// What it saw.
    pub values: HashSet<Value>,
}

impl Readers {
    /// Of one partition.
    pub fn of(&self, partition: i32) -> impl Iterator<Item = (Consumer, &Reader)> {
        let all = (partition, Consumer::Tail)..=(partition, Consumer::FinalLarge);
        let all = self.0.range(all);
        all.map(|((_, consumer), reader)| (*consumer, reader))
    }
}

/// Nonmonotonic-poll and poll-skip. A history without final reads, which was cut short, is judged by the tailing reader.
pub(super) fn check(history: &History, logs: &Logs, anomalies: &mut Vec<Anomaly>) -> Readers {
    let is_whole = super::final_reads::is_whole(history);
    let judges = |consumer: Consumer| match is_whole {
        true => consumer.is_final(),
        false => consumer == Consumer::Tail,
    };
    let mut readers = Readers::default();
    let mut next: BTreeMap<(i32, Consumer), i64> = BTreeMap::new();
    for event in &history.events {
        match event {
            Event::Seek {
                consumer,
                partition,
                offset,
                ..
            } => {
                next.insert((*partition, *consumer), *offset);
            }
            Event::Poll(poll) => {
                let at = (poll.partition, poll.consumer);
                let next = next.entry(at).or_insert(poll.from);
                follow(poll, next, logs, anomalies);
                if judges(poll.consumer) {
                    let reader = readers.0.entry(at).or_default();
                    reader.reached = reader.reached.max(*next);
                    reader.values.extend(seen(poll));
                }
            }
            _ => {}
        }
    }
    readers
}

fn follow(poll: &Poll, next: &mut i64, logs: &Logs, anomalies: &mut Vec<Anomaly>) {
    let (partition, consumer) = (poll.partition, poll.consumer);
    for seen in &poll.records {
        let found = seen.offset();
        if found < *next {
            anomalies.push(Anomaly::NonmonotonicPoll {
                partition,
                consumer,
                expected: *next,
                found,
            });
        } else if let Some((first, count)) = logs.known(partition, *next, found) {
            anomalies.push(Anomaly::PollSkip {
                partition,
                consumer,
                first,
                count,
                found,
            });
        }
        *next = seen.end();
    }
}

fn seen(poll: &Poll) -> impl Iterator<Item = Value> {
    poll.records.iter().flat_map(|seen| match seen {
        Seen::Run(run) => Some(values(run.batch)).into_iter().flatten(),
        Seen::Foreign { .. } => None.into_iter().flatten(),
    })
}
