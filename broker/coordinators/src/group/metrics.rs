//! What is counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Of all groups that are coordinated here, since the process began. Coordinators that are loaded anew go on counting.
#[derive(Debug, Default)]
pub struct GroupCounters {
    /// Rebalances: generations, and epochs of the consumer protocol.
    pub rebalances: Counter,
    /// Times that a group came to rest again: all members have what they are to have, or there are none.
    pub settled: Counter,
    /// How long that took, from the first change on, in milliseconds.
    pub unsettled_ms: Counter,
    /// Members that were not heard of in time.
    pub expired_members: Counter,
    /// Offsets committed.
    pub commits: Counter,
    /// Offsets that expired.
    pub expired_offsets: Counter,
}
