//! SIGKILL: what the process had not handed to the system is gone.

use libtest_mimic::Failed;
use tests_crash::number_from_env;

use crate::campaign::{Campaign, Subject};

const CYCLES: u64 = 5;

pub fn run(engine: &'static str) -> Result<(), Failed> {
    let name = match engine {
        "uring" => "kill9::uring",
        _ => "kill9::threads",
    };
    campaign(name, engine, 1, Subject::Plain)
}

/// With a journal in each of several directories, and partitions in all of them.
pub fn directories() -> Result<(), Failed> {
    campaign("kill9::directories", "auto", 3, Subject::Plain)
}

/// While old records are deleted.
pub fn retention() -> Result<(), Failed> {
    campaign("kill9::retention", "auto", 1, Subject::Retention)
}

/// With a thousand partitions.
pub fn partitions() -> Result<(), Failed> {
    campaign("kill9::partitions", "auto", 1, Subject::Partitions)
}

/// With topics that are not in the journal.
pub fn page_cache() -> Result<(), Failed> {
    campaign("kill9::page_cache", "auto", 1, Subject::PageCache)
}

fn campaign(
    name: &'static str,
    engine: &'static str,
    directories: usize,
    subject: Subject,
) -> Result<(), Failed> {
    let cycles_variable = "HOLDFAST_CRASH_CYCLES";
    let campaign = Campaign {
        name,
        engine,
        cycles: number_from_env(cycles_variable).unwrap_or(CYCLES),
        cycles_variable,
        power: false,
        directories,
        subject,
    };
    campaign.run()
}
