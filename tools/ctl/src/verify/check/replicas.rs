//! The bytes of replicas, where somebody has compared them.

use std::collections::BTreeMap;

use super::Anomaly;
use crate::verify::history::{Event, History};

/// Replicas-differ: each replica is compared with the first that was looked at between the same offsets.
pub(super) fn check(history: &History, anomalies: &mut Vec<Anomaly>) {
    let mut first: BTreeMap<(i32, i64, i64), (&str, &str)> = BTreeMap::new();
    for event in &history.events {
        let Event::Replica {
            partition,
            replica,
            start,
            end,
            digest,
        } = event
        else {
            continue;
        };
        let place = (*partition, *start, *end);
        let (one, known) = first.entry(place).or_insert((replica, digest));
        if known != digest {
            anomalies.push(Anomaly::ReplicasDiffer {
                partition: *partition,
                start: *start,
                end: *end,
                one: (*one).to_owned(),
                other: replica.clone(),
            });
        }
    }
}
