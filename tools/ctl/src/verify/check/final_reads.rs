//! Whether all that was acknowledged is there in the end.

use std::collections::BTreeMap;

use super::{
    Anomaly,
    consumers::{Reader, Readers},
    sent::{Sent, SentBatch, values},
};
use crate::verify::history::{Consumer, Event, History, Value};

/// Whether the history comes to its final reads.
pub(super) fn is_whole(history: &History) -> bool {
    let mut events = history.events.iter();
    events.any(|event| matches!(event, Event::End { .. }))
}

/// Lost-write and unseen. In a history that was cut short nothing is unseen, for nobody looked.
pub(super) fn check(
    history: &History,
    sent: &Sent,
    readers: &Readers,
    anomalies: &mut Vec<Anomaly>,
) {
    let is_whole = is_whole(history);
    let ends = ends(history);
    for sent in sent.batches() {
        let Some(&offset) = sent.acknowledged.first() else {
            continue;
        };
        let end = ends.get(&sent.partition).copied().flatten();
        let readers: Vec<(Consumer, &Reader)> = readers.of(sent.partition).collect();
        let missed = readers.iter().find_map(|(consumer, reader)| {
            let missing = count(sent, |value, at| {
                has_passed(reader, at, end) && !reader.values.contains(&value)
            });
            (missing > 0).then_some((*consumer, missing))
        });
        let unseen = count(sent, |value, at| {
            let mut readers = readers.iter();
            !readers.any(|(_, it)| has_passed(it, at, end) || it.values.contains(&value))
        });
        let (partition, batch) = (sent.partition, sent.batch);
        if let Some((consumer, missing)) = missed {
            anomalies.push(Anomaly::LostWrite {
                partition,
                batch,
                offset,
                missing,
                consumer,
            });
        } else if unseen > 0 && is_whole {
            anomalies.push(Anomaly::Unseen {
                partition,
                batch,
                offset,
                missing: unseen,
            });
        }
    }
}

/// Without an offset in the acknowledgement a reader has passed it that has come to the end.
fn has_passed(reader: &Reader, at: Option<i64>, end: Option<i64>) -> bool {
    match (at, end) {
        (Some(at), _) => reader.reached > at,
        (None, Some(end)) => reader.reached >= end,
        (None, None) => false,
    }
}

/// How many values of an acknowledged batch a condition is true of, each with the offset it was acknowledged at.
fn count(sent: &SentBatch, condition: impl Fn(Value, Option<i64>) -> bool) -> u32 {
    let base = sent.acknowledged.iter().flatten().next().copied();
    let at = |index: i64| base.map(|base| base + index);
    let values = (0..).zip(values(sent.batch));
    let count = values
        .filter(|(index, value)| condition(*value, at(*index)))
        .count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn ends(history: &History) -> BTreeMap<i32, Option<i64>> {
    let ends = history.events.iter().filter_map(|event| match event {
        Event::End {
            partition,
            high_watermark,
            ..
        } => Some((*partition, *high_watermark)),
        _ => None,
    });
    ends.collect()
}
