//! Three brokers under faults, and a history of what was acknowledged: nothing of it is lost, doubled, or in another order.
//!
//! `HOLDFAST_FAULTS_SECONDS` says for how long (default 30), `HOLDFAST_FAULTS_SEED` repeats the choices of a run, though not its timing, and
//! `HOLDFAST_FAULTS_ONLY` is the name of the one fault that happens.

mod check;
mod ground;
mod mover;
mod network;
mod schedule;
mod state;
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
use rand::{Rng, SeedableRng, rngs::SmallRng};

use ground::Ground;
use mover::Moving;
use network::Network;
use schedule::{Fault, Happened};
use tests_crash::{is_set, number_from_env};
use writer::Notes;

const TOPIC: &str = "history";
/// Has what was written to it before anything happened.
const IDLE_TOPIC: &str = "idle";
const IDLE_RECORDS: i64 = 600;
const PARTITIONS: i32 = 6;
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
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The one fault that is to happen.
fn only() -> Option<String> {
    let only = env::var("HOLDFAST_FAULTS_ONLY").ok();
    only.filter(|only| !only.is_empty())
}

/// Whether partitions move meanwhile.
fn moves_too() -> bool {
    !is_set("HOLDFAST_FAULTS_STILL")
}

fn faults(engine: &str, network: Option<Network>) -> Result<(), Failed> {
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
    // A replica that is alone is lost with its disk: a run has one or the other.
    let may_wipe = seed.is_multiple_of(2) || only().as_deref() == Some("wipe");
    let mut ground = Ground::find(network, may_wipe)?;
    let mut cluster = ground.start(&config)?;
    let outcome = run(&mut ground, &mut cluster, seconds, seed);
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
    seconds: u64,
    seed: u64,
) -> Result<(), Failed> {
    let mut random = SmallRng::seed_from_u64(seed);
    let bootstrap = cluster.bootstrap();
    writer::create_topics(&bootstrap)?;
    writer::write_idle(&bootstrap)?;
    let (stop, all_is_well) = (AtomicBool::new(false), AtomicBool::new(false));
    let is_still = AtomicBool::new(true);
    let notes = Notes::default();
    let addresses = mover::addresses(cluster);
    let still = Moving::default();
    let replicas_min = if ground.may_wipe { 2 } else { 1 };
    let (history, happened, moves) = thread::scope(|scope| {
        let writing = scope.spawn(|| writer::write(&bootstrap, &notes, &stop));
        // Nothing moves where the question is how long something takes: a partition on two brokers has to wait for both.
        let moves_end = match moves_too() {
            true => &all_is_well,
            false => &is_still,
        };
        let moving =
            scope.spawn(|| mover::move_about(&addresses, seed, replicas_min, &still, moves_end));
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let mut happened = Vec::new();
        let mut outcome = Ok(());
        let only = only();
        while Instant::now() < deadline && outcome.is_ok() {
            let fault = Fault::draw(ground, &mut random);
            if only.as_ref().is_some_and(|only| *only != fault.name()) {
                continue;
            }
            outcome = fault
                .happen(ground, cluster, &still, &mut random)
                .and_then(|it| {
                    happened.push(it);
                    rest(cluster, &notes, &it, &mut random)
                });
        }
        all_is_well.store(true, Ordering::SeqCst);
        let moves = moving.join().expect("the mover does not panic");
        // Everything that is under way has to come through.
        outcome = outcome.and_then(|()| {
            mover::settle(&addresses)?;
            let overcome = notes.wait_progress(Instant::now(), RECOVERY_MAX);
            overcome.map_err(|partitions| {
                let state = state::of(cluster);
                format!("{RECOVERY_MAX:?} after the last fault nothing is written to {partitions:?}\n{state}").into()
            })
        });
        stop.store(true, Ordering::SeqCst);
        let history = writing.join().expect("the writer does not panic");
        outcome.map(|()| (history, happened, moves))
    })?;
    let history = history?;
    counts_of(&happened, moves);
    for (lasted, what) in check::recoveries(&history, &happened).iter().take(3) {
        eprintln!("faults: {:.1} s: {what}", lasted.as_secs_f64());
    }
    for (lasted, what) in check::stalls(&history, &happened).iter().take(3) {
        eprintln!("faults: stalled {:.1} s: {what}", lasted.as_secs_f64());
    }
    eprintln!(
        "faults: {} acknowledged of {} sent, longest wait {:.1} s",
        history.acknowledged.len(),
        history.sent,
        history.longest_wait.as_secs_f64()
    );
    let read = check::read_all(&bootstrap, TOPIC)?;
    let idle = check::read_all(&bootstrap, IDLE_TOPIC)?;
    let mut anomalies = check::anomalies(&history, &read);
    let mut numbers: Vec<i64> = idle
        .values()
        .flat_map(|log| log.values().copied())
        .collect();
    numbers.sort_unstable();
    if numbers != (0..IDLE_RECORDS).collect::<Vec<_>>() {
        let records = numbers.len();
        anomalies.push(format!("lost-write: the idle topic has {records} records"));
    }
    check::stop_all(cluster)?;
    anomalies.extend(check::differing_replicas(cluster, TOPIC, &read)?);
    anomalies.extend(check::differing_replicas(cluster, IDLE_TOPIC, &idle)?);
    anomalies.extend(check::batches_of_doubled(cluster, TOPIC, &read)?);
    anomalies.extend(check::said_of_producers(cluster)?);
    match anomalies.is_empty() {
        true => Ok(()),
        false => Err(anomalies.join("\n").into()),
    }
}

/// The time until the next fault. Half of them wait until this one is overcome.
fn rest(
    cluster: &mut HoldfastCluster,
    notes: &Notes,
    happened: &Happened,
    random: &mut SmallRng,
) -> Result<(), Failed> {
    if random.random() {
        let overcome = notes.wait_progress(happened.healed, RECOVERY_MAX);
        overcome.map_err(|partitions| {
            let fault = happened.fault;
            let state = state::of(cluster);
            format!(
                "{RECOVERY_MAX:?} after {fault:?} nothing is written to {partitions:?}\n{state}"
            )
        })?;
    }
    thread::sleep(Duration::from_millis(random.random_range(500..3_000)));
    Ok(())
}

fn counts_of(happened: &[Happened], moves: usize) {
    let mut counts = std::collections::BTreeMap::new();
    for it in happened {
        *counts.entry(it.fault.name()).or_insert(0) += 1;
    }
    eprintln!("faults: {counts:?}, {moves} partitions moved");
}
