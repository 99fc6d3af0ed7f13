//! Where each leader's records begin (KIP-101): Kafka's `LeaderEpochFileCache` and its `leader-epoch-checkpoint` file.

use protocol::model::{LeaderEpoch, Offset};

/// The leader epochs of a log, oldest first, each with the offset of its first record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    entries: Vec<(LeaderEpoch, Offset)>,
}

impl LeaderEpochs {
    /// From entries that are already in order.
    pub fn from_entries(entries: Vec<(LeaderEpoch, Offset)>) -> LeaderEpochs {
        assert!(
            entries
                .windows(2)
                .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1),
            "leader epochs and their offsets grow"
        );
        LeaderEpochs { entries }
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> &[(LeaderEpoch, Offset)] {
        &self.entries
    }

    /// The epoch of the last record.
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.entries.last().map(|(epoch, _)| *epoch)
    }

    /// Notes that a record of `epoch` stands at `offset`. Epochs never decrease along a log.
    pub fn on_append(&mut self, epoch: LeaderEpoch, offset: Offset) {
        match self.latest() {
            Some(latest) if latest == epoch => {}
            latest => {
                assert!(
                    latest.is_none_or(|latest| latest < epoch),
                    "leader epoch decreases"
                );
                self.entries.push((epoch, offset));
            }
        }
    }

    /// Forgets what lies at `end` and beyond.
    pub fn truncate_to(&mut self, end: Offset) {
        self.entries.retain(|(_, start)| *start < end);
    }

    /// Forgets epochs that ended at or before `start`; the one that covers `start` begins there.
    pub fn start_at(&mut self, start: Offset) {
        let covering = self.entries.partition_point(|(_, from)| *from <= start);
        if covering > 0 {
            self.entries.drain(..covering - 1);
            self.entries[0].1 = start;
        }
    }

    /// The largest epoch not over `requested`, and the offset at which it ends (Kafka's `endOffsetFor`). `None` when the
    /// log knows no such epoch.
    pub fn end_of(&self, requested: LeaderEpoch, log_end: Offset) -> Option<(LeaderEpoch, Offset)> {
        let after = self
            .entries
            .partition_point(|(epoch, _)| *epoch <= requested);
        let (epoch, _) = self.entries.get(after.checked_sub(1)?)?;
        let end = self.entries.get(after).map_or(log_end, |(_, start)| *start);
        Some((*epoch, end))
    }

    /// The epoch of the record at `offset`.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.entries.partition_point(|(_, start)| *start <= offset);
        Some(self.entries.get(after.checked_sub(1)?)?.0)
    }

    /// The text of Kafka's `leader-epoch-checkpoint`: version, count, then an epoch and an offset a line.
    pub fn to_text(&self) -> String {
        let mut text = format!("0\n{}\n", self.entries.len());
        for (epoch, start) in &self.entries {
            text.push_str(&format!("{epoch} {start}\n"));
        }
        text
    }
}
