//! SIGKILL: what the process had not handed to the system is gone.

use libtest_mimic::Failed;
use tests_crash::number_from_env;

use crate::campaign::Campaign;

const CYCLES: u64 = 5;

pub fn run(engine: &'static str) -> Result<(), Failed> {
    let cycles_variable = "HOLDFAST_CRASH_CYCLES";
    let campaign = Campaign {
        name: match engine {
            "uring" => "kill9::uring",
            _ => "kill9::threads",
        },
        engine,
        cycles: number_from_env(cycles_variable).unwrap_or(CYCLES),
        cycles_variable,
        power: false,
    };
    campaign.run()
}
