//! What is done to a cluster: how much of what, when, and for how long.

pub mod keys;
pub mod omb;
pub mod producer_config;
pub mod properties;
pub mod quantity;
pub mod schedule;
pub mod sweep;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::BenchError;
use crate::fault::Fault;
use keys::Keys;
use quantity::{Rate, Size, Span};
use schedule::Arrivals;
use sweep::Sweep;

/// A workload, as a file has it and as results repeat it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// What it is called.
    pub name: String,
    /// Topics, which are made for the run.
    pub topics: usize,
    /// Partitions of each.
    pub partitions: i32,
    /// Replicas of a partition; `None` leaves their number to the cluster.
    pub replication_factor: Option<i16>,
    /// Settings of the topics.
    pub topic_configs: BTreeMap<String, String>,
    /// Producers, each of which has a connection to each broker that leads.
    pub producers: usize,
    /// Records per second of all producers together, whatever the answers do; zero is as fast as answers come.
    pub rate: Rate,
    /// How they arrive.
    pub arrivals: ArrivalPattern,
    /// With bursts: requests that are due at once, of each connection.
    pub burst: u32,
    /// Bytes of a record's value.
    pub size: Size,
    /// Records of a batch; a request is one batch.
    pub batch_records: usize,
    /// How batches are compressed.
    pub compression: Compression,
    /// The share of a value that is random, and that no codec makes smaller.
    pub random_share: f64,
    /// Keys.
    pub keys: Keys,
    /// Who must have a record before it is acknowledged.
    pub acks: Acks,
    /// Requests of a connection without an answer, at most.
    pub window: usize,
    /// Groups of consumers, each of which reads all there is while it is written.
    pub consumer_groups: usize,
    /// Bytes of values that are there before consumers begin, which then catch up while producers go on.
    pub backlog: Size,
    /// What is read back, after all is written, by one consumer.
    pub read_back: bool,
    /// Not measured, at the begin.
    pub warm_up: Span,
    /// What is measured, at least.
    pub duration: Span,
    /// Bytes of values that are written while it is measured, at least.
    pub bytes: Size,
    /// At a rate that is not kept: for how long what was due is still sent when the load is over. What is left is given up.
    pub drain_max: Span,
    /// Who speaks with the cluster.
    pub client: Client,
    /// With librdkafka: how long a record waits for others in its batch.
    pub linger: Span,
    /// With librdkafka: bytes of a batch, at most.
    pub batch_bytes: Size,
    /// Settings of librdkafka by their names, which count before all others.
    pub client_configs: BTreeMap<String, String>,
    /// Something that happens to a broker meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Of arrivals, keys and values.
    pub seed: u64,
    /// What has other values in other runs. A run is of a single combination, and so has none.
    #[serde(skip_serializing)]
    pub sweep: Sweep,
}

impl Default for Workload {
    fn default() -> Workload {
        Workload {
            name: "run".to_owned(),
            topics: 1,
            partitions: 6,
            replication_factor: None,
            topic_configs: BTreeMap::new(),
            producers: 2,
            rate: Rate(0.0),
            arrivals: ArrivalPattern::Fixed,
            burst: 100,
            size: Size(1024),
            batch_records: 1,
            compression: Compression::None,
            random_share: 1.0,
            keys: Keys::None,
            acks: Acks::All,
            window: 64,
            consumer_groups: 0,
            backlog: Size(0),
            read_back: false,
            warm_up: Span(Duration::from_secs(5)),
            duration: Span(Duration::from_secs(20)),
            bytes: Size(0),
            drain_max: Span(Duration::from_secs(30)),
            client: Client::Native,
            linger: Span(Duration::from_millis(5)),
            batch_bytes: Size(1_000_000),
            client_configs: BTreeMap::new(),
            fault: None,
            seed: 1,
            sweep: Sweep::default(),
        }
    }
}

/// Who speaks with the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Client {
    /// This tool itself, with batches that were made beforehand
    #[default]
    Native,
    /// librdkafka, record by record
    Librdkafka,
}

/// How requests arrive at a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum ArrivalPattern {
    /// At equal distances
    #[default]
    Fixed,
    /// Independently of each other
    Poisson,
    /// Many at once, and then nothing until so many are due again
    Burst,
}

/// How batches are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// Not at all
    #[default]
    None,
    /// gzip
    Gzip,
    /// Snappy
    Snappy,
    /// LZ4
    Lz4,
    /// Zstandard
    Zstd,
}

/// Who must have a record before it is acknowledged. Without acknowledgements there is nothing to measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AcksWritten", into = "String")]
pub enum Acks {
    /// All replicas that are in sync.
    #[default]
    All,
    /// The leader.
    Leader,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum AcksWritten {
    Number(i16),
    Text(String),
}

impl TryFrom<AcksWritten> for Acks {
    type Error = String;

    fn try_from(written: AcksWritten) -> Result<Acks, String> {
        match written {
            AcksWritten::Number(number) => number.to_string().parse(),
            AcksWritten::Text(text) => text.parse(),
        }
    }
}

impl From<Acks> for String {
    fn from(acks: Acks) -> String {
        acks.to_string()
    }
}

impl FromStr for Acks {
    type Err = String;

    fn from_str(text: &str) -> Result<Acks, String> {
        match text {
            "all" | "-1" => Ok(Acks::All),
            "1" => Ok(Acks::Leader),
            _ => Err(format!("acks is all or 1, not {text}")),
        }
    }
}

impl fmt::Display for Acks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Acks::All => "all",
            Acks::Leader => "1",
        })
    }
}

impl Compression {
    /// As clients' settings have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}

impl Acks {
    pub(crate) fn on_the_wire(self) -> i16 {
        match self {
            Acks::All => -1,
            Acks::Leader => 1,
        }
    }
}

/// Of what a workload may have, so that it fits into memory and into a request.
const RECORD_BYTES_MAX: u64 = 100 << 20;
const BATCH_BYTES_MAX: u64 = 100 << 20;
const BATCH_RECORDS_MAX: usize = 1_000_000;
const PRODUCERS_MAX: usize = 10_000;
const GROUPS_MAX: usize = 1_000;
const TOPICS_MAX: usize = 10_000;
const PARTITIONS_MAX: i32 = 1_000_000;

impl Workload {
    /// Reads one from a file, perhaps with a sweep. What is read is not checked yet: flags, or a sweep, may say otherwise.
    pub fn read(path: &Path) -> Result<Workload, BenchError> {
        let text = text_of(path)?;
        serde_yaml::from_str(&text).map_err(|error| BenchError::Workload {
            what: format!("{}: {error}", path.display()),
        })
    }

    /// The runs of its sweep, each checked, and called after what is different; itself without one.
    ///
    /// `settle` sets what depends on the values of a run, before those values are set again.
    pub fn points(&self, settle: impl Fn(&mut Workload)) -> Result<Vec<Workload>, BenchError> {
        let point = |point: sweep::Point| {
            let mut workload = Workload {
                sweep: Sweep::default(),
                ..self.clone()
            };
            point.apply(&mut workload);
            settle(&mut workload);
            point.apply(&mut workload);
            if !self.sweep.is_empty() {
                workload.name = format!("{} {point}", self.name);
            }
            match workload.check() {
                Err(BenchError::Workload { what }) if !self.sweep.is_empty() => {
                    Err(BenchError::Workload {
                        what: format!("{point}: {what}"),
                    })
                }
                checked => checked.map(|()| workload),
            }
        };
        self.sweep.points().into_iter().map(point).collect()
    }

    /// Says what cannot be done.
    pub fn check(&self) -> Result<(), BenchError> {
        let batch_bytes = self.size.0.saturating_mul(self.batch_records as u64);
        let wrong = [
            (
                !(1..=TOPICS_MAX).contains(&self.topics),
                "topics: from 1 to 10,000",
            ),
            (
                !(1..=PARTITIONS_MAX).contains(&self.partitions),
                "partitions: from 1 to 1,000,000",
            ),
            (
                !(1..=PRODUCERS_MAX).contains(&self.producers),
                "producers: from 1 to 10,000",
            ),
            (
                self.consumer_groups > GROUPS_MAX,
                "consumer groups: at most 1,000",
            ),
            (self.size.0 > RECORD_BYTES_MAX, "size: at most 100MiB"),
            (
                !(1..=BATCH_RECORDS_MAX).contains(&self.batch_records),
                "batch records: from 1 to 1,000,000",
            ),
            (batch_bytes > BATCH_BYTES_MAX, "a batch: at most 100MiB"),
            (self.window == 0, "window: at least 1"),
            (
                self.burst == 0 && self.arrivals == ArrivalPattern::Burst,
                "burst: at least 1",
            ),
            (
                !(0.0..=1.0).contains(&self.random_share),
                "random share: from 0 to 1",
            ),
            (
                self.arrivals != ArrivalPattern::Fixed && self.rate.0 == 0.0,
                "arrivals other than fixed need a rate",
            ),
            (
                self.backlog > Size(0) && self.consumer_groups == 0,
                "a backlog needs a consumer group that reads it",
            ),
        ];
        match wrong.iter().find(|(is_wrong, _)| *is_wrong) {
            Some((_, what)) => Err(BenchError::Workload {
                what: (*what).to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// Bytes of the values of a batch.
    pub fn batch_bytes(&self) -> u64 {
        self.size.0 * self.batch_records as u64
    }

    /// When requests are due of a connection that has this share of them.
    pub(crate) fn arrivals_of(&self, share: f64) -> Arrivals {
        let per_second = self.rate.0 / self.batch_records as f64 * share;
        match self.arrivals {
            _ if per_second <= 0.0 => Arrivals::Unlimited,
            ArrivalPattern::Fixed => Arrivals::Fixed { per_second },
            ArrivalPattern::Poisson => Arrivals::Poisson { per_second },
            ArrivalPattern::Burst => Arrivals::Burst {
                per_second,
                at_once: self.burst,
            },
        }
    }
}

/// Of a workload's file, which is a page or two.
const FILE_BYTES_MAX: u64 = 1 << 20;

fn text_of(path: &Path) -> Result<String, BenchError> {
    let failed = |source| BenchError::File {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    let mut bounded = File::open(path).map_err(failed)?.take(FILE_BYTES_MAX + 1);
    bounded.read_to_string(&mut text).map_err(failed)?;
    match text.len() as u64 > FILE_BYTES_MAX {
        true => Err(BenchError::Workload {
            what: format!("{} has more than 1 MiB", path.display()),
        }),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_flags_say() {
        let text = "
            name: small
            partitions: 12
            rate: 50k
            size: 1KiB
            batch_records: 4
            arrivals: poisson
            compression: zstd
            keys: zipf:1000:1.1
            acks: 1
            duration: 60s
            topic_configs:
              min.insync.replicas: '2'
        ";
        let workload: Workload = serde_yaml::from_str(text).unwrap();
        let expected = Workload {
            name: "small".to_owned(),
            partitions: 12,
            rate: Rate(50_000.0),
            size: Size(1024),
            batch_records: 4,
            arrivals: ArrivalPattern::Poisson,
            compression: Compression::Zstd,
            keys: Keys::Zipf {
                count: 1000,
                exponent: 1.1,
            },
            acks: Acks::Leader,
            duration: Span(Duration::from_secs(60)),
            topic_configs: BTreeMap::from([("min.insync.replicas".to_owned(), "2".to_owned())]),
            ..Workload::default()
        };
        assert_eq!(workload, expected);
        workload.check().unwrap();
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let workload = Workload {
            keys: Keys::Uniform { count: 5 },
            backlog: Size(6_500_000_000),
            consumer_groups: 2,
            ..Workload::default()
        };
        let saved = serde_json::to_string(&workload).unwrap();
        let read: Workload = serde_json::from_str(&saved).unwrap();
        assert_eq!(read, workload);
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        assert!(serde_yaml::from_str::<Workload>("partitons: 3").is_err());
        let refused = |workload: Workload| workload.check().unwrap_err().to_string();
        let of = Workload::default;
        assert!(
            refused(Workload {
                partitions: 0,
                ..of()
            })
            .contains("partitions")
        );
        assert!(
            refused(Workload {
                batch_records: 0,
                ..of()
            })
            .contains("batch")
        );
        let huge = Workload {
            size: Size(u64::MAX),
            batch_records: 2,
            ..of()
        };
        assert!(refused(huge).contains("size"));
        let poisson = Workload {
            arrivals: ArrivalPattern::Poisson,
            ..of()
        };
        assert!(refused(poisson).contains("rate"));
    }
}
