//! What happens to the brokers in a run, and what becomes of the topics meanwhile.

use std::{
    env,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use ctl::verify::{Outcome, Stop};
use libtest_mimic::Failed;
use peer::{Cluster, HoldfastCluster};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tests_crash::is_set;

use crate::{
    NODES, RECOVERY_MAX, TOPIC,
    check::{self, Logs},
    ground::Ground,
    happening::{Happened, Scene},
    mover::{self, Moving},
    reader::Readers,
    schedule::Fault,
    state, verified,
    writer::{self, History, Notes},
};

/// How long what is under way may take when it is to end, and reading everything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which of them are two at once.
const TWO_ONE_OF: u32 = 5;
/// What `HOLDFAST_FAULTS_ONLY` calls that.
const TWO: &str = "two";

/// What becomes of the topics while things happen.
pub struct Course {
    /// Of the topic that has all that is ever written to it.
    pub idle: History,
    /// Of the topic that librdkafka writes to.
    pub history: History,
    /// Of that of `holdfast-ctl verify`.
    pub verified: Outcome,
    /// What happened.
    pub happened: Vec<Happened>,
    /// How many moves of partitions began.
    pub moves: usize,
    /// What there is in the end in the topic that librdkafka writes to.
    pub read: Logs,
    /// What was wrong with what consumers in racks read of it meanwhile.
    pub misread: Vec<String>,
}

/// The one fault that is to happen.
pub fn only() -> Option<String> {
    let only = env::var("HOLDFAST_FAULTS_ONLY").ok();
    only.filter(|only| !only.is_empty())
}

/// Whether partitions move meanwhile.
fn moves_too() -> bool {
    !is_set("HOLDFAST_FAULTS_STILL")
}

/// Writes, and lets things happen, for so long; in the end all is well.
pub fn take(
    ground: &mut Ground,
    cluster: &mut HoldfastCluster,
    name: &str,
    seconds: u64,
    seed: u64,
) -> Result<Course, Failed> {
    let mut random = SmallRng::seed_from_u64(seed);
    let bootstrap = cluster.bootstrap();
    let idle = writer::write_idle(&bootstrap)?;
    let (stop, all_is_well) = (AtomicBool::new(false), AtomicBool::new(false));
    let (is_still, verified) = (AtomicBool::new(true), Stop::default());
    let notes = Notes::default();
    let addresses = mover::addresses(cluster);
    let still = Moving::default();
    let replicas_min = if ground.may_wipe { 2 } else { 1 };
    let readers = Readers::default();
    let (begun, has_begun) = mpsc::channel();
    thread::scope(|scope| {
        let reading: Vec<_> = (0..NODES)
            .map(|node| {
                let (readers, bootstrap) = (&readers, &bootstrap);
                scope.spawn(move || readers.read(bootstrap, node))
            })
            .collect();
        let writing = scope.spawn(|| writer::write(&bootstrap, &notes, &stop));
        let verifying =
            scope.spawn(|| verified::verify(&bootstrap, name, PATIENCE, &begun, &verified));
        // Nothing moves where the question is how long something takes: a partition on two brokers has to wait for both.
        let moves_end = match moves_too() {
            true => &all_is_well,
            false => &is_still,
        };
        let moving =
            scope.spawn(|| mover::move_about(&addresses, seed, replicas_min, &still, moves_end));
        // If it does not begin, that is what its outcome says.
        let _ = has_begun.recv_timeout(RECOVERY_MAX);
        let outcome = happen(ground, cluster, &notes, &still, seconds, &mut random);
        all_is_well.store(true, Ordering::SeqCst);
        let moves = moving.join().expect("the mover does not panic");
        // Everything that is under way has to come through.
        let outcome = outcome.and_then(|happened| {
            mover::settle(&addresses)?;
            let overcome = notes.wait_progress(Instant::now(), RECOVERY_MAX);
            let state = overcome.map_err(|partitions| {
                let state = state::of(cluster);
                format!("{RECOVERY_MAX:?} after the last fault nothing is written to {partitions:?}\n{state}")
            });
            Ok(state.map(|()| happened)?)
        });
        stop.store(true, Ordering::SeqCst);
        verified.set();
        let history = writing.join().expect("the writer does not panic");
        let verified = verifying.join().expect("the verifier does not panic");
        let read = check::read_all(&bootstrap, TOPIC);
        let misread = readers.finish(read.as_ref().unwrap_or(&Logs::new()));
        let read_along: Result<Vec<()>, Failed> = reading
            .into_iter()
            .map(|reading| reading.join().expect("no reader panics"))
            .collect();
        // What went wrong first, before what came of it.
        let happened = outcome?;
        read_along?;
        Ok(Course {
            idle,
            happened,
            history: history?,
            verified: verified?,
            moves,
            read: read?,
            misread,
        })
    })
}

/// One fault after the other, and sometimes two at once.
fn happen(
    ground: &mut Ground,
    cluster: &mut HoldfastCluster,
    notes: &Notes,
    still: &Moving,
    seconds: u64,
    random: &mut SmallRng,
) -> Result<Vec<Happened>, Failed> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let only = only();
    let mut happened = Vec::new();
    while Instant::now() < deadline {
        let mut scene = Scene {
            ground,
            cluster,
            moving: still,
            random,
        };
        let are_two = match only.as_deref() {
            Some(only) => only == TWO,
            None => scene.random.random_ratio(1, TWO_ONE_OF),
        };
        let it = if are_two {
            let (first, second, at) = scene.draw_two();
            scene.two(first, second, at)?
        } else {
            let fault = Fault::draw(scene.ground, scene.random);
            if only.as_ref().is_some_and(|only| *only != fault.name()) {
                continue;
            }
            scene.one(fault)?
        };
        rest(cluster, notes, &it, random)?;
        happened.push(it);
    }
    Ok(happened)
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
            let fault = happened.name();
            let state = state::of(cluster);
            format!("{RECOVERY_MAX:?} after {fault} nothing is written to {partitions:?}\n{state}")
        })?;
    }
    thread::sleep(Duration::from_millis(random.random_range(500..3_000)));
    Ok(())
}
