//! Sweeps: a workload again and again with other values, one run for each combination.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::keys::Keys;
use super::quantity::{Rate, Size};
use super::{Acks, Compression, Workload};
use crate::BenchError;

/// A sweep has at most so many runs.
pub const RUNS_MAX: usize = 200;

/// What can be swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[expect(missing_docs, reason = "they are called as the workload's fields are")]
pub enum Swept {
    Rate,
    Size,
    Partitions,
    Producers,
    ConsumerGroups,
    BatchRecords,
    Acks,
    Compression,
    Keys,
    Topics,
    Window,
}

/// One value of one field.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Rate(Rate),
    Size(Size),
    Partitions(i32),
    Producers(usize),
    ConsumerGroups(usize),
    BatchRecords(usize),
    Acks(Acks),
    Compression(Compression),
    Keys(Keys),
    Topics(usize),
    Window(usize),
}

/// A field and the values that it takes: `rate=1k,2k,5k`.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// The field.
    pub field: Swept,
    /// At least one, each with what somebody wrote.
    values: Vec<(String, Value)>,
}

/// Axes, in order; with none of them there is a single run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sweep(Vec<Axis>);

/// A combination of values, one of each axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point(Vec<(Swept, String, Value)>);

impl Swept {
    fn named(name: &str) -> Result<Swept, String> {
        // Files have underscores where flags have hyphens.
        let name = name.trim().replace('_', "-");
        let named = <Swept as clap::ValueEnum>::from_str(&name, false);
        named.map_err(|_| {
            let all = <Swept as clap::ValueEnum>::value_variants().iter();
            let all: Vec<String> = all.map(Swept::to_string).collect();
            format!("{name:?} cannot be swept, as {} can", all.join(", "))
        })
    }

    fn value(self, text: &str) -> Result<Value, String> {
        fn read<T: FromStr>(text: &str) -> Result<T, String>
        where
            T::Err: fmt::Display,
        {
            text.parse().map_err(|error: T::Err| error.to_string())
        }
        Ok(match self {
            Swept::Rate => Value::Rate(read(text)?),
            Swept::Size => Value::Size(read(text)?),
            Swept::Partitions => Value::Partitions(read(text)?),
            Swept::Producers => Value::Producers(read(text)?),
            Swept::ConsumerGroups => Value::ConsumerGroups(read(text)?),
            Swept::BatchRecords => Value::BatchRecords(read(text)?),
            Swept::Acks => Value::Acks(read(text)?),
            Swept::Compression => {
                Value::Compression(<Compression as clap::ValueEnum>::from_str(text, false)?)
            }
            Swept::Keys => Value::Keys(read(text)?),
            Swept::Topics => Value::Topics(read(text)?),
            Swept::Window => Value::Window(read(text)?),
        })
    }
}

impl fmt::Display for Swept {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = clap::ValueEnum::to_possible_value(self);
        out.write_str(named.as_ref().map_or("", |it| it.get_name()))
    }
}

impl Value {
    fn apply(self, workload: &mut Workload) {
        match self {
            Value::Rate(rate) => workload.rate = rate,
            Value::Size(size) => workload.size = size,
            Value::Partitions(partitions) => workload.partitions = partitions,
            Value::Producers(producers) => workload.producers = producers,
            Value::ConsumerGroups(groups) => workload.consumer_groups = groups,
            Value::BatchRecords(records) => workload.batch_records = records,
            Value::Acks(acks) => workload.acks = acks,
            Value::Compression(compression) => workload.compression = compression,
            Value::Keys(keys) => workload.keys = keys,
            Value::Topics(topics) => workload.topics = topics,
            Value::Window(window) => workload.window = window,
        }
    }
}

impl Axis {
    fn new(name: &str, texts: &[String]) -> Result<Axis, String> {
        let field = Swept::named(name)?;
        if !(1..=RUNS_MAX).contains(&texts.len()) {
            return Err(format!(
                "{field} has {} values, not 1 to {RUNS_MAX}",
                texts.len()
            ));
        }
        let mut values: Vec<(String, Value)> = Vec::with_capacity(texts.len());
        for text in texts {
            let text = text.trim();
            let value = field
                .value(text)
                .map_err(|error| format!("{field}: {text:?}: {error}"))?;
            // Two runs of the same name could not be told apart.
            if let Some((same, _)) = values.iter().find(|(_, other)| *other == value) {
                return Err(format!("{field}: {text} is {same} again"));
            }
            values.push((text.to_owned(), value));
        }
        Ok(Axis { field, values })
    }
}

impl FromStr for Axis {
    type Err = String;

    fn from_str(text: &str) -> Result<Axis, String> {
        let expected = || format!("{text:?} is not NAME=VALUE,VALUE...");
        let (name, values) = text.split_once('=').ok_or_else(expected)?;
        let values: Vec<String> = values.split(',').map(str::to_owned).collect();
        Axis::new(name, &values)
    }
}

impl Sweep {
    /// Axes of different fields, of at most [`RUNS_MAX`] combinations.
    pub fn new(axes: Vec<Axis>) -> Result<Sweep, BenchError> {
        let wrong = |what: String| BenchError::Workload { what };
        for (at, axis) in axes.iter().enumerate() {
            if axes[..at].iter().any(|other| other.field == axis.field) {
                return Err(wrong(format!("{} is swept twice", axis.field)));
            }
        }
        let runs = axes.iter().map(|axis| axis.values.len());
        let runs = runs.fold(1, usize::saturating_mul);
        match runs > RUNS_MAX {
            true => Err(wrong(format!("a sweep of {runs} runs: at most {RUNS_MAX}"))),
            false => Ok(Sweep(axes)),
        }
    }

    /// These axes, and those of this one that they and `given` leave.
    pub fn overridden_by(self, axes: &[Axis], given: &[Swept]) -> Result<Sweep, BenchError> {
        let is_left = |axis: &Axis| {
            !given.contains(&axis.field) && axes.iter().all(|other| other.field != axis.field)
        };
        let left = self.0.into_iter().filter(is_left);
        Sweep::new(left.chain(axes.iter().cloned()).collect())
    }

    /// Whether there is nothing to sweep.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it has other values of a field.
    pub fn has(&self, field: Swept) -> bool {
        self.0.iter().any(|axis| axis.field == field)
    }

    /// All combinations; the last axis changes fastest.
    pub fn points(&self) -> Vec<Point> {
        let mut points = vec![Point::default()];
        for axis in &self.0 {
            let with_each = |point: &Point| {
                let point = point.clone();
                axis.values.iter().map(move |(text, value)| {
                    let mut point = point.clone();
                    point.0.push((axis.field, text.clone(), *value));
                    point
                })
            };
            points = points.iter().flat_map(with_each).collect();
        }
        points
    }
}

impl Point {
    /// Sets its values.
    pub fn apply(&self, workload: &mut Workload) {
        self.0
            .iter()
            .for_each(|(_, _, value)| value.apply(workload));
    }
}

impl fmt::Display for Point {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (field, text, _)) in self.0.iter().enumerate() {
            let blank = if at == 0 { "" } else { " " };
            write!(out, "{blank}{field}={text}")?;
        }
        Ok(())
    }
}

/// In a file: a map from names to lists, in the order of the file.
impl<'de> Deserialize<'de> for Sweep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sweep, D::Error> {
        struct Axes;

        impl<'de> Visitor<'de> for Axes {
            type Value = Sweep;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a map from what is swept to a list of values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sweep, A::Error> {
                let mut axes = Vec::new();
                while let Some((name, values)) = map.next_entry::<String, Vec<Written>>()? {
                    let texts: Vec<String> = values.into_iter().map(String::from).collect();
                    axes.push(Axis::new(&name, &texts).map_err(A::Error::custom)?);
                }
                Sweep::new(axes).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_map(Axes)
    }
}

/// A value in a file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Whole(i64),
    Number(f64),
    Text(String),
}

impl From<Written> for String {
    fn from(written: Written) -> String {
        match written {
            Written::Whole(number) => number.to_string(),
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        }
    }
}

#[cfg(test)]
mod tests;
