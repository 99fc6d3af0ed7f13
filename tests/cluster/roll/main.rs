//! Brokers that are asked to hand over before they are stopped: all three at once, again and again, under constant load.

use std::{
    process::ExitCode,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use client::{ClientError, Connection};
use ctl::admin::{self, Answer};
use libtest_mimic::{Arguments, Failed, Trial};
use peer::{Cluster, HoldfastCluster, HoldfastConfig, await_that};
use rdkafka::{
    ClientConfig,
    producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer},
};

const TOPIC: &str = "rolled";
const NODES: usize = 3;
const PARTITIONS: usize = 12;
const ROUNDS: usize = 3;
/// No step takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two records.
const PACE: Duration = Duration::from_millis(1);
/// Between two looks at who is in sync.
const LOOK: Duration = Duration::from_millis(5);
/// `min.insync.replicas` of three.
const ENOUGH: usize = 2;

fn main() -> ExitCode {
    let trials = vec![
        Trial::test("roll::no_partition_falls_below_min_isr", all_at_once),
        Trial::test("roll::who_is_not_stopped_takes_part_again", not_stopped),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// What became of the records.
#[derive(Default)]
struct Told {
    acknowledged: u64,
    failed: Vec<String>,
    /// The longest time between two acknowledgements.
    longest: Duration,
    last: Option<Instant>,
}

#[derive(Default)]
struct Listener(Mutex<Told>);

impl Listener {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().expect("nobody panics with it")
    }
}

impl rdkafka::ClientContext for Listener {}

impl ProducerContext for Listener {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let mut told = self.told();
        match result {
            Ok(_) => told.acknowledged += 1,
            Err((error, _)) => told.failed.push(error.to_string()),
        }
        let now = Instant::now();
        if let Some(last) = told.last.replace(now) {
            told.longest = told.longest.max(now - last);
        }
    }
}

fn all_at_once() -> Result<(), Failed> {
    let mut cluster = started()?;
    let outcome = roll(&mut cluster);
    outcome.map_err(|error| told(&error, &cluster))
}

fn started() -> Result<HoldfastCluster, Failed> {
    let cluster = HoldfastCluster::start(NODES, &HoldfastConfig::default())?;
    let address = cluster.bootstrap();
    let address = address.split(',').next().unwrap_or_default();
    connect(address)?.create_topic(TOPIC, i32::try_from(PARTITIONS)?)?;
    await_in_sync(address)?;
    Ok(cluster)
}

fn told(error: &Failed, cluster: &HoldfastCluster) -> Failed {
    let message = error.message().unwrap_or_default();
    format!("{message}\n{}", cluster.log_tail()).into()
}

fn roll(cluster: &mut HoldfastCluster) -> Result<(), Failed> {
    let addresses: Vec<String> = cluster.bootstrap().split(',').map(str::to_owned).collect();
    let producer: ThreadedProducer<Listener> = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap())
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        .set("topic.metadata.refresh.interval.ms", "500")
        .create_with_context(Listener::default())?;
    let is_over = AtomicBool::new(false);
    let rolled = thread::scope(|scope| {
        let writing = scope.spawn(|| write(&producer, &is_over));
        let looking = scope.spawn(|| least_in_sync(&addresses, &is_over));
        let rolled = (0..ROUNDS).try_for_each(|_| round(cluster));
        is_over.store(true, Ordering::Relaxed);
        let sent = writing.join().map_err(|_| "the writer failed")?;
        let least = looking.join().map_err(|_| "who looks failed")?;
        rolled?;
        Ok::<_, Failed>((sent, least))
    });
    let (sent, least) = rolled?;
    producer.flush(PATIENCE)?;
    let told = producer.context().told();
    let (acknowledged, longest) = (told.acknowledged, told.longest);
    println!("roll: {acknowledged} acknowledged, longest {longest:?} between two of them");
    if acknowledged != sent || !told.failed.is_empty() {
        let failed = &told.failed;
        return Err(format!("{sent} sent, {acknowledged} acknowledged, {failed:?}").into());
    }
    if least < ENOUGH {
        return Err(format!("a partition had {least} replicas in sync").into());
    }
    Ok(())
}

/// All are asked at once, and each is stopped and started as soon as it may be.
fn round(cluster: &mut HoldfastCluster) -> Result<(), Failed> {
    let since = Instant::now();
    let order = thread::scope(|scope| {
        let (say, order) = std::sync::mpsc::channel();
        for node in 0..NODES {
            let (say, admin) = (say.clone(), cluster.node(node).admin());
            scope.spawn(move || say.send((node, admin::hand_over(&admin, Some(PATIENCE)))));
        }
        drop(say);
        let mut stopped = Vec::new();
        for (node, answer) in order {
            match answer.map_err(|error| error.to_string())? {
                Answer::Yes => {}
                Answer::No(why) => return Err(format!("node {node} is kept: {why}").into()),
            }
            cluster.node(node).stop()?;
            let said = cluster.node(node).stderr()?;
            if let Some(error) = said.lines().find(|line| line.contains("ERROR")) {
                return Err(format!("node {node} is stopped, and has said: {error}").into());
            }
            cluster.node(node).restart()?;
            stopped.push(node);
        }
        Ok::<_, Failed>(stopped)
    })?;
    println!("roll: {order:?} in {:?}", since.elapsed());
    if order.len() != NODES {
        return Err(format!("only {order:?} were stopped").into());
    }
    Ok(())
}

fn write(producer: &ThreadedProducer<Listener>, is_over: &AtomicBool) -> u64 {
    let mut sent = 0;
    while !is_over.load(Ordering::Relaxed) {
        let value = sent.to_string();
        let record = BaseRecord::<(), str>::to(TOPIC).payload(&value);
        // A full queue is a broker that does not answer, which the longest wait tells.
        sent += u64::from(producer.send(record).is_ok());
        thread::sleep(PACE);
    }
    sent
}

/// The fewest replicas in sync that any broker told of.
fn least_in_sync(addresses: &[String], is_over: &AtomicBool) -> usize {
    let mut least = NODES;
    while !is_over.load(Ordering::Relaxed) {
        for address in addresses {
            let told = connect(address).and_then(|mut it| it.in_sync(TOPIC));
            // It is stopped.
            let told = told.unwrap_or_default();
            least = told.into_iter().fold(least, usize::min);
        }
        thread::sleep(LOOK);
    }
    least
}

/// One hands over, and nobody stops it: after half a minute it is as before. Meanwhile another one may not go.
fn not_stopped() -> Result<(), Failed> {
    let mut cluster = started()?;
    let outcome = hand_over_and_stay(&mut cluster);
    outcome.map_err(|error| told(&error, &cluster))
}

fn hand_over_and_stay(cluster: &mut HoldfastCluster) -> Result<(), Failed> {
    let (first, second) = (cluster.node(0).admin(), cluster.node(1).admin());
    let address = cluster.node(1).bootstrap();
    if admin::hand_over(&first, Some(PATIENCE))? != Answer::Yes {
        return Err("all are in sync, and it is kept".into());
    }
    if admin::hand_over(&first, Some(PATIENCE))? != Answer::Yes {
        return Err("asked again, it says something else".into());
    }
    // The others hear of it in their own time.
    await_that("the others are in sync without it", PATIENCE, || {
        let told = connect(&address)?.in_sync(TOPIC)?;
        Ok::<_, ClientError>(told.into_iter().min() == Some(NODES - 1))
    })?;
    match admin::hand_over(&second, Some(Duration::from_secs(1)))? {
        Answer::No(_) => {}
        Answer::Yes => return Err("two of three were let go".into()),
    }
    await_in_sync(&address)?;
    if admin::hand_over(&second, Some(PATIENCE))? != Answer::Yes {
        return Err("all are in sync again, and it is kept".into());
    }
    Ok(())
}

fn await_in_sync(address: &str) -> Result<(), Failed> {
    await_that("all are in sync", PATIENCE, || {
        let told = connect(address)?.in_sync(TOPIC)?;
        Ok::<_, ClientError>(told == [NODES; PARTITIONS])
    })?;
    Ok(())
}

fn connect(address: &str) -> Result<Connection, ClientError> {
    Connection::connect(address, "roll", PATIENCE)
}
