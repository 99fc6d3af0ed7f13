//! What is counted.

/// Since the coordinator was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCounters {
    /// Rebalances that were completed.
    pub rebalances: u64,
    /// Members that were not heard of in time.
    pub expired_members: u64,
    /// Offsets committed.
    pub commits: u64,
    /// Offsets that expired.
    pub expired_offsets: u64,
}
