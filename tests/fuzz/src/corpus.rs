//! Inputs that are kept: what libFuzzer found to reach the most, and what once failed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Target;

/// Where a target's inputs are.
pub fn corpus_dir(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name)
}

/// The inputs of a target with their names, in the order of these: those that are made, and those
/// that are kept.
///
/// # Panics
/// If they cannot be read: this is for tests.
pub fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let seeds = (target.seeds)().into_iter().enumerate();
    let mut inputs: Vec<_> = seeds
        .map(|(at, seed)| (format!("seed {at}"), seed))
        .collect();
    let mut kept = Vec::new();
    let dir = corpus_dir(target);
    // A target that keeps none has no directory.
    let entries = dir
        .exists()
        .then(|| fs::read_dir(&dir).expect("the corpus can be read"));
    for entry in entries.into_iter().flatten() {
        let path = entry.expect("the corpus can be read").path();
        let bytes = fs::read(&path).expect("the corpus can be read");
        kept.push((path.display().to_string(), bytes));
    }
    kept.sort();
    inputs.append(&mut kept);
    inputs
}
