//! Consumer groups: state, members, offsets and lag, under the names of `kafka_exporter`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::exposition::Exposition;

/// A group that is coordinated here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupSample {
    /// Its id.
    pub group: Arc<str>,
    /// Its state, as Kafka's tools print it.
    pub state: &'static str,
    /// Its members.
    pub members: u64,
    /// What it has committed.
    pub offsets: Vec<OffsetSample>,
}

/// A committed offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetSample {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The next offset to read.
    pub offset: i64,
    /// How many offsets there are from there to the high watermark; `None` where this broker does not lead the partition.
    pub lag: Option<i64>,
}

/// What was counted in all groups coordinated here, since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupTotals {
    /// Rebalances that were completed.
    pub rebalances: u64,
    /// Times that a group came to rest again.
    pub settled: u64,
    /// How long that took, in milliseconds.
    pub unsettled_ms: u64,
    /// Members that were not heard of in time.
    pub expired_members: u64,
    /// Offsets committed.
    pub commits: u64,
    /// Offsets that expired.
    pub expired_offsets: u64,
}

#[derive(Debug, Default)]
pub(super) struct GroupSamples {
    pub(super) groups: Vec<GroupSample>,
    pub(super) totals: GroupTotals,
}

/// A metric's name, its help, and its value in an offset.
type Column = (&'static str, &'static str, fn(&OffsetSample) -> Option<i64>);

const PER_PARTITION: [Column; 2] = [
    (
        "kafka_consumergroup_current_offset",
        "The offset that a group has committed in a partition.",
        |it| Some(it.offset),
    ),
    (
        "kafka_consumergroup_lag",
        "Records between a group's committed offset and the high watermark.",
        |it| it.lag,
    ),
];

const PER_TOPIC: [Column; 2] = [
    (
        "kafka_consumergroup_current_offset_sum",
        "The offsets that a group has committed in a topic, added up.",
        |it| Some(it.offset),
    ),
    (
        "kafka_consumergroup_lag_sum",
        "The lags of a group in a topic, added up.",
        |it| it.lag,
    ),
];

/// A metric's name, its help, and its value in the totals.
type Total = (&'static str, &'static str, fn(&GroupTotals) -> u64);

const TOTALS: [Total; 5] = [
    (
        "holdfast_group_rebalances_total",
        "Rebalances of groups that were completed.",
        |it| it.rebalances,
    ),
    (
        "holdfast_group_settled_total",
        "Times that a group came to rest again after a change: all members have what they are to have.",
        |it| it.settled,
    ),
    (
        "holdfast_group_expired_members_total",
        "Members of groups that were not heard of in time.",
        |it| it.expired_members,
    ),
    (
        "holdfast_group_committed_offsets_total",
        "Offsets that groups have committed.",
        |it| it.commits,
    ),
    (
        "holdfast_group_expired_offsets_total",
        "Committed offsets that expired.",
        |it| it.expired_offsets,
    ),
];

impl GroupSamples {
    pub(super) fn expose(&self, out: &mut Exposition) {
        for (name, help, value) in PER_PARTITION {
            let mut family = out.gauge(name, help);
            for (group, offset) in self.offsets() {
                let Some(value) = value(offset) else { continue };
                let partition = offset.partition.to_string();
                family.value(
                    &[
                        ("consumergroup", group),
                        ("topic", &offset.topic),
                        ("partition", &partition),
                    ],
                    value,
                );
            }
        }
        for (name, help, value) in PER_TOPIC {
            let mut sums: BTreeMap<(&str, &str), i64> = BTreeMap::new();
            for (group, offset) in self.offsets() {
                if let Some(value) = value(offset) {
                    let sum = sums.entry((group, &offset.topic)).or_default();
                    *sum = sum.saturating_add(value);
                }
            }
            let mut family = out.gauge(name, help);
            for ((group, topic), sum) in sums {
                family.value(&[("consumergroup", group), ("topic", topic)], sum);
            }
        }
        let mut family = out.gauge("kafka_consumergroup_members", "The members of a group.");
        for group in &self.groups {
            family.value(&[("consumergroup", &group.group)], group.members);
        }
        let mut states: BTreeMap<&str, u64> = BTreeMap::new();
        for group in &self.groups {
            *states.entry(group.state).or_default() += 1;
        }
        let mut family = out.gauge("holdfast_groups", "Groups coordinated here, by state.");
        for (state, count) in states {
            family.value(&[("state", state)], count);
        }
        for (name, help, value) in TOTALS {
            out.counter(name, help).value(&[], value(&self.totals));
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds of some years are exact"
        )]
        let seconds = self.totals.unsettled_ms as f64 / 1_000.0;
        out.counter(
            "holdfast_group_unsettled_seconds_total",
            "How long groups were not at rest, from the first change on.",
        )
        .value(&[], seconds);
    }

    fn offsets(&self) -> impl Iterator<Item = (&str, &OffsetSample)> {
        self.groups.iter().flat_map(|group| {
            let offsets = group.offsets.iter();
            offsets.map(move |offset| (&*group.group, offset))
        })
    }
}
