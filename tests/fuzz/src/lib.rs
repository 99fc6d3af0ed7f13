//! Decoders, the journal's reader and recovery, under bytes that nobody means.
//!
//! A target is a function of bytes that panics when an invariant does not hold. The same functions
//! run under libFuzzer, and in `cargo test` over a small corpus and seeded mutations of it; see
//! `README.md`.
//!
//! Checksums keep damage out, so most of what lies behind them is only reached by input that gets
//! past them. An input is therefore not the bytes themselves but how to make them: what is valid,
//! what is done to it, and which checksums are made right again afterwards.

mod corpus;
mod input;
mod mutate;
mod random;
mod target;
mod targets;

pub use corpus::{corpus, corpus_dir};
pub use mutate::mutate;
pub use random::Random;
pub use target::{ALLOCATED_BYTES_MAX, ALLOCATED_PER_BYTE_MAX, TARGETS, Target};

/// Takes an input as the target of that name.
///
/// # Panics
/// When an invariant does not hold, and when there is no such target.
pub fn run(target: &str, input: &[u8]) {
    Target::named(target)
        .expect("a target of that name")
        .run(input);
}
