//! How much space is left on the disk, and whether produce requests are taken.
//!
//! ```text
//!            spare < 0                       a write finds no space
//! Enough ─────────────────▶ Low ◀──────────▶ Full
//!    ◀────────────────────── │   something was written again
//!      spare ≥ a quarter of the watermark
//! ```
//! *Spare* is what is free beyond the watermark, less what the tails and the reserve will still take: bytes in memory or in the
//! journal are counted as if they were in segments already. In `Low` and `Full` produce requests are refused; everything else goes on,
//! above all what frees space.

use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use parking_lot::Mutex;

use crate::io::DiskSpace;

/// The part of a disk below which it counts as nearly full, unless the configuration says how much.
const WATERMARK_DISK_SHARE: u64 = 20;

/// Where a disk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceState {
    /// Produce requests are taken.
    Enough,
    /// Less is left than the watermark demands.
    Low,
    /// The last write to partition files found no space.
    Full,
}

/// Watches the space of one data directory.
pub(super) struct Space {
    watermark: u64,
    /// Spare bytes when last measured.
    spare: AtomicI64,
    /// Looked at with every produce request.
    state: AtomicU8,
    /// Held while the state changes: whether it has been said, since there was enough, that the disk is full.
    said_full: Mutex<bool>,
}

impl Space {
    /// With `watermark` bytes to be left free; by default a twentieth of the disk, at most `reserve`.
    pub(super) fn new(watermark: Option<u64>, disk: DiskSpace, reserve: u64) -> Space {
        let share = disk.total / WATERMARK_DISK_SHARE;
        Space {
            watermark: watermark.unwrap_or(share.min(reserve)),
            spare: AtomicI64::new(0),
            state: AtomicU8::new(SpaceState::Enough as u8),
            said_full: Mutex::new(false),
        }
    }

    /// Bytes to be left free.
    pub(super) fn watermark(&self) -> u64 {
        self.watermark
    }

    pub(super) fn state(&self) -> SpaceState {
        let state = self.state.load(Ordering::Relaxed);
        let all = [SpaceState::Enough, SpaceState::Low, SpaceState::Full];
        let is_it = |it: &SpaceState| *it as u8 == state;
        all.into_iter().find(is_it).unwrap_or(SpaceState::Full)
    }

    fn set(&self, state: SpaceState) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// Spare bytes when last measured.
    pub(super) fn spare(&self) -> i64 {
        self.spare.load(Ordering::Relaxed)
    }

    /// Takes a measurement: `owed` bytes are still to be written.
    pub(super) fn on_measured(&self, disk: DiskSpace, owed: u64, path: &Path) {
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let needed = bytes(self.watermark).saturating_add(bytes(owed));
        let spare = bytes(disk.available).saturating_sub(needed);
        self.spare.store(spare, Ordering::Relaxed);
        let mut said_full = self.said_full.lock();
        match self.state() {
            SpaceState::Enough if spare < 0 => {
                self.set(SpaceState::Low);
                tracing::warn!(
                    path = %path.display(),
                    free_bytes = disk.available,
                    owed_bytes = owed,
                    free_bytes_min = self.watermark,
                    "little space is left on the disk: produce requests are refused until there is more"
                );
            }
            SpaceState::Low if spare >= bytes(self.watermark / 4) => {
                self.set(SpaceState::Enough);
                *said_full = false;
                tracing::info!(
                    path = %path.display(),
                    free_bytes = disk.available,
                    "there is space on the disk again: produce requests are taken"
                );
            }
            SpaceState::Enough | SpaceState::Low | SpaceState::Full => {}
        }
    }

    /// A write to partition files found no space.
    pub(super) fn on_full(&self, path: &Path, error: &std::io::Error) {
        let mut said_full = self.said_full.lock();
        self.set(SpaceState::Full);
        if !std::mem::replace(&mut *said_full, true) {
            tracing::error!(
                path = %path.display(),
                %error,
                "disk is full: nothing is lost, produce requests are refused until there is space"
            );
        }
    }

    /// What was to be written has been.
    pub(super) fn on_written(&self) {
        let _changing = self.said_full.lock();
        if self.state() == SpaceState::Full {
            self.set(SpaceState::Low);
        }
    }
}
