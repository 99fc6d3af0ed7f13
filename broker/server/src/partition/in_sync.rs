//! Who leaves the in-sync replicas of partitions led here, and who joins them: a line of the log for each broker and each change of the metadata, however many partitions it is about.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use broker_replication::PartitionView;
use protocol::model::{BrokerId, PartitionIndex};

/// Partitions that a line names.
const NAMED_MAX: usize = 5;

/// What becomes of a broker's place among the in-sync replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// It is alive, and was behind for too long.
    Behind,
    /// It is fenced, or has no replica any more.
    Gone,
    Joined,
}

/// What has changed since it was said last.
#[derive(Debug, Default)]
pub struct InSyncChanges(BTreeMap<(BrokerId, Turn), Named>);

/// Partitions, of which the first have names.
#[derive(Debug, Default)]
struct Named {
    count: usize,
    names: String,
}

impl Named {
    fn add(&mut self, topic: &str, partition: PartitionIndex) {
        use fmt::Write;
        self.count += 1;
        if self.count <= NAMED_MAX {
            let between = if self.count == 1 { "" } else { ", " };
            // A string takes all.
            let _ = write!(self.names, "{between}{topic}-{partition}");
        }
    }
}

impl Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names)?;
        match self.count.saturating_sub(NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl InSyncChanges {
    /// A partition's in-sync replicas were `before`, and are now what the view says.
    pub fn note(
        &mut self,
        (topic, partition): (&str, PartitionIndex),
        before: &[BrokerId],
        now: &PartitionView,
    ) {
        let left = before.iter().filter(|id| !now.isr.contains(id));
        let left = left.map(|id| match now.live.contains_key(id) {
            true => (*id, Turn::Behind),
            false => (*id, Turn::Gone),
        });
        let joined = now.isr.iter().filter(|id| !before.contains(id));
        let joined = joined.map(|id| (*id, Turn::Joined));
        for key in left.chain(joined) {
            self.0.entry(key).or_default().add(topic, partition);
        }
    }

    /// Writes it to the log.
    pub fn say(self) {
        for ((broker, turn), partitions) in self.0 {
            let count = partitions.count;
            match turn {
                Turn::Behind => {
                    tracing::warn!(%broker, count, %partitions, "a broker is behind, and not among the in-sync replicas any more");
                }
                Turn::Gone => {
                    tracing::info!(%broker, count, %partitions, "a broker that is gone is not among the in-sync replicas any more");
                }
                Turn::Joined => {
                    tracing::info!(%broker, count, %partitions, "a broker is among the in-sync replicas");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
