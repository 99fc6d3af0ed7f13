//! What a run saw.

/// What a run saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Power losses and kills.
    pub crashes: u64,
    /// Of these, in the middle of an operation.
    pub struck: u64,
    /// Starts that had to cut an in-flight tail.
    pub cuts: u64,
    /// Clean stops.
    pub clean: u64,
    /// Records compared after restarts.
    pub verified: u64,
    /// Records compared while the process worked.
    pub read: u64,
    /// Truncations.
    pub truncations: u64,
    /// Records compared of logs in the page cache.
    pub unjournaled: u64,
    /// Times that what bypasses the journal was stored.
    pub bypassed: u64,
    /// Retries recognised.
    pub duplicates: u64,
    /// Directories that went offline.
    pub faults: u64,
    /// Segments deleted by retention.
    pub deleted: u64,
    /// Records that compaction left out.
    pub compacted: u64,
    /// Segments that it made one with others.
    pub merged: u64,
    /// Starts moved by hand.
    pub starts: u64,
    /// Times the disk was found to be full.
    pub full: u64,
    /// Times the reserve was given up.
    pub reserves: u64,
    /// Starts that a full disk refused.
    pub no_space: u64,
    /// Rotten bytes that refused the start.
    pub refused: u64,
    /// Rotten bytes that cost records, reported.
    pub damaged: u64,
    /// Rotten bytes that cost nothing.
    pub harmless: u64,
}

impl Outcome {
    /// Adds another run's.
    pub fn add(&mut self, other: &Outcome) {
        self.crashes += other.crashes;
        self.struck += other.struck;
        self.cuts += other.cuts;
        self.clean += other.clean;
        self.verified += other.verified;
        self.read += other.read;
        self.truncations += other.truncations;
        self.duplicates += other.duplicates;
        self.bypassed += other.bypassed;
        self.faults += other.faults;
        self.unjournaled += other.unjournaled;
        self.deleted += other.deleted;
        self.compacted += other.compacted;
        self.merged += other.merged;
        self.starts += other.starts;
        self.full += other.full;
        self.reserves += other.reserves;
        self.no_space += other.no_space;
        self.refused += other.refused;
        self.damaged += other.damaged;
        self.harmless += other.harmless;
    }
}
