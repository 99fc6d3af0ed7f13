use std::collections::{BTreeMap, HashMap};

use protocol::model::Offset;

use super::{Anomaly, BatchId, Event, Kept, ReadBack, ReadValue, ValueId};

/// What is known of one partition.
#[derive(Debug, Default)]
pub struct PartitionHistory {
    /// By writer and number of the first value.
    pub(super) sent: BTreeMap<(u32, u64), SentBatch>,
    /// What was read before, by base offset.
    seen: Vec<SeenBatch>,
    /// The first offset when it was last read.
    start: Offset,
    kept: Kept,
    /// Acknowledged records that were superseded and gone when it was last read.
    compacted: u64,
}

#[derive(Debug)]
pub(super) struct SentBatch {
    id: BatchId,
    /// More than one if a batch that was sent again was acknowledged elsewhere, which is wrong.
    acknowledged_at: Vec<Offset>,
}

#[derive(Debug)]
struct SeenBatch {
    base_offset: Offset,
    fingerprint: u64,
}

impl PartitionHistory {
    /// Of a partition of which so much is kept.
    pub fn of(kept: Kept) -> PartitionHistory {
        PartitionHistory {
            kept,
            ..PartitionHistory::default()
        }
    }

    /// Adds what a writer reports.
    pub fn record(&mut self, event: Event) {
        let (id, base_offset) = match event {
            Event::Sent(batch) => (batch, None),
            Event::Acknowledged { batch, base_offset } => (batch, Some(base_offset)),
        };
        let batch = self.sent.entry((id.writer, id.first));
        let batch = batch.or_insert_with(|| SentBatch {
            id,
            acknowledged_at: Vec::new(),
        });
        assert_eq!(batch.id, id, "a writer numbered two batches alike");
        let new = base_offset.filter(|offset| !batch.acknowledged_at.contains(offset));
        batch.acknowledged_at.extend(new);
    }

    /// How many acknowledged records were gone when it was last read, since later ones have their keys.
    pub fn compacted_records(&self) -> u64 {
        self.compacted
    }

    /// How many offsets lie before the first, as it was last read.
    pub fn deleted_offsets(&self) -> u64 {
        u64::try_from(self.start.get()).unwrap_or(0)
    }

    /// How many records were acknowledged.
    pub fn acknowledged_records(&self) -> u64 {
        let batches = self.sent.values();
        let acknowledged = batches.filter(|batch| !batch.acknowledged_at.is_empty());
        acknowledged.map(|batch| u64::from(batch.id.count)).sum()
    }

    /// Compares what was read with what was sent, acknowledged and read before, and remembers it.
    pub fn check(&mut self, read: &ReadBack) -> Vec<Anomaly> {
        let mut anomalies = Vec::new();
        let start = self.check_start(read, &mut anomalies);
        let is_compacted = self.kept == Kept::LastOfKey;
        check_offsets(start, read, is_compacted, &mut anomalies);
        let positions = self.check_values(read, &mut anomalies);
        self.check_sent(start, &positions, &mut anomalies);
        // A batch of which records were taken is another one.
        if !is_compacted {
            self.check_seen(start, read, &mut anomalies);
        }
        self.start = start;
        self.seen = read
            .batches
            .iter()
            .map(|batch| SeenBatch {
                base_offset: batch.base_offset,
                fingerprint: batch.fingerprint,
            })
            .collect();
        anomalies
    }

    /// Overdeleted. Returns where the log may begin.
    fn check_start(&self, read: &ReadBack, anomalies: &mut Vec<Anomaly>) -> Offset {
        let Kept::Bytes(kept_bytes_min) = self.kept else {
            return Offset::ZERO;
        };
        let start = read.log_start_offset;
        let kept: u64 = read.batches.iter().map(|batch| batch.bytes as u64).sum();
        if start > self.start && kept < kept_bytes_min {
            anomalies.push(Anomaly::Overdeleted { start, kept });
        }
        // Never backwards: what was deleted does not come back.
        start.max(self.start)
    }

    /// Foreign, duplicate, reordered. Returns where each value comes first.
    fn check_values(
        &self,
        read: &ReadBack,
        anomalies: &mut Vec<Anomaly>,
    ) -> HashMap<ValueId, Offset> {
        let mut positions = HashMap::new();
        let mut latest: HashMap<u32, u64> = HashMap::new();
        for &ReadValue { offset, value } in read.batches.iter().flat_map(|batch| &batch.values) {
            let value = match value {
                Ok(value) if self.was_sent(value) => value,
                Ok(value) => {
                    let what = format!("{value}, never sent here,");
                    anomalies.push(Anomaly::Foreign { offset, what });
                    continue;
                }
                Err(foreign) => {
                    let what = foreign.to_string();
                    anomalies.push(Anomaly::Foreign { offset, what });
                    continue;
                }
            };
            if let Some(first) = positions.get(&value).copied() {
                anomalies.push(Anomaly::Duplicate {
                    value,
                    first,
                    again: offset,
                });
                continue;
            }
            positions.insert(value, offset);
            let latest = latest.entry(value.writer).or_insert(value.number);
            if value.number < *latest {
                let after = ValueId {
                    writer: value.writer,
                    number: *latest,
                };
                anomalies.push(Anomaly::Reordered {
                    value,
                    offset,
                    after,
                });
            }
            *latest = value.number.max(*latest);
        }
        positions
    }

    fn was_sent(&self, value: ValueId) -> bool {
        let until = (value.writer, 0)..=(value.writer, value.number);
        let batch = self.sent.range(until).next_back();
        batch.is_some_and(|(_, batch)| value.number - batch.id.first < u64::from(batch.id.count))
    }

    /// The last value of each key, and where it is; nothing where nobody may be missing.
    fn latest_of_keys(
        &self,
        positions: &HashMap<ValueId, Offset>,
    ) -> HashMap<[u8; 12], (u64, Offset)> {
        let mut latest = HashMap::new();
        if self.kept != Kept::LastOfKey {
            return latest;
        }
        for (value, offset) in positions {
            let last = latest.entry(value.key()).or_insert((value.number, *offset));
            *last = (value.number, *offset).max(*last);
        }
        latest
    }

    /// Lost, misplaced, torn.
    fn check_sent(
        &mut self,
        start: Offset,
        positions: &HashMap<ValueId, Offset>,
        anomalies: &mut Vec<Anomaly>,
    ) {
        let latest = self.latest_of_keys(positions);
        let is_superseded = |value: &ValueId| {
            let last = latest.get(&value.key());
            last.is_some_and(|(number, _)| *number > value.number)
        };
        self.compacted = 0;
        for batch in self.sent.values() {
            let id = batch.id;
            let present = id.values().filter(|value| positions.contains_key(value));
            let present = u32::try_from(present.count()).unwrap_or(u32::MAX);
            let gone = id.values().filter(|value| !positions.contains_key(value));
            let superseded = gone.filter(is_superseded).count();
            if !batch.acknowledged_at.is_empty() {
                self.compacted += superseded as u64;
            }
            let missing = id.count - present - u32::try_from(superseded).unwrap_or(u32::MAX);
            if batch.acknowledged_at.is_empty() && present > 0 && missing > 0 {
                anomalies.push(Anomaly::Torn { batch: id, present });
            }
            for &base_offset in &batch.acknowledged_at {
                let is_deleted = base_offset.plus(i64::from(id.count)) <= start;
                if missing > 0 && !is_deleted {
                    anomalies.push(Anomaly::Lost {
                        batch: id,
                        base_offset,
                        missing,
                    });
                }
                anomalies.extend(misplaced(id, base_offset, positions));
            }
        }
    }

    /// Changed, vanished.
    fn check_seen(&self, start: Offset, read: &ReadBack, anomalies: &mut Vec<Anomaly>) {
        let batches = read.batches.iter();
        let now: HashMap<Offset, u64> = batches
            .map(|batch| (batch.base_offset, batch.fingerprint))
            .collect();
        let end = read.next_offset();
        for seen in self.seen.iter().filter(|seen| seen.base_offset >= start) {
            let base_offset = seen.base_offset;
            match now.get(&base_offset) {
                Some(fingerprint) if *fingerprint == seen.fingerprint => {}
                None if base_offset >= end => anomalies.push(Anomaly::Vanished { base_offset }),
                _ => anomalies.push(Anomaly::Changed { base_offset }),
            }
        }
    }
}

/// The first value of the batch that is not where the acknowledgement put it.
fn misplaced(
    id: BatchId,
    base_offset: Offset,
    positions: &HashMap<ValueId, Offset>,
) -> Option<Anomaly> {
    id.values().zip(0..).find_map(|(value, delta)| {
        let acknowledged = base_offset.plus(delta);
        let found = *positions.get(&value)?;
        (found != acknowledged).then_some(Anomaly::Misplaced {
            value,
            acknowledged,
            found,
        })
    })
}

/// Gap, corrupt. Only within a batch, and where records may be taken out, offsets have holes.
fn check_offsets(start: Offset, read: &ReadBack, is_compacted: bool, anomalies: &mut Vec<Anomaly>) {
    let mut expected = start;
    let mut follow = |expected: &mut Offset, found: Offset, end: Offset| {
        if found != *expected {
            let expected = *expected;
            anomalies.push(Anomaly::Gap { expected, found });
        }
        *expected = end;
    };
    let log_start = read.log_start_offset;
    follow(&mut expected, log_start, log_start);
    for batch in &read.batches {
        // Batches without records may have become one while they were read.
        let base = match is_compacted && batch.values.is_empty() {
            true => batch.base_offset.max(expected),
            false => batch.base_offset,
        };
        follow(&mut expected, base, base);
        if batch.damage.is_some() || is_compacted {
            follow(&mut expected, base, batch.end_offset);
            continue;
        }
        for value in &batch.values {
            follow(&mut expected, value.offset, value.offset.plus(1));
        }
        follow(&mut expected, batch.end_offset, batch.end_offset);
    }
    follow(&mut expected, read.end_offset, read.end_offset);
    for batch in &read.batches {
        if let Some(what) = &batch.damage {
            anomalies.push(Anomaly::Corrupt {
                base_offset: batch.base_offset,
                what: what.clone(),
            });
        }
    }
}
