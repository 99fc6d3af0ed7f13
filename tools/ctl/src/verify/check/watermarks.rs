//! The high watermark as clients see it.
//!
//! In Kafka's protocol a new leader may for a while know of an earlier high watermark than the one before it: it hears
//! from the followers anew. So it counts only
//!
//! - what one leadership says, of which the high watermark never goes back: an answer against all that were there when it was asked for;
//! - what was read, against the end when everything is well again, and
//! - what was read, against a leader that says that there is no such offset.

use std::collections::BTreeMap;

use super::Anomaly;
use crate::verify::history::{Event, History, Poll, Seen};

pub(super) fn check(history: &History, anomalies: &mut Vec<Anomaly>) {
    let mut leaderships: BTreeMap<(i32, i32), Vec<&Poll>> = BTreeMap::new();
    let mut read_ends: BTreeMap<i32, i64> = BTreeMap::new();
    for event in &history.events {
        match event {
            Event::Poll(poll) => {
                if let Some(epoch) = poll.leader_epoch {
                    let of_leadership = leaderships.entry((poll.partition, epoch));
                    of_leadership.or_default().push(poll);
                }
                let end = poll.records.iter().map(Seen::end).max();
                let known = read_ends.entry(poll.partition).or_default();
                *known = (*known).max(end.unwrap_or(0));
            }
            Event::End {
                partition,
                high_watermark: Some(now),
                ..
            } => {
                let before = read_ends.get(partition).copied().unwrap_or(0);
                let how = "when everything is well again, against what was read";
                anomalies.extend(back(*partition, before, *now, how));
            }
            Event::OutOfRange {
                partition, offset, ..
            } => {
                // Wherever a consumer goes, it was read or known to be an end.
                let (before, now) = (offset.saturating_add(1), *offset);
                let how = "a leader says that there is no such offset";
                anomalies.extend(back(*partition, before, now, how));
            }
            _ => {}
        }
    }
    for ((partition, _), polls) in leaderships {
        check_leadership(partition, polls, anomalies);
    }
}

fn back(partition: i32, before: i64, now: i64, how: &'static str) -> Option<Anomaly> {
    (now < before).then_some(Anomaly::HighWatermarkBack {
        partition,
        before,
        now,
        how,
    })
}

/// Each answer against the greatest of those that were there before it was asked for.
fn check_leadership(partition: i32, polls: Vec<&Poll>, anomalies: &mut Vec<Anomaly>) {
    let told = |poll: &&Poll| {
        poll.high_watermark
            .map(|it| (poll.asked_us, poll.at_us, it))
    };
    let mut asked: Vec<(u64, u64, i64)> = polls.iter().filter_map(told).collect();
    let mut answered = asked.clone();
    asked.sort_unstable_by_key(|(asked, _, _)| *asked);
    answered.sort_unstable_by_key(|(_, at, _)| *at);
    let mut answered = answered.into_iter().peekable();
    let mut before = 0;
    for (asked, _, now) in asked {
        while let Some((_, _, told)) = answered.next_if(|(_, at, _)| *at < asked) {
            before = before.max(told);
        }
        let how = "two answers of one leadership";
        anomalies.extend(back(partition, before, now, how));
    }
}
