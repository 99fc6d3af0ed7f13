//! How many files the system lets this process have open, and who gets how many of them: partition files, and connections.
//!
//! Running out of descriptors would cost a data directory, so that storage gets its share whatever clients do.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Partition files that are kept open for the next use, in all data directories.
const PARTITION_FILES_MAX: usize = 4_000;
/// Those that wait for a sync beside them. Each partition that is written to has three; with more than there may be, all are synced, and
/// producers wait for that.
const UNSYNCED_FILES_MAX: usize = 32_000;
/// A data directory has at least so many of either.
const PARTITION_FILES_MIN: usize = 32;
/// For journals, the admin port, files being read or made, and what libraries open.
const OTHERS: usize = 200;
/// What `RLIM_INFINITY` is taken for.
const UNLIMITED: usize = 1 << 20;

/// What the process may open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFiles {
    limit: usize,
}

impl OpenFiles {
    /// The limit of this process, raised as far as the system allows when this is first called.
    pub fn of_process() -> OpenFiles {
        static LIMIT: OnceLock<OpenFiles> = OnceLock::new();
        *LIMIT.get_or_init(raise)
    }

    /// With a limit of so many.
    fn new(limit: usize) -> OpenFiles {
        OpenFiles { limit }
    }

    /// The limit.
    pub fn limit(self) -> usize {
        self.limit
    }

    /// Partition files that each of some data directories keeps open.
    pub fn for_directory(self, directories: usize) -> usize {
        share(PARTITION_FILES_MAX.min(self.limit / 8), directories)
    }

    /// Files beside them that wait for a sync in each.
    pub fn unsynced_for_directory(self, directories: usize) -> usize {
        share(UNSYNCED_FILES_MAX.min(self.limit / 4), directories)
    }

    /// Connections there can be beside so many data directories.
    pub fn connections_possible(self, directories: usize) -> usize {
        let each = self.for_directory(directories) + self.unsynced_for_directory(directories);
        let left = self.limit.saturating_sub(directories * each + OTHERS);
        left.max(1)
    }
}

fn share(all: usize, directories: usize) -> usize {
    (all / directories.max(1)).max(PARTITION_FILES_MIN)
}

fn raise() -> OpenFiles {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    let limit = now.map_or(UNLIMITED, |limit| {
        usize::try_from(limit).unwrap_or(UNLIMITED)
    });
    OpenFiles::new(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_limit_is_shared_out() {
        let files = OpenFiles::new(1_024);
        assert_eq!(files.for_directory(1), 128);
        assert_eq!(files.unsynced_for_directory(1), 256);
        let possible = 1_024 - 128 - 256 - OTHERS;
        assert_eq!(files.connections_possible(1), possible);
        assert_eq!(files.for_directory(10), PARTITION_FILES_MIN);
        assert_eq!(files.unsynced_for_directory(10), PARTITION_FILES_MIN);
    }

    #[test]
    fn a_large_one_is_not_used_up() {
        let files = OpenFiles::new(UNLIMITED);
        assert_eq!(files.for_directory(1), PARTITION_FILES_MAX);
        assert_eq!(files.for_directory(4), PARTITION_FILES_MAX / 4);
        assert_eq!(files.unsynced_for_directory(4), UNSYNCED_FILES_MAX / 4);
        assert!(files.connections_possible(4) > 1_000_000);
    }

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let limit = OpenFiles::of_process().limit();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert_eq!(current, maximum);
        assert!(limit > 0);
    }
}
