//! How long writes stall when a broker of three is lost: Holdfast beside Apache Kafka, as three clients see it.
//!
//! `cargo bench -p benches --bench failover -- [--broker holdfast|apache]... [--client CLIENT]... [--fault FAULT]... [--rounds N]`
//!
//! A client writes 1,000 records of 100 bytes a second to one partition of three replicas, `min.insync.replicas=2`, `acks=all`. After some seconds a broker is killed, paused or
//! stopped. What counts is how long the slowest record took from when it was due to its acknowledgement. Every round has another broker, and all are well before it.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use client::{ClientError, Connection};
use peer::{ApacheKafka, ApacheKafkaConfig, Cluster, HoldfastCluster, HoldfastConfig, tool};
use rdkafka::{
    ClientConfig, ClientContext,
    producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer},
};
use rustix::process::{Pid, Signal, kill_process};

type Error = Box<dyn std::error::Error + Send + Sync>;

const NODES: usize = 3;
const TOPIC: &str = "failover";
const RATE: u32 = 1_000;
/// Seconds at the begin that do not count.
const WARM_SECONDS: u32 = 4;
/// Seconds from the begin until something happens.
const FAULT_SECONDS: u32 = 6;
/// A broker stands still for so long.
const PAUSE: Duration = Duration::from_secs(6);
/// No step takes longer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at something that no event tells of.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Parser)]
struct Options {
    /// Whose brokers.
    #[arg(long)]
    broker: Vec<Broker>,
    /// Which clients.
    #[arg(long)]
    client: Vec<Writer>,
    /// What happens.
    #[arg(long)]
    fault: Vec<Fault>,
    /// How often.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Broker {
    Holdfast,
    Apache,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Writer {
    /// With its defaults.
    Librdkafka,
    /// Apache Kafka's own, with its defaults.
    Java,
    /// With a least age of metadata of 100 ms.
    FranzGo,
    /// With its defaults: a least age of metadata of 5 s.
    FranzGoDefaults,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// SIGKILL to the leader, which is not the controller.
    KillLeader,
    /// SIGKILL to the controller, which leads nothing.
    KillController,
    /// SIGKILL to who is both.
    KillBoth,
    /// SIGSTOP to who is both, and SIGCONT 6 s later.
    PauseBoth,
    /// SIGTERM to the leader.
    StopLeader,
}

fn main() -> Result<(), Error> {
    let options = Options::parse();
    let brokers = or_all(options.broker);
    let clients = or_all(options.client);
    let faults = or_all(options.fault);
    println!(
        "broker   client           fault            stalls of {} rounds, ms",
        options.rounds
    );
    for broker in brokers {
        let mut nodes = Nodes::start(broker)?;
        nodes.connect()?.create_topic(TOPIC, 1)?;
        for client in &clients {
            for fault in &faults {
                let stalls = (0..options.rounds).map(|_| nodes.stall(*client, *fault));
                let mut stalls = stalls.collect::<Result<Vec<_>, _>>()?;
                stalls.sort_unstable();
                let median = stalls[stalls.len() / 2];
                let (broker, client, fault) = (name(broker), name(*client), name(*fault));
                println!("{broker:<8} {client:<16} {fault:<16} median {median}, all {stalls:?}");
            }
        }
    }
    Ok(())
}

fn or_all<T: ValueEnum + Clone>(chosen: Vec<T>) -> Vec<T> {
    match chosen.is_empty() {
        true => T::value_variants().to_vec(),
        false => chosen,
    }
}

fn name(value: impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |it| it.get_name().to_owned())
}

/// Three brokers of either kind.
enum Nodes {
    Holdfast(HoldfastCluster),
    Apache(ApacheKafka),
}

impl Nodes {
    fn start(broker: Broker) -> Result<Nodes, Error> {
        Ok(match broker {
            Broker::Holdfast => {
                let config = HoldfastConfig::default()
                    .set("default.replication.factor", "3")
                    .set("min.insync.replicas", "2");
                Nodes::Holdfast(HoldfastCluster::start(NODES, &config)?)
            }
            Broker::Apache => {
                let properties = [
                    ("default.replication.factor", "3"),
                    ("min.insync.replicas", "2"),
                ];
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

    /// To any of them; all are well.
    fn connect(&self) -> Result<Connection, ClientError> {
        let bootstrap = self.bootstrap();
        let address = bootstrap.split(',').next().unwrap_or_default();
        Connection::connect(address, "failover", PATIENCE)
    }

    fn pid(&mut self, at: usize) -> Result<Pid, Error> {
        let pid = match self {
            Nodes::Holdfast(cluster) => cluster.node(at).pid(),
            Nodes::Apache(cluster) => cluster.pid(at).ok_or("no process")?,
        };
        Ok(Pid::from_raw(i32::try_from(pid)?).ok_or("no process")?)
    }

    fn restart(&mut self, at: usize) -> Result<(), Error> {
        match self {
            Nodes::Holdfast(cluster) => cluster.node(at).restart()?,
            Nodes::Apache(cluster) => cluster.restart(at)?,
        }
        Ok(())
    }

    /// One round: how long the slowest record took.
    fn stall(&mut self, client: Writer, fault: Fault) -> Result<u64, Error> {
        let at = self.place(fault)?;
        // Apache Kafka takes up to 20 s.
        let after = match self {
            Nodes::Holdfast(_) => 10,
            Nodes::Apache(_) => 25,
        };
        let begin = Instant::now();
        let writing = Writing::start(client, &self.bootstrap(), FAULT_SECONDS + after)?;
        thread::sleep(
            Duration::from_secs(u64::from(FAULT_SECONDS)).saturating_sub(begin.elapsed()),
        );
        let pid = self.pid(at)?;
        match fault {
            Fault::KillLeader | Fault::KillController | Fault::KillBoth => {
                kill_process(pid, Signal::KILL)?;
            }
            Fault::PauseBoth => {
                kill_process(pid, Signal::STOP)?;
                thread::sleep(PAUSE);
                kill_process(pid, Signal::CONT)?;
            }
            Fault::StopLeader => kill_process(pid, Signal::TERM)?,
        }
        let stall = writing.end()?;
        if fault != Fault::PauseBoth {
            self.restart(at)?;
        }
        Ok(stall)
    }

    /// Waits until all is well, and has that broker lead that the fault needs to. Returns whom it is about, from 0.
    fn place(&mut self, fault: Fault) -> Result<usize, Error> {
        self.wait_in_sync()?;
        let controller = self.connect()?.quorum()?.leader;
        let other = controller % i32::try_from(NODES)? + 1;
        let (leader, about) = match fault {
            Fault::KillBoth | Fault::PauseBoth => (controller, controller),
            Fault::KillController => (other, controller),
            Fault::KillLeader | Fault::StopLeader => (other, other),
        };
        let mut replicas: Vec<i32> = (1..).take(NODES).collect();
        replicas.retain(|id| *id != leader);
        replicas.insert(0, leader);
        self.connect()?.reassign(TOPIC, 0, &replicas)?;
        await_that("the leader leads", || {
            let mut connection = self.connect()?;
            connection.elect_preferred_leaders()?;
            let metadata = connection.metadata(Some(&[TOPIC]))?;
            let partition = metadata.topics.first().and_then(|it| it.partitions.first());
            Ok(partition.is_some_and(|it| it.leader == Some(leader) && it.isr.len() == NODES))
        })?;
        Ok(usize::try_from(about - 1)?)
    }

    fn wait_in_sync(&self) -> Result<(), Error> {
        await_that("all replicas are in sync", || {
            let mut connection = self.connect()?;
            let in_sync = connection.in_sync(TOPIC)?;
            let is_caught_up = connection.quorum()?.is_caught_up();
            Ok(is_caught_up && in_sync == [NODES])
        })
    }
}

fn await_that(what: &str, is_so: impl Fn() -> Result<bool, ClientError>) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let outcome = is_so();
        if matches!(outcome, Ok(true)) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("not within {PATIENCE:?}: {what}; last: {outcome:?}").into());
        }
        thread::sleep(LOOK);
    }
}

/// A client that writes.
enum Writing {
    Program(Child, fn(&str) -> Option<u64>),
    Here(thread::JoinHandle<Result<u64, String>>),
}

impl Writing {
    fn start(client: Writer, bootstrap: &str, seconds: u32) -> Result<Writing, Error> {
        let spawn = |mut command: Command, read: fn(&str) -> Option<u64>| {
            let child = command.stdout(Stdio::piped()).spawn()?;
            Ok::<_, Error>(Writing::Program(child, read))
        };
        match client {
            Writer::Librdkafka => {
                let bootstrap = bootstrap.to_owned();
                let write = move || librdkafka(&bootstrap, seconds).map_err(|it| it.to_string());
                Ok(Writing::Here(thread::spawn(write)))
            }
            Writer::Java => spawn(java(bootstrap, seconds)?, longest_of_java),
            Writer::FranzGo => {
                let mut command = franz_go(bootstrap, seconds)?;
                command.args(["-metadata-min-age", "100ms"]);
                spawn(command, |line| line.trim().parse().ok())
            }
            Writer::FranzGoDefaults => spawn(franz_go(bootstrap, seconds)?, |line| {
                line.trim().parse().ok()
            }),
        }
    }

    /// Waits for its end: the longest wait of a record, in milliseconds.
    fn end(self) -> Result<u64, Error> {
        match self {
            Writing::Program(child, read) => {
                let output = child.wait_with_output()?;
                let text = String::from_utf8_lossy(&output.stdout);
                let longest = text.lines().rev().find_map(read);
                Ok(longest.ok_or_else(|| format!("{}: {text}", output.status))?)
            }
            Writing::Here(thread) => match thread.join() {
                Ok(longest) => Ok(longest?),
                Err(_) => Err("librdkafka's thread has panicked".into()),
            },
        }
    }
}

fn franz_go(bootstrap: &str, seconds: u32) -> Result<Command, Error> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clients/go");
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("steady");
    let mut go = Command::new("go");
    go.current_dir(sources)
        .args(["build", "-mod=readonly", "-o"]);
    let built = go.arg(&program).arg("./steady").status()?;
    if !built.success() {
        return Err(format!("go build: {built}").into());
    }
    let mut command = Command::new(program);
    command.args(["-brokers", bootstrap, "-topic", TOPIC]);
    command.args(["-rate", &RATE.to_string(), "-seconds", &seconds.to_string()]);
    command.args(["-warm", &WARM_SECONDS.to_string()]);
    Ok(command)
}

fn java(bootstrap: &str, seconds: u32) -> Result<Command, Error> {
    let mut command = tool("producer-perf")?;
    command.args(["--topic", TOPIC, "--bootstrap-server", bootstrap]);
    command.args(["--record-size", "100", "--throughput", &RATE.to_string()]);
    command.args(["--num-records", &(RATE * seconds).to_string()]);
    command.args(["--warmup-records", &(RATE * WARM_SECONDS).to_string()]);
    command.args(["--command-property", "acks=all"]);
    Ok(command)
}

/// Of the summary: `... 1.23 ms avg latency, 456.00 ms max latency, 1 ms 50th, ...`, without what came while it warmed up, which is last.
fn longest_of_java(line: &str) -> Option<u64> {
    let (before, _) = line.split_once(" ms max latency")?;
    let max: f64 = before.rsplit(' ').next()?.parse().ok()?;
    (line.contains("99.9th")).then_some(max.round() as u64)
}

struct Longest {
    counts_from: Instant,
    longest: Mutex<Duration>,
    failed: Mutex<Option<String>>,
}

#[derive(Clone)]
struct Notes(Arc<Longest>);

impl ClientContext for Notes {}

impl ProducerContext for Notes {
    type DeliveryOpaque = Box<Instant>;

    fn delivery(&self, result: &DeliveryResult<'_>, due: Box<Instant>) {
        if let Err((error, _)) = result {
            let mut failed = self.0.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.get_or_insert_with(|| error.to_string());
        }
        if *due > self.0.counts_from {
            let mut longest = self
                .0
                .longest
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *longest = longest.max(due.elapsed());
        }
    }
}

fn librdkafka(bootstrap: &str, seconds: u32) -> Result<u64, Error> {
    let begin = Instant::now();
    let notes = Notes(Arc::new(Longest {
        counts_from: begin + Duration::from_secs(u64::from(WARM_SECONDS)),
        longest: Mutex::default(),
        failed: Mutex::default(),
    }));
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config.set("enable.idempotence", "true");
    let producer: ThreadedProducer<Notes> = config.create_with_context(notes.clone())?;
    let value = [b'x'; 100];
    for number in 0..RATE * seconds {
        let due = begin + Duration::from_secs(1) * number / RATE;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let record = BaseRecord::<(), [u8], _>::with_opaque_to(TOPIC, Box::new(due));
        producer
            .send(record.payload(&value))
            .map_err(|(error, _)| error)?;
    }
    producer.flush(PATIENCE)?;
    let failed = notes
        .0
        .failed
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = failed.as_ref() {
        return Err(error.clone().into());
    }
    let longest = notes
        .0
        .longest
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    Ok(u64::try_from(longest.as_millis())?)
}
