//! Three brokers under faults, and a history of what was acknowledged: nothing of it is lost, doubled, or in another order.
//!
//! `HOLDFAST_FAULTS_SECONDS` says for how long (default 30), `HOLDFAST_FAULTS_SEED` repeats the choices of a run, though not its timing, and
//! `HOLDFAST_FAULTS_ONLY` is the name of the one fault that happens, or `two`: two at once, again and again.

mod check;
mod course;
mod ground;
mod happening;
mod loses;
mod mover;
mod network;
mod reader;
mod schedule;
mod state;
mod times;
mod verified;
mod writer;

use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use libtest_mimic::{Arguments, Failed, Trial};
use peer::{Cluster, HoldfastCluster, HoldfastConfig};

use ground::Ground;
use happening::Happened;
use loses::LOSSY;
use network::Network;

use tests_crash::number_from_env;

const TOPIC: &str = "history";
/// Has what was written to it before anything happened.
const IDLE_TOPIC: &str = "idle";
/// That of `holdfast-ctl verify`.
const VERIFIED_TOPIC: &str = "verified";
const TOPICS: [&str; 3] = [TOPIC, IDLE_TOPIC, VERIFIED_TOPIC];
const IDLE_RECORDS: i64 = 600;
const PARTITIONS: i32 = 6;
/// Of the writes that a producer gives up so many are named.
const FAILED_MAX: usize = 5;
const NODES: usize = 3;
/// How long it may take until writes succeed again, once all is well.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let mut ended = None;
    let without_network = ground::may_be_without("HOLDFAST_NO_NETNS", || match network::enter() {
        Ok(outside) => {
            ended = outside;
            None
        }
        Err(why) => Some(why),
    });
    if let Some(ended) = ended {
        return ended;
    }
    let without_network = match without_network {
        Ok(without_network) => without_network,
        Err(error) => {
            eprintln!("faults: {}", error.message().unwrap_or_default());
            return ExitCode::FAILURE;
        }
    };
    let mut trials = Vec::new();
    for (engine, run) in [("uring", 1), ("threads", 2)] {
        let trial = move || {
            let network = (!without_network).then(|| Network::make(run));
            faults(engine, network.transpose()?)
        };
        trials.push(Trial::test(format!("faults::{engine}"), trial));
    }
    for (lossy, run) in LOSSY.into_iter().zip(3..) {
        let trial = move || {
            let network = (!without_network).then(|| Network::make(run));
            loses::loses(lossy, network.transpose()?)
        };
        trials.push(Trial::test(format!("loses::{}", lossy.name), trial));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Of each broker.
fn config() -> HoldfastConfig {
    HoldfastConfig::default()
        .set("default.replication.factor", "3")
        .set("min.insync.replicas", "2")
        .set("journal.file.bytes", "67108864")
        // Of brokers whose clock is in the past.
        .set("log.message.timestamp.after.max.ms", "9223372036854775807")
}

fn faults(engine: &str, network: Option<Network>) -> Result<(), Failed> {
    let seconds = number_from_env("HOLDFAST_FAULTS_SECONDS").unwrap_or(30);
    let seed = number_from_env("HOLDFAST_FAULTS_SEED").unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| u64::from(since.subsec_nanos()))
    });
    eprintln!("faults: {engine}, {seconds} s from seed {seed}");
    let mut config = config().set("io.engine", engine);
    // Independently of whether disks are wiped.
    if seed % 4 >= 2 {
        config = config.bypassing();
    }
    // A replica that is alone is lost with its disk: a run has one or the other.
    let may_wipe = seed.is_multiple_of(2) || course::only().as_deref() == Some("wipe");
    let mut ground = Ground::find(network, may_wipe)?;
    let mut cluster = ground.start(&config)?;
    let name = match course::only() {
        Some(only) => format!("faults-{engine}-{}", only.replace(' ', "-")),
        None => format!("faults-{engine}"),
    };
    let outcome = run(&mut ground, &mut cluster, &name, seconds, seed);
    outcome.map_err(|error| {
        let message = error.message().unwrap_or_default();
        // Once more in the end, since who shows a long text cuts it anywhere.
        let reason = format!("seed {seed}: {message}");
        format!("{reason}\n{}\n{reason}", cluster.log_tail()).into()
    })
}

fn run(
    ground: &mut Ground,
    cluster: &mut HoldfastCluster,
    name: &str,
    seconds: u64,
    seed: u64,
) -> Result<(), Failed> {
    let bootstrap = cluster.bootstrap();
    writer::create_topics(&bootstrap)?;
    let course = course::take(ground, cluster, name, seconds, seed)?;
    counts_of(&course.happened, course.moves);
    for (lasted, what) in times::recoveries(&course.history, &course.happened)
        .iter()
        .take(3)
    {
        eprintln!("faults: {:.1} s: {what}", lasted.as_secs_f64());
    }
    for (lasted, what) in times::stalls(&course.history, &course.happened)
        .iter()
        .take(3)
    {
        eprintln!("faults: stalled {:.1} s: {what}", lasted.as_secs_f64());
    }
    let longest_wait = course.history.longest_wait.as_secs_f64();
    eprintln!("faults: longest wait {longest_wait:.1} s");
    let read = course.read;
    let idle = check::read_all(&bootstrap, IDLE_TOPIC)?;
    let verdicts = [
        (TOPIC, check::verdict(TOPIC, &course.history, &read)),
        (IDLE_TOPIC, check::verdict(IDLE_TOPIC, &course.idle, &idle)),
        (VERIFIED_TOPIC, course.verified.verdict),
    ];
    let mut anomalies = course.misread;
    for (topic, verdict) in &verdicts {
        let (sent, acknowledged) = (verdict.counts.sent, verdict.counts.acknowledged);
        eprintln!("faults: {topic}: {acknowledged} acknowledged of {sent} sent");
        anomalies.extend(check::anomalies(topic, verdict));
    }
    for (topic, history) in [(TOPIC, &course.history), (IDLE_TOPIC, &course.idle)] {
        let failed = history.failed.iter().take(FAILED_MAX);
        anomalies.extend(failed.map(|error| format!("failed, to {topic}: {error}")));
    }
    check::stop_all(cluster)?;
    let ends = [
        (TOPIC, check::ends(&read)),
        (IDLE_TOPIC, check::ends(&idle)),
        (VERIFIED_TOPIC, BTreeMap::new()),
    ];
    for (topic, ends) in ends {
        anomalies.extend(check::differing_replicas(cluster, topic, ends)?);
    }
    anomalies.extend(check::batches_of_doubled(cluster, TOPIC, &read)?);
    anomalies.extend(check::said_of_producers(cluster)?);
    match anomalies.is_empty() {
        true => Ok(()),
        false => Err(anomalies.join("\n").into()),
    }
}

fn counts_of(happened: &[Happened], moves: usize) {
    let mut counts = BTreeMap::new();
    for it in happened {
        *counts.entry(it.name()).or_insert(0) += 1;
    }
    eprintln!("faults: {counts:?}, {moves} partitions moved");
}
