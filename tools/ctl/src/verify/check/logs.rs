//! What each offset holds, as far as anybody read it or was told of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry};

use super::{
    Anomaly,
    sent::{Sent, values},
};
use crate::verify::history::{Event, History, Seen, Value};

/// The logs of all partitions.
#[derive(Default)]
pub(super) struct Logs(BTreeMap<i32, Log>);

/// One partition's.
#[derive(Default)]
struct Log {
    values: BTreeMap<i64, Value>,
    foreign: BTreeMap<i64, String>,
    /// Offsets that were reported already.
    inconsistent: BTreeSet<i64>,
}

impl Logs {
    /// Collects them; inconsistent-offsets and foreign.
    pub fn of(history: &History, sent: &Sent, anomalies: &mut Vec<Anomaly>) -> Logs {
        let mut logs = Logs::default();
        for event in &history.events {
            if let Event::Poll(poll) = event {
                let log = logs.0.entry(poll.partition).or_default();
                for seen in &poll.records {
                    log.add_seen(poll.partition, seen, sent, anomalies);
                }
            }
        }
        for sent in sent.batches() {
            let log = logs.0.entry(sent.partition).or_default();
            for base in sent.acknowledged.iter().flatten() {
                for (offset, value) in (*base..).zip(values(sent.batch)) {
                    let how = "as acknowledged";
                    log.add(sent.partition, offset, value, how, anomalies);
                }
            }
        }
        logs
    }

    /// How many offsets of `from..to` are known to hold something, and the first of them.
    pub fn known(&self, partition: i32, from: i64, to: i64) -> Option<(i64, u64)> {
        let log = self.0.get(&partition).filter(|_| from < to)?;
        let values = log.values.range(from..to).map(|(offset, _)| *offset);
        let foreign = log.foreign.range(from..to).map(|(offset, _)| *offset);
        let offsets: BTreeSet<i64> = values.chain(foreign).collect();
        Some((*offsets.first()?, offsets.len() as u64))
    }

    /// Duplicate and int-nonmonotonic-send.
    pub fn check_order(&self, sent: &Sent, anomalies: &mut Vec<Anomaly>) {
        for (partition, log) in &self.0 {
            let mut positions: HashMap<Value, i64> = HashMap::new();
            let mut latest: HashMap<(u32, Option<i64>), Value> = HashMap::new();
            for (&offset, &value) in &log.values {
                if let Some(&first) = positions.get(&value) {
                    anomalies.push(Anomaly::Duplicate {
                        partition: *partition,
                        value,
                        first,
                        again: offset,
                    });
                    continue;
                }
                positions.insert(value, offset);
                let producer = sent.batch_of(value).and_then(|it| it.producer);
                let latest = latest.entry((value.writer, producer)).or_insert(value);
                if value.number < latest.number {
                    anomalies.push(Anomaly::NonmonotonicSend {
                        partition: *partition,
                        value,
                        offset,
                        after: *latest,
                    });
                } else {
                    *latest = value;
                }
            }
        }
    }
}

impl Log {
    fn add_seen(&mut self, partition: i32, seen: &Seen, sent: &Sent, anomalies: &mut Vec<Anomaly>) {
        let run = match seen {
            Seen::Run(run) => run,
            Seen::Foreign { offset, foreign } => {
                return self.add_foreign(partition, *offset, foreign.clone(), anomalies);
            }
        };
        for (offset, value) in (run.offset..).zip(values(run.batch)) {
            let batch = sent.batch_of(value);
            if batch.is_some_and(|batch| batch.partition == partition) {
                self.add(partition, offset, value, "as read", anomalies);
            } else {
                let what = format!("{value}, never sent here,");
                self.add_foreign(partition, offset, what, anomalies);
            }
        }
    }

    fn add(
        &mut self,
        partition: i32,
        offset: i64,
        value: Value,
        how: &str,
        anomalies: &mut Vec<Anomaly>,
    ) {
        let known = match self.values.entry(offset) {
            Entry::Occupied(known) if *known.get() == value => return,
            Entry::Occupied(known) => known.get().to_string(),
            Entry::Vacant(vacant) => match self.foreign.get(&offset) {
                Some(foreign) => foreign.clone(),
                None => {
                    vacant.insert(value);
                    return;
                }
            },
        };
        self.differs(
            partition,
            offset,
            known,
            format!("{value} {how}"),
            anomalies,
        );
    }

    fn add_foreign(
        &mut self,
        partition: i32,
        offset: i64,
        what: String,
        anomalies: &mut Vec<Anomaly>,
    ) {
        let known = self.foreign.get(&offset).cloned();
        let value = self.values.get(&offset).map(Value::to_string);
        match known.or(value) {
            Some(known) if known == what => {}
            Some(known) => self.differs(partition, offset, known, what, anomalies),
            None => {
                self.foreign.insert(offset, what.clone());
                anomalies.push(Anomaly::Foreign {
                    partition,
                    offset,
                    what,
                });
            }
        }
    }

    fn differs(
        &mut self,
        partition: i32,
        offset: i64,
        one: String,
        other: String,
        anomalies: &mut Vec<Anomaly>,
    ) {
        if self.inconsistent.insert(offset) {
            anomalies.push(Anomaly::InconsistentOffsets {
                partition,
                offset,
                one,
                other,
            });
        }
    }
}
