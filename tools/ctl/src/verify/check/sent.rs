//! What was sent where, and what of it was acknowledged.

use std::collections::BTreeMap;

use crate::verify::history::{Batch, Event, History, Value};

/// All batches, by writer and number of the first record.
pub(super) struct Sent(BTreeMap<(u32, u64), SentBatch>);

/// A batch.
pub(super) struct SentBatch {
    pub partition: i32,
    /// `None`: it was acknowledged, and nothing says that it was sent.
    pub producer: Option<i64>,
    pub batch: Batch,
    /// The offsets of all acknowledgements; without one, the broker only said that it is there.
    pub acknowledged: Vec<Option<i64>>,
}

impl Sent {
    pub fn of(history: &History) -> Sent {
        let mut sent = Sent(BTreeMap::new());
        for event in &history.events {
            match *event {
                Event::Send {
                    partition,
                    producer,
                    batch,
                    ..
                } => sent.add(partition, batch).producer = Some(producer),
                Event::Ack {
                    partition,
                    batch,
                    offset,
                    ..
                } => {
                    let acknowledged = &mut sent.add(partition, batch).acknowledged;
                    if !acknowledged.contains(&offset) {
                        acknowledged.push(offset);
                    }
                }
                _ => {}
            }
        }
        sent
    }

    fn add(&mut self, partition: i32, batch: Batch) -> &mut SentBatch {
        let new = || SentBatch {
            partition,
            producer: None,
            batch,
            acknowledged: Vec::new(),
        };
        self.0
            .entry((batch.writer, batch.first))
            .or_insert_with(new)
    }

    /// The batch a value was sent in.
    pub fn batch_of(&self, value: Value) -> Option<&SentBatch> {
        let before = self.0.range(..=(value.writer, value.number)).next_back();
        let (_, sent) = before?;
        let end = sent.batch.first + u64::from(sent.batch.count);
        (sent.batch.writer == value.writer && value.number < end).then_some(sent)
    }

    pub fn batches(&self) -> impl Iterator<Item = &SentBatch> {
        self.0.values()
    }
}

/// The values of a batch, in order.
pub(super) fn values(batch: Batch) -> impl Iterator<Item = Value> {
    let numbers = batch.first..batch.first + u64::from(batch.count);
    numbers.map(move |number| Value {
        writer: batch.writer,
        number,
    })
}
