//! How long writes had to wait.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{PARTITIONS, RECOVERY_MAX, happening::Happened, writer::History};

/// How long it took from the end of each fault until every partition had a write acknowledged, the longest first.
pub fn recoveries(history: &History, happened: &[Happened]) -> Vec<(Duration, String)> {
    let mut times: BTreeMap<i32, Vec<Instant>> = BTreeMap::new();
    for it in &history.acknowledged {
        times.entry(it.partition).or_default().push(it.at);
    }
    let mut found = Vec::new();
    for (at, fault) in happened.iter().enumerate() {
        let next = happened.get(at + 1).map(|next| next.began);
        for partition in 0..PARTITIONS {
            let times = times.get(&partition).map_or(&[][..], Vec::as_slice);
            let first = times.partition_point(|time| *time < fault.healed);
            let first = times.get(first).copied();
            let until = first.or(next).unwrap_or(fault.healed + RECOVERY_MAX);
            let is_cut_short = next.is_some_and(|next| next < until);
            let lasted = until - fault.healed;
            let end = if is_cut_short { ", until the next" } else { "" };
            found.push((
                lasted,
                format!("partition {partition} after {}{end}", fault.name()),
            ));
        }
    }
    found.sort_by_key(|(lasted, _)| std::cmp::Reverse(*lasted));
    found
}

/// How long a partition went without an acknowledgement while a fault lasted that leaves a majority, the longest first.
pub fn stalls(history: &History, happened: &[Happened]) -> Vec<(Duration, String)> {
    let mut found = Vec::new();
    for partition in 0..PARTITIONS {
        let of_partition = history.acknowledged.iter();
        let mut times: Vec<Instant> = of_partition
            .filter(|it| it.partition == partition)
            .map(|it| it.at)
            .collect();
        times.sort_unstable();
        for fault in happened.iter().filter(|it| it.left_majority()) {
            let before = times
                .partition_point(|at| *at < fault.began)
                .saturating_sub(1);
            let until = times.partition_point(|at| *at < fault.healed) + 1;
            let within = &times[before..until.min(times.len())];
            let gaps = within.windows(2).map(|pair| pair[1] - pair[0]);
            if let Some(longest) = gaps.max() {
                let lasted = (fault.healed - fault.began).as_secs_f64();
                let what = format!("partition {partition} in {lasted:.1} s of {}", fault.name());
                found.push((longest, what));
            }
        }
    }
    found.sort_by_key(|(longest, _)| std::cmp::Reverse(*longest));
    found
}
