//! Writes to a cluster, reads from it, and notes both.
//!
//! Each writer has a thread for each partition, with one batch at a time that is not acknowledged ([`lane`]). One consumer reads all
//! partitions as they are written, another one goes back to what was there before ([`reader`]). When all is resolved
//! two more read everything.

mod answer;
mod lane;
mod reader;
mod recorder;
mod stop;
mod topic;

use std::{
    path::PathBuf,
    sync::{
        atomic::AtomicU64,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, Scope},
    time::{Duration, Instant},
};

use client::{Connection, ProducerIdAndEpoch, Topic};
use protocol::model::Sequence;
use rand::{SeedableRng, rngs::SmallRng};
use serde::Serialize;

use super::{
    check::Verdict,
    history::{Begin, Consumer, Event, FORMAT, History, RunId},
};
use crate::{CtlError, clock::wall_clock_ms, leaders::Leaders, seeds::Seeds};

use lane::{BATCH_RECORDS_MAX, Lane};
use reader::{At, Reader};
use recorder::Recorder;

pub use stop::Stop;

/// Writers times partitions; each has a thread and a connection.
pub const LANES_MAX: usize = 1024;
/// So much is fetched at a time by the one that reads a little at a time in the end.
const SMALL_BYTES: i32 = 16 << 10;
/// And by the one that reads as much as there is.
const LARGE_BYTES: i32 = 4 << 20;
/// There are many threads, and none calls deeply.
const STACK_BYTES: usize = 512 << 10;
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// What is to be done.
#[derive(Clone, Debug)]
pub struct VerifyConfig {
    /// Brokers.
    pub seeds: Seeds,
    /// The topic; made if there is none of the name. `None`: a new one.
    pub topic: Option<String>,
    /// Partitions of a topic that is made, at most [`PARTITIONS_MAX`](super::PARTITIONS_MAX).
    pub partitions: i32,
    /// Replicas of a topic that is made. `None`: as the cluster makes topics.
    pub replication_factor: Option<i16>,
    /// For how long to write.
    pub duration: Duration,
    /// Producers; each writes to all partitions.
    pub writers: u32,
    /// Records a second that each of them tries to write.
    pub rate: f64,
    /// How long it may take, when no more is written, until everything is acknowledged, and until what is expected can be
    /// read.
    pub patience: Duration,
    /// Where the history is kept.
    pub history: Option<PathBuf>,
    /// Leaves a topic that was made where it is.
    pub keep_topic: bool,
}

/// How far it is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Since the first write.
    pub elapsed: Duration,
    /// Records that were acknowledged.
    pub acknowledged: u64,
    /// Records that are sent, and not resolved.
    pub waiting: u64,
    /// Records that were read, each time counted.
    pub read: u64,
    /// By partition: when its last acknowledgement came, since the first write. `None`: there was none yet.
    pub last_acknowledged: Vec<Option<Duration>>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The topic's name.
    pub topic: String,
    /// Whether it was deleted in the end.
    pub is_topic_deleted: bool,
    /// The file with the history, if there is one.
    pub history: Option<PathBuf>,
    /// For how long it was written.
    pub seconds: f64,
    /// What is wrong.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What all threads share.
struct Run {
    id: RunId,
    topic: Topic,
    starts: Vec<i64>,
    seeds: Seeds,
    leaders: Leaders,
    recorder: Recorder,
    /// Nothing more is written.
    stop: Stop,
    /// Nothing more is read, but for the final reads.
    readers_stop: Stop,
    patience: Duration,
}

/// Writes, reads and checks. `stop` ends the writing early, from any other thread; `progress` is called about twice a second.
///
/// What is written is resolved and read in any case; an error is what prevents that from the start.
pub fn run(
    config: &VerifyConfig,
    stop: &Stop,
    progress: &mut dyn FnMut(Progress),
) -> Result<Outcome, CtlError> {
    refuse_many(config.partitions, config.writers)?;
    let id = RunId(rand::random());
    let chosen = topic::choose(config, &format!("holdfast-verify-{id}"))?;
    refuse_many(chosen.topic.partitions, config.writers)?;
    let run = Run::new(config, id, chosen.topic)?;
    let producers = (0..config.writers).map(|_| run.new_producer());
    let producers = producers.collect::<Result<Vec<_>, _>>()?;
    run.write_and_read(config, &producers, stop, progress)?;
    let seconds = run.recorder.progress().elapsed.as_secs_f64();
    run.read_in_the_end();
    let topic = run.topic.name.clone();
    let (history, saved) = run.recorder.finish();
    let verdict = Verdict::of(&history);
    let kept = keep(&history, &verdict, config);
    let is_topic_deleted = chosen.is_ours
        && !config.keep_topic
        && verdict.is_clean()
        && config
            .seeds
            .ask(topic::SILENCE_MAX, |it| it.delete_topic(&topic))
            .is_ok();
    if verdict.is_clean() {
        saved?;
        if verdict.counts.acknowledged == 0 {
            return Err(CtlError::Refused(nothing_acknowledged(&history)));
        }
    }
    Ok(Outcome {
        topic,
        is_topic_deleted,
        history: kept?,
        seconds,
        verdict,
    })
}

fn refuse_many(partitions: i32, writers: u32) -> Result<(), CtlError> {
    let lanes = usize::try_from(partitions).unwrap_or(0) * writers as usize;
    match lanes > LANES_MAX {
        true => Err(CtlError::Refused(format!(
            "{writers} writers and {partitions} partitions are {lanes} connections, and {LANES_MAX} is the most: choose fewer"
        ))),
        false => Ok(()),
    }
}

/// A history that shows that something is wrong is kept, whether somebody asked for it or not.
fn keep(
    history: &History,
    verdict: &Verdict,
    config: &VerifyConfig,
) -> Result<Option<PathBuf>, CtlError> {
    if config.history.is_some() || verdict.is_clean() {
        return Ok(config.history.clone());
    }
    let path = PathBuf::from(format!("holdfast-verify-{}.jsonl", history.begin.run));
    recorder::save(history, &path)?;
    Ok(Some(path))
}

fn nothing_acknowledged(history: &History) -> String {
    let mut events = history.events.iter().rev();
    let last = events.find_map(|event| match event {
        Event::Unknown { error, .. } | Event::Retry { error, .. } => Some(error.as_str()),
        _ => None,
    });
    let last = last.unwrap_or("nothing was sent");
    format!("nothing was acknowledged, so that there is nothing to check; the last answer: {last}")
}

impl Run {
    fn new(config: &VerifyConfig, id: RunId, topic: Topic) -> Result<Run, CtlError> {
        let leaders = Leaders::new(&config.seeds, &topic);
        leaders.refresh(0)?;
        let deadline = Instant::now() + config.patience;
        let starts = (0..topic.partitions).map(|partition| {
            let start = topic::end_of(&leaders, &topic, partition, 0, deadline);
            start.map_err(|error| {
                let name = &topic.name;
                CtlError::Refused(format!(
                    "the end of {name}-{partition} cannot be asked for: {error}"
                ))
            })
        });
        let starts = starts.collect::<Result<Vec<_>, _>>()?;
        let begin = Begin {
            format: FORMAT,
            run: id.to_string(),
            topic: topic.name.clone(),
            partitions: topic.partitions,
            starts: starts.clone(),
            began_ms: wall_clock_ms(),
        };
        Ok(Run {
            id,
            starts,
            seeds: config.seeds.clone(),
            leaders,
            recorder: Recorder::new(begin, config.history.as_ref())?,
            stop: Stop::default(),
            readers_stop: Stop::default(),
            patience: config.patience,
            topic,
        })
    }

    fn start(&self, partition: i32) -> i64 {
        let at = usize::try_from(partition).ok();
        at.and_then(|at| self.starts.get(at)).copied().unwrap_or(0)
    }

    /// Whether what is not resolved by now never will be.
    fn is_patience_over(&self) -> bool {
        let since = self.stop.since();
        since.is_some_and(|since| since.elapsed() > self.patience)
    }

    fn new_producer(&self) -> Result<ProducerIdAndEpoch, CtlError> {
        let ask = |it: &mut Connection| it.init_producer_id();
        self.seeds
            .ask_patiently(topic::SILENCE_MAX, topic::PATIENCE, ask)
    }

    fn write_and_read(
        &self,
        config: &VerifyConfig,
        producers: &[ProducerIdAndEpoch],
        stop: &Stop,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), CtlError> {
        let numbers: Vec<AtomicU64> = producers.iter().map(|_| AtomicU64::new(0)).collect();
        thread::scope(|scope| {
            let (running, ended) = mpsc::channel();
            let spawned = self.spawn_all(scope, config, producers, &numbers, &running);
            drop(running);
            if spawned.is_ok() {
                self.wait(config.duration, stop, progress);
            }
            self.stop.set();
            // All senders are gone when all lanes are.
            while ended.recv_timeout(PROGRESS_INTERVAL) != Err(RecvTimeoutError::Disconnected) {
                progress(self.recorder.progress());
            }
            self.readers_stop.set();
            spawned
        })
    }

    fn spawn_all<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        config: &VerifyConfig,
        producers: &[ProducerIdAndEpoch],
        numbers: &'scope [AtomicU64],
        running: &Sender<()>,
    ) -> Result<(), CtlError> {
        let spawn = |run: Box<dyn FnOnce() + Send + 'scope>| {
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            let spawned = thread.spawn_scoped(scope, run);
            spawned.map(drop).map_err(|error| {
                CtlError::Refused(format!(
                    "a thread cannot be started ({error}): choose fewer writers or partitions"
                ))
            })
        };
        let per_partition = config.rate / f64::from(self.topic.partitions);
        let batch_records = f64::from(1 + BATCH_RECORDS_MAX) / 2.0;
        let interval = Duration::from_secs_f64((batch_records / per_partition).min(3600.0));
        for ((writer, producer), numbers) in (0..).zip(producers).zip(numbers) {
            for partition in 0..self.topic.partitions {
                let lane = Lane {
                    run: self,
                    writer,
                    partition,
                    numbers,
                    producer: *producer,
                    random: SmallRng::from_os_rng(),
                    interval,
                    sequence: Sequence::new(0),
                    connection: None,
                };
                let running = running.clone();
                spawn(Box::new(move || {
                    lane.write();
                    drop(running);
                }))?;
            }
        }
        spawn(Box::new(|| Reader::new(self, Consumer::Tail).tail()))?;
        spawn(Box::new(|| {
            let reader = Reader::new(self, Consumer::Random);
            reader.look_around(SmallRng::from_os_rng());
        }))
    }

    /// Until the time is over, or somebody says that it is enough.
    fn wait(&self, duration: Duration, stop: &Stop, progress: &mut dyn FnMut(Progress)) {
        let began = Instant::now();
        loop {
            let left = duration.saturating_sub(began.elapsed());
            if left.is_zero() || stop.wait(left.min(PROGRESS_INTERVAL)) {
                return;
            }
            progress(self.recorder.progress());
        }
    }

    /// Two new consumers read everything, each by other means: one partition and a little at a time, and all partitions of
    /// a leader at once.
    fn read_in_the_end(&self) {
        let mut ends = Vec::new();
        let deadline = Instant::now() + self.patience;
        for partition in 0..self.topic.partitions {
            let least = self.recorder.known_end(partition);
            let end = topic::end_of(&self.leaders, &self.topic, partition, least, deadline);
            self.recorder.note(Event::End {
                at_us: self.recorder.now_us(),
                partition,
                high_watermark: end.as_ref().ok().copied(),
            });
            // Where nobody says how far it is, what is known has to be there.
            ends.push((partition, end.unwrap_or(least).max(least)));
        }
        let small = Reader::new(self, Consumer::FinalSmall);
        small.read_to(&ends, SMALL_BYTES, At::OnePartition);
        let large = Reader::new(self, Consumer::FinalLarge);
        large.read_to(&ends, LARGE_BYTES, At::AllPartitions);
    }
}
