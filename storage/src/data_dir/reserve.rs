//! The reserve: a file of nothing, as large as the journal, that is given up when the disk is full.
//!
//! What was acknowledged and is only in the journal must reach the segments also when somebody else has taken the last block.
//! The reserve is removed then, and made again, ahead of new records, when there is space.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::io::{Io, OpenOptions};

/// Bytes taken at once: between two steps others see how much space is left.
const STEP: u64 = 64 << 20;

/// The reserve of a data directory.
pub(super) struct Reserve {
    io: Arc<dyn Io>,
    path: PathBuf,
    bytes: u64,
    /// Bytes of the file.
    held: Mutex<u64>,
}

impl Reserve {
    /// The file's name in its directory.
    pub(super) const NAME: &'static str = "reserve";

    /// A reserve of `bytes`, of which an earlier start may have left some or all.
    pub(super) fn open(io: Arc<dyn Io>, dir: &Path, bytes: u64) -> io::Result<Reserve> {
        let path = dir.join(Reserve::NAME);
        let read_only = OpenOptions {
            read_only: true,
            ..OpenOptions::default()
        };
        let held = match io.open(&path, read_only) {
            Ok(file) => file.len()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Reserve {
            io,
            path,
            bytes,
            held: Mutex::new(held),
        })
    }

    /// Bytes it has.
    pub(super) fn held(&self) -> u64 {
        *self.held.lock()
    }

    /// Bytes it lacks.
    pub(super) fn missing(&self) -> u64 {
        self.bytes.saturating_sub(self.held())
    }

    /// Whether [`Reserve::grow`] has something to do.
    pub(super) fn is_due(&self) -> bool {
        self.held() != self.bytes
    }

    /// Takes the next piece of what it lacks, or gives back what is too much. True when there was something to do.
    pub(super) fn grow(&self) -> io::Result<bool> {
        let mut held = self.held.lock();
        if *held == self.bytes {
            return Ok(false);
        }
        let create = OpenOptions {
            create: true,
            ..OpenOptions::default()
        };
        let file = self.io.open(&self.path, create)?;
        if *held > self.bytes {
            file.set_len(self.bytes)?;
            *held = self.bytes;
            return Ok(true);
        }
        let next = self.bytes.min(*held + STEP);
        match file.allocate(next) {
            Ok(()) => {
                *held = next;
                Ok(true)
            }
            Err(error) => {
                // A part of the piece may have been taken.
                file.set_len(*held)?;
                Err(error)
            }
        }
    }

    /// Gives it up. True when that freed space.
    pub(super) fn release(&self) -> bool {
        let mut held = self.held.lock();
        if *held == 0 {
            return false;
        }
        match self.io.remove_file(&self.path) {
            Ok(()) => *held = 0,
            Err(error) => {
                if error.kind() == io::ErrorKind::NotFound {
                    // By hand, from somebody in need of space.
                    *held = 0;
                }
                tracing::error!(%error, path = %self.path.display(), "cannot give up the reserve");
                return false;
            }
        }
        true
    }
}
