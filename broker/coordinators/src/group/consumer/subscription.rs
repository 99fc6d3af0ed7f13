//! What members are subscribed to: names, and regular expressions (KIP-848; RE2 in Kafka).

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::ErrorCode;
use protocol::group_records::{GroupRecord, RegularExpressionValue};
use protocol::model::Uuid;

use super::super::cluster::Cluster;
use super::super::context::Context;
use super::pattern::{TopicPattern, compile};
use super::{ConsumerGroup, Refusal};

/// Distinct regular expressions in a group. Clients of one application have one.
const REGEXES_MAX: usize = 64;

/// A regular expression, and the topics it stands for.
#[derive(Clone, Debug, Default)]
pub(super) struct ResolvedRegex {
    pub(super) topics: BTreeSet<Arc<str>>,
    /// Not recorded.
    pattern: Option<TopicPattern>,
    /// There are topics by now with which it takes too long: it stands for those that it stood for before.
    is_too_hard: bool,
}

/// A regular expression that is new to a group.
pub(super) struct NewRegex {
    topics: BTreeSet<Arc<str>>,
    pattern: TopicPattern,
}

impl ResolvedRegex {
    pub(super) fn of(topics: BTreeSet<Arc<str>>) -> ResolvedRegex {
        ResolvedRegex {
            topics,
            ..ResolvedRegex::default()
        }
    }
}

impl ConsumerGroup {
    /// Whether a member may be subscribed to it; what it stands for, if it is new.
    pub(super) fn check_regex(
        &self,
        cluster: &dyn Cluster,
        regex: Option<&str>,
    ) -> Result<Option<NewRegex>, Refusal> {
        match regex {
            Some(regex) if !regex.is_empty() && !self.regexes.contains_key(regex) => {
                if self.regexes.len() >= REGEXES_MAX {
                    let message = format!("The group has {REGEXES_MAX} regular expressions.");
                    return Err(Refusal::new(ErrorCode::InvalidRequest, message));
                }
                let pattern = compile(regex)?;
                match pattern.resolve(cluster) {
                    Ok(topics) => Ok(Some(NewRegex { topics, pattern })),
                    Err(too_hard) => Err(too_hard.refusal(regex)),
                }
            }
            _ => Ok(None),
        }
    }

    /// Takes up an expression that is new.
    pub(super) fn add_regex(&mut self, context: &mut Context<'_>, regex: &Arc<str>, new: NewRegex) {
        self.put_regex(context, regex, Some(&new.topics));
        if let Some(added) = self.regexes.get_mut(regex) {
            added.pattern = Some(new.pattern);
        }
    }

    pub(super) fn put_regex(
        &mut self,
        context: &mut Context<'_>,
        regex: &Arc<str>,
        topics: Option<&BTreeSet<Arc<str>>>,
    ) {
        let value = topics.map(|topics| RegularExpressionValue {
            topics: topics.iter().map(ToString::to_string).collect(),
            version: i64::try_from(context.cluster_version).unwrap_or(i64::MAX),
            timestamp_ms: context.now.wall_ms,
        });
        let record = GroupRecord::RegularExpression {
            group: self.id.to_string(),
            regex: regex.to_string(),
            value,
        };
        self.put(context, record);
    }

    /// Forgets expressions that nobody is subscribed to.
    pub(super) fn forget_regexes(&mut self, context: &mut Context<'_>) {
        if self.regexes.is_empty() {
            return;
        }
        let used: BTreeSet<_> = self
            .members
            .values()
            .filter_map(|member| member.profile.regex.as_ref())
            .collect();
        let unused = self.regexes.keys().filter(|regex| !used.contains(regex));
        let unused: Vec<_> = unused.cloned().collect();
        for regex in unused {
            self.put_regex(context, &regex, None);
        }
    }

    /// Topics have come or gone: finds those of all expressions again.
    fn resolve_regexes(&mut self, context: &mut Context<'_>) {
        let regexes: Vec<_> = self.regexes.keys().cloned().collect();
        for regex in regexes {
            let Some(known) = self.regexes.get_mut(&regex) else {
                continue;
            };
            if known.is_too_hard {
                continue;
            }
            // One that was recorded may be more than is allowed by now.
            let pattern = known.pattern.take().or_else(|| compile(&regex).ok());
            let topics = match &pattern {
                Some(pattern) => match pattern.resolve(&**context.cluster) {
                    Ok(topics) => topics,
                    Err(_) => {
                        known.is_too_hard = true;
                        continue;
                    }
                },
                None => BTreeSet::new(),
            };
            if topics != known.topics {
                self.put_regex(context, &regex, Some(&topics));
            }
            if let Some(known) = self.regexes.get_mut(&regex) {
                known.pattern = pattern;
            }
        }
    }

    /// Begins a new epoch, if `is_changed` or the topics that members are subscribed to are not what they were.
    pub(super) fn refresh(&mut self, context: &mut Context<'_>, mut is_changed: bool) {
        if self.checked_version != Some(context.cluster_version) {
            self.resolve_regexes(context);
        } else if !is_changed && self.is_recorded {
            return;
        }
        self.checked_version = Some(context.cluster_version);
        let metadata_hash = self.hash_topics(&**context.cluster);
        is_changed |= metadata_hash != self.metadata_hash;
        if is_changed || !self.is_recorded {
            self.put_epoch(context, self.epoch + i32::from(is_changed), metadata_hash);
        }
    }

    /// A hash of names, ids, partitions, and, where members have racks, those of the replicas: FNV-1a.
    fn hash_topics(&self, cluster: &dyn Cluster) -> i64 {
        let has_racks = self.members.values().any(|it| it.profile.rack.is_some());
        let mut hash = Fnv::new();
        let mut is_empty = true;
        for name in self.subscribed() {
            let Some(topic) = cluster.topic(name) else {
                continue;
            };
            is_empty = false;
            hash.take(name.as_bytes());
            hash.take(topic.id.as_bytes());
            hash.take(&topic.partitions.to_be_bytes());
            let partitions = if has_racks { topic.partitions } else { 0 };
            for partition in 0..partitions {
                hash.take(&partition.to_be_bytes());
                hash_racks(&mut hash, cluster, (topic.id, partition));
            }
        }
        match is_empty {
            true => 0,
            false => hash.finish(),
        }
    }
}

fn hash_racks(hash: &mut Fnv, cluster: &dyn Cluster, partition: (Uuid, i32)) {
    let mut racks = cluster.racks(partition);
    racks.sort_unstable();
    for rack in racks {
        hash.take(rack.as_bytes());
    }
}

/// FNV-1a of 64 bits, of texts that are kept apart.
struct Fnv(u64);

impl Fnv {
    fn new() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn finish(self) -> i64 {
        self.0.cast_signed()
    }
}
