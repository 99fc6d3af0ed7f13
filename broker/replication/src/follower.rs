//! Where a follower's log goes another way than its leader's, and where it is cut (KIP-101, KIP-279, KIP-595).
//!
//! A follower names, with each fetch, the epoch of its last record. Where the leader's log has no such epoch, or that epoch ends earlier there, it answers with the last
//! epoch it has that is not greater, and with the end of that one. The follower cuts its log to what both have of it, and asks again: each round goes back by an epoch
//! at least.

use protocol::model::{LeaderEpoch, Offset};

/// A follower's log, as far as cutting it goes.
pub trait OwnLog {
    /// The greatest epoch it has that is not greater than `epoch`, and where that ends; `None` if it has none.
    fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)>;

    /// Where it ends.
    fn end(&self) -> Offset;

    /// What it knows to be committed.
    fn high_watermark(&self) -> Offset;
}

/// What a follower does about another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truncation {
    /// It cuts its log here.
    To(Offset),
    /// What is to be cut is committed: something that must not be has happened. It keeps its bytes, and stops.
    BelowHighWatermark {
        /// Where it was to be cut.
        to: Offset,
        /// What is committed.
        high_watermark: Offset,
    },
}

/// Where a follower cuts its log, whose leader's `epoch` ends at `end`. `is_unclean`: the leader was elected from beyond those who had all that was committed.
pub fn truncation(
    log: &impl OwnLog,
    (epoch, end): (LeaderEpoch, Offset),
    is_unclean: bool,
) -> Truncation {
    let to = match log.end_of_epoch(epoch) {
        // Of the same epoch, what is longer; behind an older one, what the leader never had.
        Some((_, own_end)) => end.min(own_end),
        None => Offset::ZERO,
    };
    let to = to.min(log.end());
    let high_watermark = log.high_watermark();
    match to < high_watermark && !is_unclean {
        true => Truncation::BelowHighWatermark { to, high_watermark },
        false => Truncation::To(to),
    }
}

#[cfg(test)]
mod tests;
