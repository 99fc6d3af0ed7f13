//! A cluster of three with many partitions: how long until it serves them all after a restart of everything, and after one broker is lost; and what it takes of the machine.
//!
//! `cargo bench -p benches --bench partitions -- [--broker holdfast|apache] [--partitions N] [--rounds N]`
//!
//! Every partition has three replicas, `min.insync.replicas=2`, and a record.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    time::{Duration, Instant},
};

use benches::{Broker, Error, NODES, Nodes};
use clap::Parser;
use client::ClientError;
use peer::await_that;
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};

/// One request makes no more.
const TOPIC_PARTITIONS_MAX: i32 = 1_000;
/// No step takes longer.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Parser)]
struct Options {
    /// Whose brokers.
    #[arg(long, default_value = "holdfast")]
    broker: Broker,
    /// How many.
    #[arg(long, default_value_t = 10_000)]
    partitions: i32,
    /// How often all are restarted, and one is killed.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<(), Error> {
    let options = Options::parse();
    let begin = Instant::now();
    let mut stage = Stage::new(options.broker, options.partitions)?;
    println!("{} partitions made: {}", options.partitions, since(begin));
    let begin = Instant::now();
    write_all(&stage.nodes.bootstrap(), &stage.topics)?;
    println!("a record in each: {}", since(begin));
    println!("{}", stage.usage()?);
    for _ in 0..options.rounds {
        stage.restart_all()?;
    }
    for round in 0..options.rounds {
        stage.kill(round % NODES)?;
    }
    println!("{}", stage.usage()?);
    Ok(())
}

fn since(begin: Instant) -> String {
    format!("{:.2} s", begin.elapsed().as_secs_f64())
}

/// A record to every partition.
fn write_all(bootstrap: &str, topics: &[(String, i32)]) -> Result<(), Error> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    let producer: BaseProducer = config.create()?;
    for (topic, partitions) in topics {
        for partition in 0..*partitions {
            let record = BaseRecord::<(), str>::to(topic).partition(partition);
            producer
                .send(record.payload("a record"))
                .map_err(|(error, _)| error)?;
        }
    }
    producer.flush(PATIENCE)?;
    match producer.in_flight_count() {
        0 => Ok(()),
        left => Err(format!("{left} records are not written").into()),
    }
}

/// Topics on three brokers.
struct Stage {
    nodes: Nodes,
    /// Each with how many partitions.
    topics: Vec<(String, i32)>,
}

impl Stage {
    fn new(broker: Broker, partitions: i32) -> Result<Stage, Error> {
        let nodes = Nodes::start(broker)?;
        let mut topics = Vec::new();
        let mut left = partitions;
        while left > 0 {
            let some = left.min(TOPIC_PARTITIONS_MAX);
            let name = format!("many-{}", topics.len());
            nodes.connect(0)?.create_topic(&name, some)?;
            topics.push((name, some));
            left -= some;
        }
        let stage = Stage { nodes, topics };
        stage.wait_in_sync()?;
        Ok(stage)
    }

    fn restart_all(&mut self) -> Result<(), Error> {
        self.nodes.stop_all()?;
        let begin = Instant::now();
        self.nodes.launch_all()?;
        self.wait("all are led", &[0, 1, 2], |leader, _| leader.is_some())?;
        let led = since(begin);
        write_all(&self.nodes.bootstrap(), &self.topics[..1])?;
        let written = since(begin);
        self.wait_in_sync()?;
        let (in_sync, usage) = (since(begin), self.usage()?);
        println!(
            "all restarted: all led {led}, written to {written}, all in sync {in_sync}; {usage}"
        );
        Ok(())
    }

    /// One of them, from 0, for as long as it takes others to lead what it led.
    fn kill(&mut self, at: usize) -> Result<(), Error> {
        let others: Vec<usize> = (0..NODES).filter(|other| *other != at).collect();
        let killed = i32::try_from(at)? + 1;
        let begin = Instant::now();
        self.nodes.kill(at);
        self.wait("all are led by others", &others, |leader, _| {
            leader.is_some_and(|leader| leader != killed)
        })?;
        let took = since(begin);
        println!("broker {killed} killed: all led by others {took}");
        self.nodes.restart(at)?;
        self.wait_in_sync()?;
        // So that there is something to take over.
        self.nodes.connect(at)?.elect_preferred_leaders()?;
        Ok(())
    }

    /// Until every partition is so, by its leader and ISR, as each of some brokers knows it.
    fn wait(
        &self,
        what: &'static str,
        asked: &[usize],
        is_so: impl Fn(Option<i32>, &[i32]) -> bool,
    ) -> Result<(), Error> {
        let names: Vec<&str> = self.topics.iter().map(|(name, _)| name.as_str()).collect();
        let all: i32 = self.topics.iter().map(|(_, partitions)| partitions).sum();
        let all = usize::try_from(all)?;
        for at in asked {
            await_that(what, PATIENCE, || {
                let metadata = self.nodes.connect(*at)?.metadata(Some(&names))?;
                let partitions = metadata.topics.iter().flat_map(|it| &it.partitions);
                let count = partitions.filter(|it| is_so(it.leader, &it.isr)).count();
                Ok::<_, ClientError>(count == all)
            })?;
        }
        Ok(())
    }

    fn wait_in_sync(&self) -> Result<(), Error> {
        self.wait("all are in sync", &[0, 1, 2], |leader, isr| {
            leader.is_some() && isr.iter().collect::<BTreeSet<_>>().len() == NODES
        })
    }

    /// Memory and open files of all brokers.
    fn usage(&self) -> Result<String, Error> {
        let mut text = "memory now and at most, MB, and open files of each:".to_owned();
        for pid in self.nodes.pids() {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            let megabytes = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
                kilobytes.unwrap_or(0u64) / 1_000
            };
            let files = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
            let (now, most) = (megabytes("VmRSS:"), megabytes("VmHWM:"));
            write!(text, " {now}/{most}/{files}")?;
        }
        Ok(text)
    }
}
