//! What the tests read from the environment.

use std::{env, process, time::SystemTime};

/// The value of a variable that is a number.
///
/// # Panics
/// If it is set to something else.
pub fn number_from_env(name: &str) -> Option<u64> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{name} is {text:?}, expected a number"),
    }
}

/// Whether a variable is set, and not to nothing or 0.
pub fn is_set(name: &str) -> bool {
    env::var(name).is_ok_and(|text| !text.is_empty() && text != "0")
}

/// `HOLDFAST_CRASH_SEED`, else one that differs from run to run.
pub fn seed() -> u64 {
    number_from_env("HOLDFAST_CRASH_SEED").unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let nanos = since.map_or(0, |since| since.subsec_nanos());
        u64::from(nanos / 1_000) * 100_000 + u64::from(process::id() % 100_000)
    })
}

/// Whether `program` can be started by name.
pub fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
