//! What has to be fetched or built once before a client can be run.

use std::{
    fs::{self, File},
    path::Path,
    process::Command,
};

use crate::command::run_within;

/// A registry at the other end of a slow line, or a compiler that shares two cores with others.
const INSTALL_SECONDS: u32 = 900;

/// Makes `dir` by `fill`, unless it has been made by the same `recipe` before; then it is left as it
/// is. Processes that ask at the same time wait for the one that fills it, and one that was
/// interrupted leaves nothing that would be taken for a complete one.
///
/// Panics if it cannot be made: cases cannot run without their clients.
pub fn installed(dir: &Path, recipe: &str, fill: impl FnOnce()) {
    let lock = dir.with_extension("lock");
    let lock_file = File::create(&lock).expect("the target directory can be written");
    lock_file.lock().expect("a file can be locked");
    let made_by = dir.join("recipe");
    if fs::read_to_string(&made_by).is_ok_and(|made_by| made_by == recipe) {
        return;
    }
    if dir.exists() {
        fs::remove_dir_all(dir).expect("what is out of date can be removed");
    }
    fs::create_dir_all(dir).expect("the target directory can be written");
    fill();
    fs::write(&made_by, recipe).expect("the target directory can be written");
}

/// Runs a package manager or a compiler to its end; panics with all it said if it failed.
#[track_caller]
pub fn install(command: &Command) {
    run_within(INSTALL_SECONDS, command, b"");
}

#[cfg(test)]
mod tests;
