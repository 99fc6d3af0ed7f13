//! What is fuzzed, and the bound on memory that holds for all of it.

use crate::targets;

/// What any input may take, in bytes.
pub const ALLOCATED_BYTES_MAX: u64 = 64 << 20;
/// And more for each byte of it: the codec makes room for a value per byte that is left.
pub const ALLOCATED_PER_BYTE_MAX: u64 = 1024;

/// A function of bytes that must not panic.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Takes an input, and panics when an invariant does not hold.
    pub check: fn(&[u8]),
    /// Makes inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// How long an input is worth being.
    pub length_max: usize,
    /// How many mutations `cargo test` tries.
    pub mutations: usize,
}

impl Target {
    /// The target of that name.
    pub fn named(name: &str) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Takes an input, and sees to the memory it takes.
    ///
    /// # Panics
    /// When an invariant does not hold.
    pub fn run(&self, input: &[u8]) {
        let allocated = allocation_counter::measure(|| (self.check)(input)).bytes_max;
        let allowed = ALLOCATED_BYTES_MAX + input.len() as u64 * ALLOCATED_PER_BYTE_MAX;
        assert!(
            allocated <= allowed,
            "{}: {allocated} bytes at once for an input of {}",
            self.name,
            input.len()
        );
    }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "requests",
        check: targets::requests::check,
        seeds: targets::requests::seeds,
        length_max: 4096,
        mutations: 4000,
    },
    Target {
        name: "responses",
        check: targets::responses::check,
        seeds: targets::responses::seeds,
        length_max: 4096,
        mutations: 4000,
    },
    Target {
        name: "batch",
        check: targets::batch::check,
        seeds: targets::batch::seeds,
        length_max: 4096,
        mutations: 4000,
    },
    Target {
        name: "compression",
        check: targets::compression::check,
        seeds: targets::compression::seeds,
        length_max: 4096,
        mutations: 3000,
    },
    Target {
        name: "journal",
        check: targets::journal::check,
        seeds: targets::journal::seeds,
        length_max: 1024,
        mutations: 1500,
    },
    Target {
        name: "formats",
        check: targets::formats::check,
        seeds: targets::formats::seeds,
        length_max: 4096,
        mutations: 4000,
    },
    Target {
        name: "segments",
        check: targets::segments::check,
        seeds: targets::segments::seeds,
        length_max: 1024,
        mutations: 1000,
    },
    Target {
        name: "recovery",
        check: targets::recovery::check,
        seeds: targets::recovery::seeds,
        length_max: 512,
        mutations: 500,
    },
];
