//! Three brokers under faults, and a history of what was acknowledged: nothing of it is lost, doubled, or in another order.
//!
//! `HOLDFAST_FAULTS_SECONDS` says for how long (default 30), `HOLDFAST_FAULTS_SEED` repeats the choices of a run, though not its timing, and
//! `HOLDFAST_FAULTS_ONLY` is the name of the one fault that happens.

mod check;
mod schedule;
mod writer;

use std::{
    env,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant, SystemTime},
};

use libtest_mimic::{Arguments, Failed, Trial};
use peer::{Cluster, HoldfastCluster, HoldfastConfig};
use rand::{SeedableRng, rngs::SmallRng};

use schedule::Fault;

const TOPIC: &str = "history";
const PARTITIONS: i32 = 6;
const NODES: usize = 3;
/// How long it may take until writes succeed again, once all is well.
const RECOVERY_MAX: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for engine in ["uring", "threads"] {
        trials.push(Trial::test(format!("faults::{engine}"), move || {
            faults(engine)
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn number_from_env(name: &str) -> Option<u64> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().expect("a number"))
}

fn faults(engine: &str) -> Result<(), Failed> {
    let seconds = number_from_env("HOLDFAST_FAULTS_SECONDS").unwrap_or(30);
    let seed = number_from_env("HOLDFAST_FAULTS_SEED").unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| u64::from(since.subsec_nanos()))
    });
    eprintln!("faults: {engine}, {seconds} s from seed {seed}");
    let config = HoldfastConfig::default()
        .set("io.engine", engine)
        .set("default.replication.factor", "3")
        .set("min.insync.replicas", "2")
        .set("journal.file.bytes", "67108864");
    let mut cluster = HoldfastCluster::start(NODES, &config)?;
    let outcome = run(&mut cluster, seconds, seed);
    outcome.map_err(|error| {
        let message = error.message().unwrap_or_default();
        format!("seed {seed}: {message}\n{}", cluster.log_tail()).into()
    })
}

fn run(cluster: &mut HoldfastCluster, seconds: u64, seed: u64) -> Result<(), Failed> {
    let mut random = SmallRng::seed_from_u64(seed);
    let bootstrap = cluster.bootstrap();
    writer::create_topic(&bootstrap)?;
    let stop = AtomicBool::new(false);
    let (history, counts) = thread::scope(|scope| {
        let writing = scope.spawn(|| writer::write(&bootstrap, &stop));
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let mut counts = Vec::new();
        let mut outcome = Ok(());
        let only = env::var("HOLDFAST_FAULTS_ONLY").ok();
        while Instant::now() < deadline && outcome.is_ok() {
            let fault = Fault::draw(&mut random);
            if only.as_ref().is_some_and(|only| *only != fault.name()) {
                continue;
            }
            counts.push(fault.name());
            outcome = fault.happen(cluster, &mut random);
        }
        // All is well: everything that is under way has to come through.
        if outcome.is_ok() {
            thread::sleep(Duration::from_secs(2));
        }
        stop.store(true, Ordering::SeqCst);
        let history = writing.join().expect("the writer does not panic");
        outcome.map(|()| (history, counts))
    })?;
    let history = history?;
    counts_of(&counts);
    let read = check::read_all(&bootstrap)?;
    let mut anomalies = check::anomalies(&history, &read);
    anomalies.extend(check::differing_replicas(cluster, &read)?);
    eprintln!(
        "faults: {} acknowledged of {} sent, longest wait {:.1} s",
        history.acknowledged.len(),
        history.sent,
        history.longest_wait.as_secs_f64()
    );
    match anomalies.is_empty() {
        true => Ok(()),
        false => Err(anomalies.join("\n").into()),
    }
}

fn counts_of(names: &[&'static str]) {
    let mut counts = std::collections::BTreeMap::new();
    for name in names {
        *counts.entry(*name).or_insert(0) += 1;
    }
    eprintln!("faults: {counts:?}");
}
