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

use benches::{Broker, Error, NODES, Nodes};
use clap::{Parser, ValueEnum};
use client::ClientError;
use peer::{PeerError, await_that, tool};
use rdkafka::{
    ClientConfig, ClientContext,
    producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer},
};
use rustix::process::{Pid, Signal, kill_process};

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
enum Writer {
    /// With its defaults.
    Librdkafka,
    /// Apache Kafka's own, with its defaults.
    Java,
    /// With a least age of metadata of 100 ms.
    FranzGo,
    /// With its defaults: a least age of metadata of 5 s.
    FranzGoDefaults,
    /// With a least age of metadata of 100 ms, and no more than 1 s for an answer.
    FranzGoImpatient,
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
        let mut stage = Stage::new(broker)?;
        for client in &clients {
            for fault in &faults {
                let stalls = (0..options.rounds).map(|_| stage.stall(*client, *fault));
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

/// A topic on three brokers.
struct Stage(Nodes);

impl Stage {
    fn new(broker: Broker) -> Result<Stage, Error> {
        let nodes = Nodes::start(broker)?;
        nodes.connect(0)?.create_topic(TOPIC, 1)?;
        Ok(Stage(nodes))
    }

    fn pid(&self, at: usize) -> Result<Pid, Error> {
        let pid = i32::try_from(self.0.pids()[at])?;
        Ok(Pid::from_raw(pid).ok_or("no process")?)
    }

    /// One round: how long the slowest record took.
    fn stall(&mut self, client: Writer, fault: Fault) -> Result<u64, Error> {
        let at = self.place(fault)?;
        // Apache Kafka takes up to 20 s.
        let after = match &self.0 {
            Nodes::Holdfast(_) => 10,
            Nodes::Apache(_) => 25,
        };
        let begin = Instant::now();
        let writing = Writing::start(client, &self.0.bootstrap(), FAULT_SECONDS + after)?;
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
            self.0.restart(at)?;
        }
        Ok(stall)
    }

    /// Waits until all is well, and has that broker lead that the fault needs to. Returns whom it is about, from 0.
    fn place(&mut self, fault: Fault) -> Result<usize, Error> {
        self.wait_in_sync()?;
        let controller = self.0.connect(0)?.quorum()?.leader;
        let other = controller % i32::try_from(NODES)? + 1;
        let (leader, about) = match fault {
            Fault::KillBoth | Fault::PauseBoth => (controller, controller),
            Fault::KillController => (other, controller),
            Fault::KillLeader | Fault::StopLeader => (other, other),
        };
        let mut replicas: Vec<i32> = (1..).take(NODES).collect();
        replicas.retain(|id| *id != leader);
        replicas.insert(0, leader);
        self.0.connect(0)?.reassign(TOPIC, 0, &replicas)?;
        await_that("the leader leads", PATIENCE, || {
            let mut connection = self.0.connect(0)?;
            connection.elect_preferred_leaders()?;
            let metadata = connection.metadata(Some(&[TOPIC]))?;
            let partition = metadata.topics.first().and_then(|it| it.partitions.first());
            Ok::<_, ClientError>(
                partition.is_some_and(|it| it.leader == Some(leader) && it.isr.len() == NODES),
            )
        })?;
        Ok(usize::try_from(about - 1)?)
    }

    fn wait_in_sync(&self) -> Result<(), PeerError> {
        await_that("all replicas are in sync", PATIENCE, || {
            let mut connection = self.0.connect(0)?;
            let in_sync = connection.in_sync(TOPIC)?;
            let is_caught_up = connection.quorum()?.is_caught_up();
            Ok::<_, ClientError>(is_caught_up && in_sync == [NODES])
        })
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
            Writer::FranzGoImpatient => {
                let mut command = franz_go(bootstrap, seconds)?;
                command.args(["-metadata-min-age", "100ms", "-timeout", "1s"]);
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
