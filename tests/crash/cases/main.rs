//! Crashes of real brokers. See the README for the long versions.

mod campaign;
mod directories;
mod full_disk;
mod kill9;
mod power;
mod without_crashes;

use std::{env, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};
use storage::io::EngineChoice;
use tests_crash::{is_set, on_path};

/// Two brokers at a time: one waits for its disk while the other is loaded or checked.
const TEST_THREADS: usize = 2;

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(TEST_THREADS);
    let no_ring = storage::io::open_engine(EngineChoice::Uring).err();
    let no_ring = no_ring.map(|error| error.to_string());
    let no_loop = campaign::no_loop_disk();
    let no_java = ["java", "mvn"]
        .into_iter()
        .find(|program| !on_path(program));
    let no_java = no_java.map(|program| format!("{program} is missing"));
    let not_asked =
        (!is_set("HOLDFAST_POWER_APACHE")).then_some("HOLDFAST_POWER_APACHE is not set");
    let not_asked = not_asked.map(str::to_owned);
    let no_ring_or_loop = no_ring.clone().or(no_loop.clone());
    let no_ring_or_loop_again = no_ring_or_loop.clone();
    let loop_excused = is_set("HOLDFAST_NO_LOOP");

    let trials = vec![
        trial("kill9::uring", no_ring, false, || kill9::run("uring")),
        trial("kill9::threads", None, false, || kill9::run("threads")),
        trial("kill9::directories", None, false, kill9::directories),
        trial("kill9::retention", None, false, kill9::retention),
        trial("kill9::compaction", None, false, kill9::compaction),
        trial("kill9::partitions", None, false, kill9::partitions),
        trial("kill9::bypass", None, false, kill9::bypass),
        trial("kill9::page_cache", None, false, kill9::page_cache),
        trial("power::uring", no_ring_or_loop, loop_excused, || {
            power::run("uring")
        }),
        trial("power::threads", no_loop.clone(), loop_excused, || {
            power::run("threads")
        }),
        trial(
            "power::directories",
            no_loop.clone(),
            loop_excused,
            power::directories,
        ),
        trial(
            "power::retention",
            no_loop.clone(),
            loop_excused,
            power::retention,
        ),
        trial(
            "power::compaction",
            no_loop.clone(),
            loop_excused,
            power::compaction,
        ),
        trial(
            "power::bypass",
            no_loop.clone(),
            loop_excused,
            power::bypass,
        ),
        trial(
            "power::partitions",
            no_loop.clone(),
            loop_excused,
            power::partitions,
        ),
        trial(
            "directories::one_disk_fails",
            no_loop.clone(),
            loop_excused,
            directories::one_disk_fails,
        ),
        trial(
            "power::without_sync_records_are_lost",
            no_loop.clone(),
            loop_excused,
            power::without_sync_records_are_lost,
        ),
        trial(
            "full_disk::uring",
            no_ring_or_loop_again,
            loop_excused,
            || full_disk::run("uring"),
        ),
        trial("full_disk::threads", no_loop.clone(), loop_excused, || {
            full_disk::run("threads")
        }),
        trial("power::apache", not_asked.or(no_loop), true, power::apache),
        trial("without_crashes::apache", no_java, false, || {
            without_crashes::apache()
        }),
        trial("without_crashes::holdfast", None, false, || {
            without_crashes::holdfast()
        }),
    ];
    libtest_mimic::run(&args, trials).exit_code()
}

/// A test, or the reason why it cannot run here: listed as ignored, but under `CI=true` a failure
/// unless it is `excused`.
fn trial(
    name: &'static str,
    missing: Option<String>,
    excused: bool,
    run: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let Some(missing) = missing else {
        return Trial::test(name, run);
    };
    if env::var("CI").as_deref() == Ok("true") && !excused {
        let message = format!("{missing}; CI=true promises that it can run");
        return Trial::test(name, move || Err(Failed::from(message)));
    }
    Trial::test(name, || Ok(()))
        .with_kind(missing)
        .with_ignored_flag(true)
}
