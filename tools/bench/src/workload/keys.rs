//! Which key a record has, and with it which partition.

use std::fmt;
use std::str::FromStr;

use client::partition_of_key;
use rand::Rng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use serde::{Deserialize, Serialize};

/// Each key has a weight in memory.
const KEYS_MAX: u32 = 10_000_000;
/// Zipf's own law; that of words in a text is close to it.
const EXPONENT: f64 = 1.0;

/// How keys are drawn. Written `none`, `uniform:KEYS` or `zipf:KEYS` with, perhaps, `:EXPONENT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Keys {
    /// Records have none, and go to one partition after the other.
    #[default]
    None,
    /// Each of so many is as likely.
    Uniform {
        /// How many there are.
        count: u32,
    },
    /// The k-th of so many is drawn in proportion to 1/k^exponent.
    Zipf {
        /// How many there are.
        count: u32,
        /// How uneven: 0 is uniform.
        exponent: f64,
    },
}

impl FromStr for Keys {
    type Err = String;

    fn from_str(text: &str) -> Result<Keys, String> {
        let expected = || format!("{text:?} is not none, uniform:KEYS or zipf:KEYS[:EXPONENT]");
        let parts: Vec<&str> = text.split(':').collect();
        let count = |text: &str| {
            let count = text.parse().ok();
            let count = count.filter(|count| (1..=KEYS_MAX).contains(count));
            count.ok_or_else(|| format!("there are from 1 to {KEYS_MAX} keys, not {text}"))
        };
        Ok(match parts.as_slice() {
            ["none"] => Keys::None,
            ["uniform", keys] => Keys::Uniform {
                count: count(keys)?,
            },
            ["zipf", keys] => Keys::Zipf {
                count: count(keys)?,
                exponent: EXPONENT,
            },
            ["zipf", keys, exponent] => {
                let exponent = exponent.parse().ok();
                let exponent = exponent.filter(|it| (0.0..=10.0).contains(it));
                Keys::Zipf {
                    count: count(keys)?,
                    exponent: exponent.ok_or_else(expected)?,
                }
            }
            _ => return Err(expected()),
        })
    }
}

impl TryFrom<String> for Keys {
    type Error = String;

    fn try_from(text: String) -> Result<Keys, String> {
        text.parse()
    }
}

impl From<Keys> for String {
    fn from(keys: Keys) -> String {
        keys.to_string()
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Keys::None => write!(out, "none"),
            Keys::Uniform { count } => write!(out, "uniform:{count}"),
            Keys::Zipf { count, exponent } => write!(out, "zipf:{count}:{exponent}"),
        }
    }
}

impl Keys {
    /// The weight of each key.
    fn weights(self) -> Vec<f64> {
        let (count, exponent) = match self {
            Keys::None => return Vec::new(),
            Keys::Uniform { count } => (count, 0.0),
            Keys::Zipf { count, exponent } => (count, exponent),
        };
        let ranks = 1..=count;
        ranks.map(|rank| f64::from(rank).powf(-exponent)).collect()
    }
}

/// The bytes of a key.
pub fn key(number: u32) -> String {
    format!("key-{number:08}")
}

/// The keys of one partition, as they are drawn given that it is this one.
#[derive(Clone, Debug)]
pub struct PartitionKeys {
    numbers: Vec<u32>,
    drawn: WeightedIndex<f64>,
    /// The share of all records that have one of them.
    pub share: f64,
}

impl PartitionKeys {
    /// One of them.
    pub fn draw(&self, random: &mut impl Rng) -> u32 {
        self.numbers[self.drawn.sample(random)]
    }
}

/// The keys of each of so many partitions, as Kafka's default partitioner has them; `None` for a partition that has no key. Empty without keys.
pub fn by_partition(keys: Keys, partitions: i32) -> Vec<Option<PartitionKeys>> {
    let weights = keys.weights();
    let total: f64 = weights.iter().sum();
    let mut numbers = vec![Vec::new(); partitions.max(1).unsigned_abs() as usize];
    for number in 0..weights.len() as u32 {
        numbers[partition_of_key(key(number).as_bytes(), partitions) as usize].push(number);
    }
    if weights.is_empty() {
        return Vec::new();
    }
    let of_partition = |numbers: Vec<u32>| {
        let own = || numbers.iter().map(|number| weights[*number as usize]);
        let share = own().sum::<f64>() / total;
        let drawn = WeightedIndex::new(own()).ok()?;
        Some(PartitionKeys {
            numbers,
            drawn,
            share,
        })
    };
    numbers.into_iter().map(of_partition).collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn what_is_written_is_understood() {
        for text in ["none", "uniform:100", "zipf:1000:1.1"] {
            assert_eq!(text.parse::<Keys>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "uniform",
            "uniform:0",
            "zipf:5:x",
            "zipf:5:-1",
            "many:5",
        ] {
            assert!(text.parse::<Keys>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_keys_of_zipf_are_drawn_as_often_as_it_says() {
        let keys = Keys::Zipf {
            count: 1_000,
            exponent: 1.0,
        };
        let all = by_partition(keys, 1).remove(0).unwrap();
        let mut random = SmallRng::seed_from_u64(1);
        let draws = 100_000;
        let firsts = (0..draws).filter(|_| all.draw(&mut random) == 0).count();
        // 1 / (1 + 1/2 + ... + 1/1000) = 0.1336
        assert!((12_800..13_900).contains(&firsts), "{firsts}");
    }

    #[test]
    fn each_partition_draws_its_own_keys_and_their_shares_are_all() {
        let partitions = by_partition(Keys::Uniform { count: 500 }, 7);
        let share: f64 = partitions.iter().flatten().map(|it| it.share).sum();
        assert!((share - 1.0).abs() < 1e-9);
        let mut random = SmallRng::seed_from_u64(1);
        for (partition, keys) in partitions.iter().enumerate() {
            let number = keys.as_ref().unwrap().draw(&mut random);
            let drawn = partition_of_key(key(number).as_bytes(), 7);
            assert_eq!(usize::try_from(drawn), Ok(partition));
        }
    }
}
