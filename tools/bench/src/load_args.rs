//! A workload in flags: what is not given is as a file says, or as it is by default.

use std::path::PathBuf;
use std::time::Duration;

use bench::BenchError;
use bench::fault::{Fault, FaultKind};
use bench::workload::keys::Keys;
use bench::workload::omb::Omb;
use bench::workload::quantity::{Rate, Size, Span};
use bench::workload::sweep::{Axis, Sweep, Swept};
use bench::workload::{Acks, ArrivalPattern, Client, Compression, Workload};
use clap::Args;

/// The load.
#[derive(Args, Clone)]
pub struct LoadArgs {
    /// A workload in YAML; flags override what it says
    #[arg(long)]
    workload: Option<PathBuf>,
    /// A workload of the OpenMessaging Benchmark; flags override what it says
    #[arg(long, requires = "omb_driver", conflicts_with = "workload")]
    omb_workload: Option<PathBuf>,
    /// Its driver file, which is one for Kafka
    #[arg(long, requires = "omb_workload")]
    omb_driver: Option<PathBuf>,
    /// Runs with each of some values, NAME=VALUE,VALUE...; may be repeated, and is then a run of each combination. Names are rate, size,
    /// partitions, producers, consumer-groups, batch-records, acks, compression, keys, topics and window
    #[arg(long = "sweep")]
    sweep: Vec<Axis>,
    /// What the run is called in its results
    #[arg(long)]
    name: Option<String>,
    /// Topics, which are made for the run [default: 1]
    #[arg(long)]
    topics: Option<usize>,
    /// Partitions of each topic [default: 6]
    #[arg(long)]
    partitions: Option<i32>,
    /// Replicas of a partition [default: as the cluster has it]
    #[arg(long)]
    replication_factor: Option<i16>,
    /// A setting of the topics, NAME=VALUE; may be repeated
    #[arg(long = "topic-config", value_parser = pair)]
    topic_configs: Vec<(String, String)>,
    /// Records per second of all producers together, whatever the answers do (2000, 50k); 0 is as fast as answers come [default: 0]
    #[arg(long)]
    rate: Option<Rate>,
    /// How requests arrive at a rate [default: fixed]
    #[arg(long)]
    arrivals: Option<ArrivalPattern>,
    /// With bursts: requests of a connection that are due at once [default: 100]
    #[arg(long)]
    burst: Option<u32>,
    /// Bytes of a record's value (100, 1KiB) [default: 1KiB]
    #[arg(long)]
    size: Option<Size>,
    /// Records of a batch; a request is one batch [default: 1]
    #[arg(long)]
    batch_records: Option<usize>,
    /// How batches are compressed [default: none]
    #[arg(long)]
    compression: Option<Compression>,
    /// The part of a value that is random, and that no codec makes smaller, from 0 to 1 [default: 1]
    #[arg(long)]
    random_share: Option<f64>,
    /// Keys: none, uniform:KEYS, or zipf:KEYS[:EXPONENT] [default: none]
    #[arg(long)]
    keys: Option<Keys>,
    /// Acknowledgements: all, or 1 [default: all]
    #[arg(long)]
    acks: Option<Acks>,
    /// Producers, each with a connection to every broker [default: 2]
    #[arg(long)]
    producers: Option<usize>,
    /// Requests of a connection without an answer, at most [default: 64]
    #[arg(long)]
    window: Option<usize>,
    /// Groups of consumers, each of which reads everything while it is written [default: 0]
    #[arg(long)]
    consumer_groups: Option<usize>,
    /// Bytes that are there before consumers begin [default: 0]
    #[arg(long)]
    backlog: Option<Size>,
    /// Reads everything back afterwards
    #[arg(long)]
    read_back: bool,
    /// Not measured, at the begin [default: 5s]
    #[arg(long)]
    warm_up: Option<Span>,
    /// How long is measured, at least [default: 20s]
    #[arg(long)]
    duration: Option<Span>,
    /// Goes on until so many bytes of values are written (6.5GB) [default: 0]
    #[arg(long)]
    bytes: Option<Size>,
    /// At a rate that is not kept: for how long what was due is still sent when the load is over; what is left counts as having waited until then [default: 30s]
    #[arg(long)]
    drain_max: Option<Span>,
    /// Who speaks with the cluster [default: native]
    #[arg(long)]
    client: Option<Client>,
    /// With librdkafka: how long a record waits for others in its batch [default: 5ms]
    #[arg(long)]
    linger: Option<Span>,
    /// With librdkafka: bytes of a batch, at most [default: 1MB]
    #[arg(long)]
    batch_bytes: Option<Size>,
    /// A setting of librdkafka, NAME=VALUE; may be repeated
    #[arg(long = "client-config", value_parser = pair)]
    client_configs: Vec<(String, String)>,
    /// Something that happens meanwhile to the broker that leads the first partition, or to the first of --pid; the client is librdkafka then, with one group of
    /// consumers if there would be none
    #[arg(long)]
    fault: Option<FaultKind>,
    /// When, from the end of the warm-up on [default: 5s]
    #[arg(long, requires = "fault")]
    fault_at: Option<Span>,
    /// Until the broker goes on, or is started again [default: 5s]
    #[arg(long, requires = "fault")]
    fault_for: Option<Span>,
    /// Of arrivals, keys and values [default: 1]
    #[arg(long)]
    seed: Option<u64>,
}

/// What flags and files say.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// One, or those of a sweep.
    pub workloads: Vec<Workload>,
    /// Where an OMB driver finds the cluster.
    pub bootstrap: Option<String>,
    /// What of OMB's files is done in another way, or not at all.
    pub notes: Vec<String>,
}

/// `NAME=VALUE`.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

impl LoadArgs {
    /// What is run: a workload, or those of a sweep, each of which can be run.
    pub fn load(&self) -> Result<Load, BenchError> {
        let files = self.omb_workload.as_deref().zip(self.omb_driver.as_deref());
        let omb = files.map(|(workload, driver)| Omb::read(workload, driver));
        let omb = omb.transpose()?;
        let file = self.workload.as_deref().map(Workload::read).transpose()?;
        let mut base = match &omb {
            Some(omb) => omb.workload.clone(),
            None => file.unwrap_or_default(),
        };
        base.sweep = self.sweep_over(std::mem::take(&mut base.sweep))?;
        self.override_in(&mut base);
        let workloads = base.points(|workload| {
            if let Some(omb) = &omb {
                omb.producer.apply(workload);
                set(&mut workload.batch_records, self.batch_records);
                set(&mut workload.window, self.window);
            }
        })?;
        let mut load = Load {
            workloads,
            ..Load::default()
        };
        if let Some(omb) = omb {
            load.notes = omb.notes;
            load.bootstrap = omb.bootstrap;
            let notes = load.workloads.iter();
            let notes: Vec<String> = notes.map(|it| omb.producer.note(it)).collect();
            // Those of a sweep differ, or do not.
            for note in notes {
                if !load.notes.contains(&note) {
                    load.notes.push(note);
                }
            }
        }
        Ok(load)
    }

    /// A file's sweep, as flags leave it.
    fn sweep_over(&self, file: Sweep) -> Result<Sweep, BenchError> {
        let given = self.given();
        let both = self.sweep.iter().find(|axis| given.contains(&axis.field));
        if let Some(Axis { field, .. }) = both {
            return Err(BenchError::Workload {
                what: format!("{field} has a value, and is swept"),
            });
        }
        file.overridden_by(&self.sweep, &given)
    }

    /// Fields with a flag of their own.
    fn given(&self) -> Vec<Swept> {
        let fields = [
            (Swept::Rate, self.rate.is_some()),
            (Swept::Size, self.size.is_some()),
            (Swept::Partitions, self.partitions.is_some()),
            (Swept::Producers, self.producers.is_some()),
            (Swept::ConsumerGroups, self.consumer_groups.is_some()),
            (Swept::BatchRecords, self.batch_records.is_some()),
            (Swept::Acks, self.acks.is_some()),
            (Swept::Compression, self.compression.is_some()),
            (Swept::Keys, self.keys.is_some()),
            (Swept::Topics, self.topics.is_some()),
            (Swept::Window, self.window.is_some()),
        ];
        let given = fields.into_iter().filter(|(_, is_given)| *is_given);
        given.map(|(field, _)| field).collect()
    }

    fn override_in(&self, workload: &mut Workload) {
        let given = self.clone();
        set(&mut workload.name, given.name);
        set(&mut workload.topics, given.topics);
        set(&mut workload.partitions, given.partitions);
        workload.replication_factor = given.replication_factor.or(workload.replication_factor);
        workload.topic_configs.extend(given.topic_configs);
        set(&mut workload.rate, given.rate);
        set(&mut workload.arrivals, given.arrivals);
        set(&mut workload.burst, given.burst);
        set(&mut workload.size, given.size);
        set(&mut workload.batch_records, given.batch_records);
        set(&mut workload.compression, given.compression);
        set(&mut workload.random_share, given.random_share);
        set(&mut workload.keys, given.keys);
        set(&mut workload.acks, given.acks);
        set(&mut workload.producers, given.producers);
        set(&mut workload.window, given.window);
        set(&mut workload.consumer_groups, given.consumer_groups);
        set(&mut workload.backlog, given.backlog);
        workload.read_back |= given.read_back;
        set(&mut workload.warm_up, given.warm_up);
        set(&mut workload.duration, given.duration);
        set(&mut workload.bytes, given.bytes);
        set(&mut workload.drain_max, given.drain_max);
        set(&mut workload.client, given.client);
        set(&mut workload.linger, given.linger);
        set(&mut workload.batch_bytes, given.batch_bytes);
        workload.client_configs.extend(given.client_configs);
        set(&mut workload.seed, given.seed);
        if let Some(kind) = given.fault {
            let five_seconds = Span(Duration::from_secs(5));
            workload.fault = Some(Fault {
                kind,
                at: given.fault_at.unwrap_or(five_seconds),
                lasts: given.fault_for.unwrap_or(five_seconds),
            });
            workload.client = given.client.unwrap_or(Client::Librdkafka);
            workload.consumer_groups = workload.consumer_groups.max(1);
        }
    }
}

fn set<T>(value: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *value = given;
    }
}

#[cfg(test)]
mod tests;
