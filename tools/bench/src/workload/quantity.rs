//! Rates, sizes and spans of time as people write them: `50k`, `1KiB`, `60s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of time that no run comes near, so that sums of them are spans too.
const SECONDS_MAX: f64 = 1e9;

/// Records per second. Zero: as fast as answers leave room.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A text that is none of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct NotAQuantity {
    text: String,
    expected: &'static str,
}

/// Units by name; the one with an empty name is that of a bare number.
type Units = [(&'static str, f64)];

const RATES: &Units = &[("", 1.0), ("k", 1e3), ("m", 1e6), ("g", 1e9)];
const SIZES: &Units = &[
    ("", 1.0),
    ("b", 1.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
];
const SPANS: &Units = &[
    ("", 1.0),
    ("us", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3_600.0),
];

fn parse(text: &str, units: &Units) -> Option<f64> {
    let text = text.trim().to_ascii_lowercase();
    let unit_at = text.find(|it: char| !it.is_ascii_digit() && it != '.');
    let (number, unit) = text.split_at(unit_at.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    Some(number * factor)
}

impl FromStr for Rate {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Rate, NotAQuantity> {
        let bare = text.strip_suffix("/s").unwrap_or(text);
        parse(bare, RATES).map(Rate).ok_or_else(|| NotAQuantity {
            text: text.to_owned(),
            expected: "a rate, as 2000, 50k or 1.5M are",
        })
    }
}

impl FromStr for Size {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Size, NotAQuantity> {
        let bytes = parse(text, SIZES).filter(|bytes| *bytes < u64::MAX as f64);
        let bytes = bytes.ok_or_else(|| NotAQuantity {
            text: text.to_owned(),
            expected: "a size, as 100, 1KiB or 6.5GB are",
        })?;
        Ok(Size(bytes as u64))
    }
}

impl FromStr for Span {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Span, NotAQuantity> {
        let seconds = parse(text, SPANS).filter(|seconds| *seconds < SECONDS_MAX);
        let seconds = seconds.ok_or_else(|| NotAQuantity {
            text: text.to_owned(),
            expected: "a span of time, as 500ms, 60s or 2m are",
        })?;
        Ok(Span(Duration::from_secs_f64(seconds)))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            rate if rate >= 1e6 => write!(out, "{}M", round(rate / 1e6)),
            rate if rate >= 1e4 => write!(out, "{}k", round(rate / 1e3)),
            rate => write!(out, "{}", round(rate)),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = SIZES.iter().rev().filter(|(name, _)| name.len() > 1);
        let fitting = named.filter(|(_, factor)| self.0 > 0 && self.0 as f64 % factor == 0.0);
        match fitting.max_by(|one, other| one.1.total_cmp(&other.1)) {
            Some((name, factor)) => {
                let name = match *name {
                    "kib" => "KiB",
                    "mib" => "MiB",
                    "gib" => "GiB",
                    "mb" => "MB",
                    "gb" => "GB",
                    _ => "kB",
                };
                write!(out, "{}{name}", self.0 / *factor as u64)
            }
            None => write!(out, "{}B", self.0),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs_f64() {
            seconds if seconds > 0.0 && seconds < 1.0 => write!(out, "{}ms", round(seconds * 1e3)),
            seconds => write!(out, "{}s", round(seconds)),
        }
    }
}

/// To a thousandth.
fn round(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// What a file may have: a number, of the unit without a name, or a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(f64),
    Text(String),
}

impl Written {
    fn read<'de, D: Deserializer<'de>, T: FromStr<Err = NotAQuantity>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let text = match Written::deserialize(deserializer)? {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
        Written::read(deserializer)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        Written::read(deserializer)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        Written::read(deserializer)
    }
}

/// Saved as numbers: records per second, bytes, seconds.
impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood() {
        assert_eq!("50k".parse(), Ok(Rate(50_000.0)));
        assert_eq!("1.5M/s".parse(), Ok(Rate(1_500_000.0)));
        assert_eq!("0".parse(), Ok(Rate(0.0)));
        assert_eq!("1KiB".parse(), Ok(Size(1024)));
        assert_eq!("6.5 GB".parse(), Ok(Size(6_500_000_000)));
        assert_eq!("100".parse(), Ok(Size(100)));
        assert_eq!("2m".parse(), Ok(Span(Duration::from_secs(120))));
        assert_eq!("1.5".parse(), Ok(Span(Duration::from_millis(1_500))));
        assert_eq!("250us".parse(), Ok(Span(Duration::from_micros(250))));
    }

    #[test]
    fn what_is_none_is_named() {
        for text in ["", "k", "-1", "1e400h", "5 apples", "1..2", "inf"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
            assert!(text.parse::<Size>().is_err(), "{text}");
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        let error = "99999999999999999999GiB".parse::<Size>().unwrap_err();
        assert!(error.to_string().contains("is not a size"), "{error}");
    }

    #[test]
    fn what_is_shown_is_understood_again() {
        for size in [0, 1, 100, 1000, 1024, 65_536, 6_500_000_000, 6 << 30] {
            assert_eq!(Size(size).to_string().parse(), Ok(Size(size)));
        }
        for rate in [0.0, 2_000.0, 50_000.0, 1_500_000.0] {
            assert_eq!(Rate(rate).to_string().parse(), Ok(Rate(rate)));
        }
        for ms in [0, 5, 1_000, 61_500] {
            let span = Span(Duration::from_millis(ms));
            assert_eq!(span.to_string().parse(), Ok(span));
        }
        assert_eq!(Size(1024).to_string(), "1KiB");
        assert_eq!(Size(6_500_000_000).to_string(), "6500MB");
    }
}
