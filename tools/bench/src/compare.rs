//! Two brokers in turn on the same machine, the same load: medians, and their ratio with its spread.

use std::path::PathBuf;
use std::time::Duration;

use peer::{ApacheKafka, ApacheKafkaConfig, Holdfast, HoldfastCluster, HoldfastConfig};
use serde::Serialize;

use crate::process::{self, Usage};
use crate::produce::{self, ProduceLoad};
use crate::summary::{Costs, Summary};
use crate::{BenchError, consume, topic};

/// A broker gets this long to finish what it left for later.
const IDLE_WAIT_MAX: Duration = Duration::from_secs(60);

/// What one round measured.
#[derive(Clone, Debug, Serialize)]
pub struct Round {
    /// Of producing.
    pub produce: Summary,
    /// Of reading all of it back.
    pub consume: Option<Summary>,
}

/// A broker to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Holdfast, with its defaults.
    Holdfast,
    /// Apache Kafka, with its defaults: it acknowledges from memory.
    Apache,
}

/// A running broker.
pub enum Running {
    /// Holdfast.
    Holdfast(Box<Holdfast>),
    /// Several of them that are one cluster.
    HoldfastCluster(HoldfastCluster),
    /// Apache Kafka, one or several.
    Apache(Box<ApacheKafka>),
}

impl Running {
    /// Starts one broker with its defaults.
    pub fn start(target: Target) -> Result<Running, BenchError> {
        Running::start_with(target, 1, &[])
    }

    /// Starts so many brokers with some settings.
    pub fn start_with(
        target: Target,
        nodes: usize,
        settings: &[(&str, &str)],
    ) -> Result<Running, BenchError> {
        let settings = settings.iter().copied();
        Ok(match target {
            Target::Holdfast => {
                let config = settings.fold(HoldfastConfig::default(), |config, (name, value)| {
                    config.set(name, value)
                });
                match nodes {
                    1 => Running::Holdfast(Box::new(Holdfast::start(config)?)),
                    _ => Running::HoldfastCluster(HoldfastCluster::start(nodes, &config)?),
                }
            }
            Target::Apache => {
                let config = ApacheKafkaConfig {
                    properties: settings
                        .map(|(name, value)| (name.to_owned(), value.to_owned()))
                        .collect(),
                    brokers: nodes,
                    ..ApacheKafkaConfig::default()
                };
                Running::Apache(Box::new(ApacheKafka::start(config)?))
            }
        })
    }

    /// Where clients find it.
    pub fn bootstrap(&self) -> String {
        match self {
            Running::Holdfast(broker) => peer::Cluster::bootstrap(broker.as_ref()),
            Running::HoldfastCluster(cluster) => peer::Cluster::bootstrap(cluster),
            Running::Apache(broker) => peer::Cluster::bootstrap(broker.as_ref()),
        }
    }

    /// Where its data is; that of the first of several.
    pub fn data_dir(&self) -> PathBuf {
        match self {
            Running::HoldfastCluster(cluster) => cluster.data_dir(0).to_owned(),
            Running::Holdfast(broker) => broker.data_dir().to_owned(),
            Running::Apache(broker) => broker.data_dir(0),
        }
    }

    /// Its processes.
    pub fn pids(&self) -> Vec<u32> {
        match self {
            Running::Holdfast(broker) => vec![broker.pid()],
            Running::HoldfastCluster(cluster) => cluster.pids(),
            Running::Apache(cluster) => cluster.pids(),
        }
    }
}

/// Produces to a topic of its own, reads it back if that is wanted, and deletes it.
pub fn round(
    bootstrap: &str,
    pids: &[u32],
    topic_name: &str,
    partitions: i32,
    configs: &[(String, String)],
    load: &ProduceLoad,
    read_back: bool,
) -> Result<Round, BenchError> {
    let topic = topic::create(bootstrap, topic_name, partitions, configs)?;
    let (produced, costs) = metered(pids, || produce::run(bootstrap, &topic, load))?;
    let consume = if read_back {
        let all = produced.records_in_all;
        let (consumed, costs) = metered(pids, || consume::run(bootstrap, &topic, all))?;
        Some(Summary::of_consume(&consumed, costs))
    } else {
        None
    };
    topic::delete(bootstrap, topic_name)?;
    Ok(Round {
        produce: Summary::of_produce(&produced, load.record_bytes, costs),
        consume,
    })
}

/// Runs something, and says what it cost the broker, what it put off included, and this process.
pub(crate) fn metered<T>(
    pids: &[u32],
    run: impl FnOnce() -> Result<T, BenchError>,
) -> Result<(T, Costs), BenchError> {
    let own = std::process::id();
    let here = Some(pids).filter(|pids| !pids.is_empty());
    let idle_share = here.map(process::share_of_cpu).transpose()?;
    let own_before = Usage::of(own)?;
    let before = here.map(process::usage_of_all).transpose()?;
    let result = run()?;
    let own_after = Usage::of(own)?;
    let broker = match before.zip(idle_share) {
        Some((before, idle_share)) => {
            process::wait_until_idle(pids, idle_share, IDLE_WAIT_MAX)?;
            Some((before, process::usage_of_all(pids)?))
        }
        None => None,
    };
    let costs = Costs {
        broker,
        client_cpu_seconds: own_after.cpu_seconds - own_before.cpu_seconds,
    };
    Ok((result, costs))
}

/// The middle of some numbers; of an even count, the lower of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// Ratios of the rounds of two targets that ran side by side: their median, the least and the greatest.
pub fn ratio(ours: &[f64], theirs: &[f64]) -> Option<(f64, f64, f64)> {
    let ratios: Vec<f64> = ours
        .iter()
        .zip(theirs)
        .map(|(ours, theirs)| ours / theirs)
        .collect();
    let least = ratios.iter().copied().min_by(f64::total_cmp)?;
    let greatest = ratios.iter().copied().max_by(f64::total_cmp)?;
    Some((median(&ratios)?, least, greatest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_spread() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[]), None);
        assert_eq!(
            ratio(&[1.0, 4.0, 3.0], &[2.0, 2.0, 2.0]),
            Some((1.5, 0.5, 2.0))
        );
    }
}
