//! Disks that hang: they take what is to be written, and neither do it nor fail.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use storage::data_dir::DiskProgress;
use tokio::time::Instant;

use super::DataDirs;

/// What hangs for so long is not waited for. A disk that is only slow does something meanwhile.
pub const HANGS_AFTER: Duration = Duration::from_secs(1);

/// Looks at the disks, again and again.
pub struct DiskWatch {
    data_dirs: Arc<DataDirs>,
    seen: BTreeMap<PathBuf, Seen>,
}

/// What was seen of one.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// What it had done, if it was waited for.
    waits_at: Option<u64>,
    /// Since when it has been seen so.
    since: Instant,
}

impl DiskWatch {
    /// Nothing was seen yet.
    pub fn new(data_dirs: Arc<DataDirs>) -> DiskWatch {
        DiskWatch {
            data_dirs,
            seen: BTreeMap::new(),
        }
    }

    /// The first directory whose disk hangs. One that is offline does not.
    pub fn hanging(&mut self, now: Instant) -> Option<&Path> {
        let mut hanging = None;
        for directory in self.data_dirs.directories() {
            let progress = directory.online().map(|it| it.disk_progress());
            let progress = progress.unwrap_or_default();
            let begin = Seen {
                waits_at: None,
                since: now,
            };
            let path = directory.path().to_owned();
            let seen = self.seen.entry(path).or_insert(begin);
            if seen.hangs(progress, now) {
                hanging.get_or_insert(directory.path());
            }
        }
        hanging
    }
}

impl Seen {
    fn hangs(&mut self, progress: DiskProgress, now: Instant) -> bool {
        let waits_at = progress.waits.then_some(progress.done);
        if self.waits_at.is_none() || self.waits_at != waits_at {
            *self = Seen {
                waits_at,
                since: now,
            };
        }
        now.saturating_duration_since(self.since) >= HANGS_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(begin: Instant, millis: u64) -> Instant {
        begin + Duration::from_millis(millis)
    }

    #[test]
    fn a_disk_hangs_that_is_waited_for_and_does_nothing() {
        let begin = Instant::now();
        let waits = |done| DiskProgress { waits: true, done };
        let idle = |done| DiskProgress { waits: false, done };
        let mut seen = Seen {
            waits_at: None,
            since: begin,
        };
        // Since when it waits is not known: this process may have stood still since the last look.
        assert!(!seen.hangs(waits(7), at(begin, 2_000)));
        assert!(!seen.hangs(waits(7), at(begin, 2_999)));
        assert!(seen.hangs(waits(7), at(begin, 3_000)));
        // It has done something: it is slow, and no more.
        assert!(!seen.hangs(waits(8), at(begin, 3_900)));
        assert!(!seen.hangs(waits(8), at(begin, 4_800)));
        assert!(seen.hangs(waits(8), at(begin, 4_900)));
        // Nobody waits: whoever does later begins anew.
        assert!(!seen.hangs(idle(8), at(begin, 7_000)));
        assert!(!seen.hangs(idle(8), at(begin, 8_000)));
        assert!(!seen.hangs(waits(8), at(begin, 9_000)));
        assert!(!seen.hangs(waits(8), at(begin, 9_999)));
        assert!(seen.hangs(waits(8), at(begin, 10_000)));
    }
}
