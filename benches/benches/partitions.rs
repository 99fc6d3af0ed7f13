//! A cluster of three with many partitions: how long until it serves them all after a restart of everything, and after one broker is lost; and what it takes of the machine.
//!
//! `cargo bench -p benches --bench partitions -- [--broker holdfast|apache] [--partitions N] [--rounds N]`
//!
//! Every partition has three replicas, `min.insync.replicas=2`, and a record.

use std::{
    collections::BTreeSet,
    fs, thread,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use client::{ClientError, Connection};
use peer::{ApacheKafka, ApacheKafkaConfig, Cluster, HoldfastCluster, HoldfastConfig};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};

type Error = Box<dyn std::error::Error + Send + Sync>;

const NODES: usize = 3;
/// One request makes no more.
const TOPIC_PARTITIONS_MAX: i32 = 1_000;
/// No step takes longer.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks at something that no event tells of.
const LOOK: Duration = Duration::from_millis(20);

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

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Broker {
    Holdfast,
    Apache,
}

fn main() -> Result<(), Error> {
    let options = Options::parse();
    let mut nodes = Nodes::start(options.broker)?;
    let begin = Instant::now();
    let topics = nodes.make_topics(options.partitions)?;
    nodes.wait_in_sync(&topics)?;
    println!("{} partitions made: {}", options.partitions, since(begin));
    let begin = Instant::now();
    write_all(&nodes.bootstrap(), &topics)?;
    println!("a record in each: {}", since(begin));
    println!("{}", nodes.usage()?);
    for _ in 0..options.rounds {
        nodes.stop_all()?;
        let begin = Instant::now();
        nodes.launch_all()?;
        nodes.wait_led(&[0, 1, 2], &topics)?;
        let led = since(begin);
        write_all(&nodes.bootstrap(), &topics[..1])?;
        let written = since(begin);
        nodes.wait_in_sync(&topics)?;
        let in_sync = since(begin);
        println!(
            "all restarted: all led {led}, written to {written}, all in sync {in_sync}; {}",
            nodes.usage()?
        );
    }
    for round in 0..options.rounds {
        let killed = round % NODES;
        let others: Vec<usize> = (0..NODES).filter(|at| *at != killed).collect();
        let begin = Instant::now();
        nodes.kill(killed);
        nodes.wait_led_without(&others, &topics, killed)?;
        println!(
            "broker {} killed: all led by others {}",
            killed + 1,
            since(begin)
        );
        nodes.restart(killed)?;
        nodes.wait_in_sync(&topics)?;
        // So that there is something to take over.
        nodes.connect(killed)?.elect_preferred_leaders()?;
    }
    println!("{}", nodes.usage()?);
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

/// Three brokers of either kind.
enum Nodes {
    Holdfast(HoldfastCluster),
    Apache(ApacheKafka),
}

impl Nodes {
    fn start(broker: Broker) -> Result<Nodes, Error> {
        let properties = [
            ("default.replication.factor", "3"),
            ("min.insync.replicas", "2"),
        ];
        Ok(match broker {
            Broker::Holdfast => {
                let config = properties
                    .iter()
                    .fold(HoldfastConfig::default(), |config, (name, value)| {
                        config.set(name, value)
                    });
                Nodes::Holdfast(HoldfastCluster::start(NODES, &config)?)
            }
            Broker::Apache => {
                let properties =
                    properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
                Nodes::Apache(ApacheKafka::start(ApacheKafkaConfig {
                    brokers: NODES,
                    properties: properties.to_vec(),
                    ..ApacheKafkaConfig::default()
                })?)
            }
        })
    }

    fn bootstrap(&self) -> String {
        match self {
            Nodes::Holdfast(cluster) => cluster.bootstrap(),
            Nodes::Apache(cluster) => cluster.bootstrap(),
        }
    }

    fn connect(&self, at: usize) -> Result<Connection, ClientError> {
        let bootstrap = self.bootstrap();
        let address = bootstrap.split(',').nth(at).unwrap_or_default();
        Connection::connect(address, "partitions", PATIENCE)
    }

    fn make_topics(&self, partitions: i32) -> Result<Vec<(String, i32)>, Error> {
        let mut topics = Vec::new();
        let mut left = partitions;
        while left > 0 {
            let some = left.min(TOPIC_PARTITIONS_MAX);
            let name = format!("many-{}", topics.len());
            self.connect(0)?.create_topic(&name, some)?;
            topics.push((name, some));
            left -= some;
        }
        Ok(topics)
    }

    /// How many partitions of these a broker knows that satisfy a condition on leader and ISR.
    fn count(
        &self,
        at: usize,
        topics: &[(String, i32)],
        is_so: impl Fn(Option<i32>, &[i32]) -> bool,
    ) -> Result<usize, ClientError> {
        let names: Vec<&str> = topics.iter().map(|(name, _)| name.as_str()).collect();
        let metadata = self.connect(at)?.metadata(Some(&names))?;
        let partitions = metadata.topics.iter().flat_map(|it| &it.partitions);
        Ok(partitions.filter(|it| is_so(it.leader, &it.isr)).count())
    }

    fn wait(
        &self,
        what: &str,
        asked: &[usize],
        topics: &[(String, i32)],
        is_so: impl Fn(Option<i32>, &[i32]) -> bool,
    ) -> Result<(), Error> {
        let all: i32 = topics.iter().map(|(_, partitions)| partitions).sum();
        let all = usize::try_from(all)?;
        let deadline = Instant::now() + PATIENCE;
        for at in asked {
            loop {
                let count = self.count(*at, topics, &is_so);
                if matches!(count, Ok(count) if count == all) {
                    break;
                }
                if Instant::now() > deadline {
                    return Err(format!("{what}: {count:?} of {all} after {PATIENCE:?}").into());
                }
                thread::sleep(LOOK);
            }
        }
        Ok(())
    }

    fn wait_led(&self, asked: &[usize], topics: &[(String, i32)]) -> Result<(), Error> {
        self.wait("led", asked, topics, |leader, _| leader.is_some())
    }

    fn wait_led_without(
        &self,
        asked: &[usize],
        topics: &[(String, i32)],
        killed: usize,
    ) -> Result<(), Error> {
        let killed = i32::try_from(killed)? + 1;
        self.wait("led by others", asked, topics, |leader, _| {
            leader.is_some_and(|leader| leader != killed)
        })
    }

    fn wait_in_sync(&self, topics: &[(String, i32)]) -> Result<(), Error> {
        self.wait("in sync", &[0, 1, 2], topics, |leader, isr| {
            leader.is_some() && isr.iter().collect::<BTreeSet<_>>().len() == NODES
        })
    }

    fn stop_all(&mut self) -> Result<(), Error> {
        for at in 0..NODES {
            match self {
                Nodes::Holdfast(cluster) => drop(cluster.node(at).stop()?),
                Nodes::Apache(cluster) => cluster.stop(at)?,
            }
        }
        Ok(())
    }

    /// All of them at once.
    fn launch_all(&mut self) -> Result<(), Error> {
        match self {
            Nodes::Holdfast(cluster) => {
                for at in 0..NODES {
                    cluster.node(at).relaunch()?;
                }
            }
            Nodes::Apache(cluster) => cluster.launch_all()?,
        }
        Ok(())
    }

    fn kill(&mut self, at: usize) {
        match self {
            Nodes::Holdfast(cluster) => cluster.node(at).kill9(),
            Nodes::Apache(cluster) => cluster.kill9(at),
        }
    }

    fn restart(&mut self, at: usize) -> Result<(), Error> {
        match self {
            Nodes::Holdfast(cluster) => cluster.node(at).restart()?,
            Nodes::Apache(cluster) => cluster.restart(at)?,
        }
        Ok(())
    }

    /// Memory and open files of all brokers.
    fn usage(&self) -> Result<String, Error> {
        let pids = match self {
            Nodes::Holdfast(cluster) => cluster.pids(),
            Nodes::Apache(cluster) => cluster.pids(),
        };
        let mut text = "memory now and at most, MB, and open files of each:".to_owned();
        for pid in pids {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            let megabytes = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
                kilobytes.unwrap_or(0u64) / 1_000
            };
            let files = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
            let (now, most) = (megabytes("VmRSS:"), megabytes("VmHWM:"));
            text.push_str(&format!(" {now}/{most}/{files}"));
        }
        Ok(text)
    }
}
