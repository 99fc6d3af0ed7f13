//! SIGKILL: what the process had not handed to the system is gone.

use libtest_mimic::Failed;

use crate::campaign::{Campaign, Subject};

pub fn run(engine: &'static str) -> Result<(), Failed> {
    let name = match engine {
        "uring" => "kill9::uring",
        _ => "kill9::threads",
    };
    Campaign::new(name, engine, false, 1, Subject::Plain).run()
}

/// With a journal in each of several directories, and partitions in all of them.
pub fn directories() -> Result<(), Failed> {
    Campaign::new("kill9::directories", "auto", false, 3, Subject::Plain).run()
}

/// While old records are deleted.
pub fn retention() -> Result<(), Failed> {
    Campaign::new("kill9::retention", "auto", false, 1, Subject::Retention).run()
}

/// While topics are compacted.
pub fn compaction() -> Result<(), Failed> {
    Campaign::new("kill9::compaction", "auto", false, 1, Subject::Compaction).run()
}

/// With a thousand partitions.
pub fn partitions() -> Result<(), Failed> {
    Campaign::new("kill9::partitions", "auto", false, 1, Subject::Partitions).run()
}

/// With batches that bypass the journal.
pub fn bypass() -> Result<(), Failed> {
    Campaign::new("kill9::bypass", "auto", false, 1, Subject::Bypass).run()
}

/// With topics that are not in the journal.
pub fn page_cache() -> Result<(), Failed> {
    Campaign::new("kill9::page_cache", "auto", false, 1, Subject::PageCache).run()
}
