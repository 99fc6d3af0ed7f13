//! The life of one data directory: load, crash, restart, check, and again.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::SmallRng};

use crate::{
    failure::{Failure, Finding},
    history::{History, Kept, ReadBack, TopicPartition},
    load::{Committer, Ending, Writer, WriterKind, WriterReport},
    loop_disk::LoopDisk,
    patience::until_answered,
    reader::read_back,
    topics::Topics,
    victim::Victim,
};
use client::{Connection, Topic};

mod crowd;
mod half;
mod patiently;

pub use crowd::{Crowd, Fate};

const SILENCE_MAX: Duration = Duration::from_secs(30);
const TOPICS_MAX: u32 = 10;
const WRITERS: [WriterKind; 4] = [
    WriterKind::Plain,
    WriterKind::Idempotent,
    WriterKind::Plain,
    WriterKind::Idempotent,
];
/// Groups that commit offsets.
const COMMITTERS: u32 = 2;
/// How often a writer is replaced by a new one, whose producer id must be new as well.
const WRITER_REPLACED: f64 = 0.2;
/// How often the broker is killed while it recovers.
const CRASH_IN_RECOVERY: f64 = 0.3;
const LOAD_MILLIS: std::ops::Range<u64> = 20..700;
const RECOVERY_MILLIS: std::ops::Range<u64> = 0..100;
/// How long a broker lives on without its disk.
const AFTER_POWER_CUT_MILLIS: std::ops::Range<u64> = 0..50;
/// What a writer sends in one load before it goes on with small batches.
const WRITER_BYTES: std::ops::Range<usize> = 256 << 10..5 << 20;

/// What a life is about.
#[derive(Clone, Debug)]
pub struct LifeConfig {
    /// The partitions of each topic that is there from the start.
    pub first_topics: Vec<i32>,
    /// Settings of every topic.
    pub topic_configs: Vec<(String, String)>,
    /// What the broker has to keep of a partition.
    pub kept: Kept,
}

impl Default for LifeConfig {
    fn default() -> LifeConfig {
        LifeConfig {
            first_topics: vec![4, 2, 1],
            topic_configs: Vec::new(),
            kept: Kept::All,
        }
    }
}

/// What a life has shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Kills and power cuts, those during recovery included.
    pub crashes: u64,
    /// Records acknowledged.
    pub acknowledged: u64,
    /// Batches of idempotent writers that were sent more than once.
    pub repeated: u64,
    /// Records read, again after each restart.
    pub read: u64,
    /// Offsets of groups whose commit was acknowledged.
    pub committed: u64,
    /// Batches refused for want of space.
    pub refused: u64,
    /// Times the broker gave up its reserve.
    pub reserves: u64,
    /// Offsets that were deleted.
    pub deleted: u64,
    /// Records that compaction has taken, of those that were acknowledged.
    pub compacted: u64,
}

impl Tally {
    /// Adds another life's.
    pub fn add(&mut self, other: Tally) {
        self.crashes += other.crashes;
        self.acknowledged += other.acknowledged;
        self.repeated += other.repeated;
        self.read += other.read;
        self.committed += other.committed;
        self.refused += other.refused;
        self.reserves += other.reserves;
        self.deleted += other.deleted;
        self.compacted += other.compacted;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} crashes, {} records acknowledged, {} batches sent again, {} records read, {} offsets committed",
            self.crashes, self.acknowledged, self.repeated, self.read, self.committed
        )?;
        if self.deleted > 0 {
            write!(f, ", {} deleted", self.deleted)?;
        }
        if self.compacted > 0 {
            write!(f, ", {} compacted", self.compacted)?;
        }
        if self.refused > 0 {
            write!(
                f,
                ", {} batches refused for want of space, {} reserves given up",
                self.refused, self.reserves
            )?;
        }
        Ok(())
    }
}

/// A broker with a data directory of its own, and everything that happened to it.
pub struct Life<'a> {
    victim: &'a mut dyn Victim,
    /// With one, a crash is a power cut.
    disk: Option<&'a mut LoopDisk>,
    random: SmallRng,
    topic_configs: Vec<(String, String)>,
    history: History,
    topics: Topics,
    writers: Vec<Writer>,
    writers_made: u32,
    committers: Vec<Committer>,
    seed: u64,
    crashes: u64,
    repeated: u64,
    read: u64,
    refused: u64,
    reserves: u64,
    ballasts: u32,
}

impl<'a> Life<'a> {
    /// Takes a broker that has just been started for the first time, and makes the first topics.
    pub fn begin(
        seed: u64,
        victim: &'a mut dyn Victim,
        disk: Option<&'a mut LoopDisk>,
    ) -> Result<Life<'a>, Failure> {
        Life::begin_with(&LifeConfig::default(), seed, victim, disk)
    }

    /// The same for a life about something in particular.
    pub fn begin_with(
        config: &LifeConfig,
        seed: u64,
        victim: &'a mut dyn Victim,
        disk: Option<&'a mut LoopDisk>,
    ) -> Result<Life<'a>, Failure> {
        let mut life = Life {
            victim,
            disk,
            random: SmallRng::seed_from_u64(seed),
            topic_configs: config.topic_configs.clone(),
            history: History::of(config.kept),
            topics: Topics::default(),
            writers: Vec::new(),
            writers_made: 0,
            committers: (1..=COMMITTERS).map(Committer::new).collect(),
            seed,
            crashes: 0,
            repeated: 0,
            read: 0,
            refused: 0,
            reserves: 0,
            ballasts: 0,
        };
        for kind in WRITERS {
            let writer = life.new_writer(kind);
            life.writers.push(writer);
        }
        let mut connection = life.connect()?;
        for &partitions in &config.first_topics {
            let name = life.topics.next_name();
            let created = connection.create_topic_with(&name, partitions, &config.topic_configs);
            created.map_err(|error| Failure::broken("make a topic", error))?;
            life.topics.on_created(&name, partitions);
        }
        life.check()?;
        Ok(life)
    }

    /// Load, crash, restart, check. Now and then it is crashed once more while it recovers.
    pub fn crash_once(&mut self) -> Result<(), Failure> {
        self.load(true)?;
        if self.random.random_bool(CRASH_IN_RECOVERY) {
            self.victim
                .relaunch()
                .map_err(|error| Failure::broken("start", error))?;
            self.sleep(RECOVERY_MILLIS);
            self.crash()?;
        }
        self.restart()
    }

    /// Load, a clean stop with nothing in flight, restart, check.
    pub fn stop_once(&mut self) -> Result<(), Failure> {
        self.load(false)?;
        self.victim
            .stop()
            .map_err(|error| Failure::broken("stop", error))?;
        self.restart()
    }

    /// Load, and a check without a restart.
    pub fn load_once(&mut self) -> Result<(), Failure> {
        self.load(false)?;
        self.check()
    }

    /// Makes everything on the disk durable, whatever the broker has synced.
    pub fn sync_disk(&self) -> Result<(), Failure> {
        let synced = self.disk.as_ref().map_or(Ok(()), |disk| disk.sync());
        synced.map_err(|error| Failure::broken("sync the disk", error))
    }

    /// What it has shown so far.
    pub fn tally(&self) -> Tally {
        Tally {
            crashes: self.crashes,
            acknowledged: self.history.acknowledged_records(),
            repeated: self.repeated,
            read: self.read,
            committed: self.committers.iter().map(Committer::commits).sum(),
            refused: self.refused,
            reserves: self.reserves,
            deleted: self.history.deleted_offsets(),
            compacted: self.history.compacted_records(),
        }
    }

    fn restart(&mut self) -> Result<(), Failure> {
        self.victim
            .restart()
            .map_err(|error| Failure::broken("start", error))?;
        self.check()
    }

    fn load(&mut self, ends_in_crash: bool) -> Result<(), Failure> {
        self.replace_writers();
        let address = self.victim.address();
        let topics = self.topics.existing();
        let bytes_max = self.random.random_range(WRITER_BYTES);
        let new_topic = self.new_topic();
        let duration = self.millis(LOAD_MILLIS);
        // Now and then in the very moment of the crash.
        let new_topic_after = duration.mul_f64(self.random.random_range(0.0..1.05));
        let stop = AtomicBool::new(false);
        let crashing = AtomicBool::new(false);
        let mut writers = std::mem::take(&mut self.writers);
        let mut committers = std::mem::take(&mut self.committers);
        let committed = self.committed_topic();
        let configs = self.topic_configs.clone();
        let (reports, committing, made, crashed) = thread::scope(|scope| {
            let running: Vec<_> = writers
                .iter_mut()
                .map(|writer| {
                    scope.spawn(|| {
                        let report = writer.run(&address, &topics, bytes_max, &stop);
                        (report, crashing.load(Ordering::SeqCst))
                    })
                })
                .collect();
            let committing: Vec<_> = committers
                .iter_mut()
                .zip(std::iter::repeat_n(&committed, COMMITTERS as usize))
                .filter_map(|(committer, topic)| Some((committer, topic.as_ref()?)))
                .map(|(committer, topic)| {
                    scope.spawn(|| {
                        let ended = committer.run(&address, topic, &stop);
                        (ended, crashing.load(Ordering::SeqCst))
                    })
                })
                .collect();
            let maker = scope.spawn(|| {
                let (name, partitions) = new_topic.as_ref()?;
                thread::sleep(new_topic_after);
                let connection = Connection::connect(&address, "maker", SILENCE_MAX).ok();
                Some(connection.is_some_and(|mut it| {
                    it.create_topic_with(name, *partitions, &configs).is_ok()
                }))
            });
            thread::sleep(duration);
            // The load goes on until the broker is gone.
            crashing.store(ends_in_crash, Ordering::SeqCst);
            let crashed = if ends_in_crash { self.crash() } else { Ok(()) };
            stop.store(true, Ordering::SeqCst);
            let reports: Vec<_> = running
                .into_iter()
                .map(|writer| writer.join().expect("a writer does not panic"))
                .collect();
            let committing: Vec<_> = committing
                .into_iter()
                .map(|committer| committer.join().expect("a committer does not panic"))
                .collect();
            let made = maker.join().expect("it does not panic");
            (reports, committing, made, crashed)
        });
        self.writers = writers;
        self.committers = committers;
        crashed?;
        match (new_topic, made) {
            (Some((name, partitions)), Some(true)) => self.topics.on_created(&name, partitions),
            (Some((name, partitions)), _) if ends_in_crash => {
                self.topics.on_uncertain(&name, partitions);
            }
            (Some((name, _)), _) => return Err(Failure::Broken(format!("{name} was not made"))),
            (None, _) => {}
        }
        for (report, crashing) in reports {
            self.take_report(report, crashing)?;
        }
        for (ended, crashing) in committing {
            match ended {
                Err(error) if !crashing => {
                    return Err(Failure::broken("a committer failed without a crash", error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The topic in which offsets are committed: the first that was made.
    fn committed_topic(&self) -> Option<Topic> {
        self.topics.existing().into_iter().next()
    }

    fn take_report(&mut self, report: WriterReport, may_fail: bool) -> Result<(), Failure> {
        self.repeated += report.repeated;
        for (at, event) in report.events {
            self.history.record(&at, event);
        }
        let what = match report.ending {
            _ if may_fail => return Ok(()),
            Ending::Told => return Ok(()),
            Ending::Failed(error) => error.to_string(),
            Ending::Refused { at, code } => format!("{at}: {}", code.name()),
        };
        Err(Failure::broken("a writer failed without a crash", what))
    }

    fn crash(&mut self) -> Result<(), Failure> {
        self.crashes += 1;
        let Some(disk) = &self.disk else {
            self.victim.kill9();
            return Ok(());
        };
        let cut = disk.cut_power();
        cut.map_err(|error| Failure::broken("cut the power", error))?;
        self.sleep(AFTER_POWER_CUT_MILLIS);
        self.victim.kill9();
        let restored = self.disk.as_mut().map_or(Ok(()), |it| it.restore_power());
        restored.map_err(|error| Failure::broken("restore the power", error))
    }

    /// Reads everything and compares it with the history.
    fn check(&mut self) -> Result<(), Failure> {
        let mut connection = self.connect()?;
        let gone = self.topics.find(&mut connection)?;
        let mut findings = Vec::new();
        for topic in self.topics.existing() {
            for partition in 0..topic.partitions {
                let at = TopicPartition {
                    topic: topic.name.clone(),
                    partition,
                };
                let read = if gone.contains(&topic) {
                    ReadBack::default()
                } else {
                    // Apache Kafka may be ready before it leads each of its partitions.
                    let read = until_answered(|| read_back(&mut connection, &topic, partition));
                    read.map_err(|error| Failure::broken(&format!("read {at}"), error))?
                };
                let batches = read.batches.iter();
                self.read += batches.map(|batch| batch.values.len() as u64).sum::<u64>();
                let anomalies = self.history.partition(&at).check(&read).into_iter();
                findings.extend(anomalies.map(|anomaly| Finding {
                    at: at.clone(),
                    anomaly,
                }));
            }
        }
        self.check_offsets(&mut connection, &mut findings)?;
        match gone.first() {
            _ if !findings.is_empty() => Err(Failure::Contradicted(findings)),
            Some(topic) => Err(Failure::Broken(format!("{topic:?} is gone"))),
            None => Ok(()),
        }
    }

    /// Compares the committed offsets with those that were acknowledged.
    fn check_offsets(
        &mut self,
        connection: &mut Connection,
        findings: &mut Vec<Finding>,
    ) -> Result<(), Failure> {
        let Some(topic) = self.committed_topic() else {
            return Ok(());
        };
        for committer in &mut self.committers {
            if committer.commits() == 0 {
                continue;
            }
            let group = committer.group();
            // Coordinators are loaded while everything else is served.
            let found = until_answered(|| connection.committed_offsets(group, &topic));
            let found =
                found.map_err(|error| Failure::broken(&format!("offsets of {group}"), error))?;
            let anomalies = committer.check(&found).into_iter();
            findings.extend(anomalies.map(|(partition, anomaly)| Finding {
                at: TopicPartition {
                    topic: topic.name.clone(),
                    partition,
                },
                anomaly,
            }));
        }
        Ok(())
    }

    fn connect(&self) -> Result<Connection, Failure> {
        let address = self.victim.address();
        Connection::connect(&address, "checker", SILENCE_MAX)
            .map_err(|error| Failure::broken("connect", error))
    }

    fn replace_writers(&mut self) {
        for (index, kind) in WRITERS.into_iter().enumerate() {
            if self.random.random_bool(WRITER_REPLACED) {
                self.writers[index] = self.new_writer(kind);
            }
        }
    }

    fn new_writer(&mut self, kind: WriterKind) -> Writer {
        self.writers_made += 1;
        Writer::new(self.writers_made, kind, self.seed)
    }

    fn new_topic(&mut self) -> Option<(String, i32)> {
        let wanted = self.topics.count() < TOPICS_MAX && self.random.random_bool(0.5);
        wanted.then(|| (self.topics.next_name(), self.random.random_range(1..=3)))
    }

    fn sleep(&mut self, millis: std::ops::Range<u64>) {
        let duration = self.millis(millis);
        thread::sleep(duration);
    }

    fn millis(&mut self, millis: std::ops::Range<u64>) -> Duration {
        // In microseconds, since a crash within a millisecond is what this is about.
        let micros = millis.start * 1_000..millis.end * 1_000;
        Duration::from_micros(self.random.random_range(micros))
    }
}
