//! Mutations for a run without libFuzzer.

use crate::Random;

/// Values that decide something somewhere.
const NUMBERS: [i64; 16] = [
    0,
    1,
    -1,
    2,
    61,
    127,
    128,
    255,
    4095,
    4096,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    -0x8000_0000,
    i64::MAX,
    i64::MIN,
];

/// An input made of two of a corpus, no longer than `length_max`.
pub fn mutate(random: &mut Random, corpus: &[Vec<u8>], length_max: usize) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].clone();
    let other = &corpus[random.below(corpus.len())];
    for _ in 0..=random.below(4) {
        mutate_once(random, &mut bytes, other);
    }
    bytes.truncate(length_max);
    bytes
}

fn mutate_once(random: &mut Random, bytes: &mut Vec<u8>, other: &[u8]) {
    let at = random.below(bytes.len() + 1);
    let bits = random.below(8);
    let length = random.below(1 << bits).min(bytes.len() - at);
    match random.below(8) {
        0 | 1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        2 if at < bytes.len() => bytes[at] = random.next_u64() as u8,
        3 => {
            let count = random.below(16);
            let inserted = random.bytes(count);
            bytes.splice(at..at, inserted);
        }
        4 => drop(bytes.drain(at..at + length)),
        5 => {
            let copied = bytes[at..at + length].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, copied);
        }
        6 => {
            let number = NUMBERS[random.below(NUMBERS.len())];
            let width = 1 << random.below(4);
            let number = match random.below(2) {
                0 => number.to_be_bytes()[8 - width..].to_vec(),
                _ => number.to_le_bytes()[..width].to_vec(),
            };
            let width = width.min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&number[..width]);
        }
        _ => {
            let from = random.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
    }
}
