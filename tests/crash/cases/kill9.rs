//! SIGKILL: what the process had not handed to the system is gone.

use libtest_mimic::Failed;
use tests_crash::number_from_env;

use crate::campaign::Campaign;

const CYCLES: u64 = 5;

pub fn run(engine: &'static str) -> Result<(), Failed> {
    let name = match engine {
        "uring" => "kill9::uring",
        _ => "kill9::threads",
    };
    campaign(name, engine, 1)
}

/// With a journal in each of several directories, and partitions in all of them.
pub fn directories() -> Result<(), Failed> {
    campaign("kill9::directories", "auto", 3)
}

fn campaign(name: &'static str, engine: &'static str, directories: usize) -> Result<(), Failed> {
    let cycles_variable = "HOLDFAST_CRASH_CYCLES";
    let campaign = Campaign {
        name,
        engine,
        cycles: number_from_env(cycles_variable).unwrap_or(CYCLES),
        cycles_variable,
        power: false,
        directories,
    };
    campaign.run()
}
