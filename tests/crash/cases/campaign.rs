//! Many lives, one after the other, each from a seed of its own.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use libtest_mimic::Failed;
use peer::{Holdfast, HoldfastConfig};
use tempfile::TempDir;
use tests_crash::history::Kept;
use tests_crash::{Failure, Life, LifeConfig, LoopDisk, Tally, Victim, number_from_env};

const CYCLES_PER_LIFE_MAX: u64 = 10;

/// Where data directories and images are put: on the disk that cargo builds on, since the system's
/// temporary directory may be in memory.
pub fn parent() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// Why a disk cannot lose its power on this machine.
pub fn no_loop_disk() -> Option<String> {
    static REASON: OnceLock<Option<String>> = OnceLock::new();
    let reason = REASON.get_or_init(|| LoopDisk::unavailable(parent()));
    let reason = reason.as_ref()?;
    Some(format!("no loop-mounted ext4: {reason}"))
}

/// What to run, and how to run it again.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// The test's name.
    pub name: &'static str,
    /// `io.engine`.
    pub engine: &'static str,
    /// Loads that end in a crash.
    pub cycles: u64,
    /// The variable that sets their number.
    pub cycles_variable: &'static str,
    /// Whether a crash is a power cut.
    pub power: bool,
    /// Data directories of the broker.
    pub directories: usize,
    /// What the lives are about.
    pub subject: Subject,
}

/// What is different about a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Nothing.
    Plain,
    /// Old records are deleted all the time.
    Retention,
    /// Topics are compacted all the time.
    Compaction,
    /// A thousand partitions.
    Partitions,
    /// Batches that bypass the journal, all of them.
    Bypass,
    /// Topics that leave the journal out. A killed process has lost nothing of these either.
    PageCache,
}

/// `retention.bytes` where old records are deleted.
const RETENTION_BYTES: u64 = 2 << 20;

impl Subject {
    fn life(self) -> LifeConfig {
        let plain = LifeConfig::default();
        match self {
            Subject::Plain | Subject::Bypass => plain,
            Subject::Retention => LifeConfig {
                // What was not acknowledged counts as well while it is there.
                kept: Kept::Bytes(RETENTION_BYTES / 2),
                ..plain
            },
            Subject::Compaction => LifeConfig {
                kept: Kept::LastOfKey,
                topic_configs: vec![
                    ("cleanup.policy".to_owned(), "compact".to_owned()),
                    ("min.cleanable.dirty.ratio".to_owned(), "0".to_owned()),
                ],
                ..plain
            },
            Subject::Partitions => LifeConfig {
                first_topics: vec![1_000],
                ..plain
            },
            Subject::PageCache => LifeConfig {
                topic_configs: vec![("durability".to_owned(), "os".to_owned())],
                ..plain
            },
        }
    }

    fn settings(self, config: HoldfastConfig) -> HoldfastConfig {
        match self {
            Subject::Retention => config
                .set("log.retention.bytes", &RETENTION_BYTES.to_string())
                .set("log.segment.bytes", "1048576")
                .set("log.retention.check.interval.ms", "20")
                .set("log.segment.delete.delay.ms", "10"),
            Subject::Bypass => config.bypassing(),
            // Segments are compacted once a checkpoint has seen them closed: with a small journal there are many.
            Subject::Compaction => config
                .set("journal.file.bytes", "4194304")
                .set("journal.initial.file.bytes", "1048576")
                .set("journal.commit.bytes.max", "524288")
                .set("log.segment.bytes", "1048576")
                .set("log.cleaner.backoff.ms", "10"),
            Subject::Plain | Subject::Partitions | Subject::PageCache => config,
        }
    }
}

impl Campaign {
    /// Of SIGKILLs, `HOLDFAST_CRASH_CYCLES` of them, or of power cuts, `HOLDFAST_POWER_CYCLES`; a few where that is not set.
    pub fn new(
        name: &'static str,
        engine: &'static str,
        power: bool,
        directories: usize,
        subject: Subject,
    ) -> Campaign {
        let (cycles_variable, few) = if power {
            ("HOLDFAST_POWER_CYCLES", 3)
        } else {
            ("HOLDFAST_CRASH_CYCLES", 5)
        };
        Campaign {
            name,
            engine,
            cycles: number_from_env(cycles_variable).unwrap_or(few),
            cycles_variable,
            power,
            directories,
            subject,
        }
    }

    /// Runs the cycles in lives of a few each, alternating between a small journal and the default.
    pub fn run(self) -> Result<(), Failed> {
        let seed = tests_crash::seed();
        let lives = self
            .cycles
            .div_ceil(CYCLES_PER_LIFE_MAX)
            .max(2)
            .min(self.cycles);
        let mut total = Tally::default();
        for life in 0..lives {
            let cycles = self.cycles / lives + u64::from(life < self.cycles % lives);
            let seed = seed.wrapping_add(life);
            eprintln!("{}: {cycles} crashes from seed {seed}", self.name);
            total.add(self.live(seed, cycles)?);
        }
        eprintln!("{}: {total}", self.name);
        // A few crashes may come before anything is old.
        let must_compact =
            self.subject == Subject::Compaction && self.cycles >= CYCLES_PER_LIFE_MAX;
        if must_compact && total.compacted == 0 {
            return Err("nothing was compacted".into());
        }
        let must_delete = self.subject == Subject::Retention && self.cycles >= CYCLES_PER_LIFE_MAX;
        if must_delete && total.deleted == 0 {
            return Err("nothing was deleted".into());
        }
        Ok(())
    }

    fn live(self, seed: u64, cycles: u64) -> Result<Tally, Failed> {
        let mut ground = Ground::new(self.power)?;
        let config = self.subject.settings(settings(seed, self.engine));
        let more = (1..self.directories)
            .map(|number| ground.data_dir().with_extension(number.to_string()));
        let config = HoldfastConfig {
            data_dir: Some(ground.data_dir()),
            args: more_directories(more),
            ..config
        };
        let mut holdfast = Holdfast::start(config)?;
        let disk = ground.disk.as_mut();
        let life = self.subject.life();
        let outcome = live(&life, seed, cycles, &mut holdfast, disk);
        outcome.map_err(|failure| {
            holdfast.kill9();
            Failed::from(format!(
                "{failure}\n\nseed {seed}; the data is kept in {}\nagain: HOLDFAST_CRASH_SEED={seed} {}={} \
                 cargo test -p tests-crash --test crash -- --exact {}\n\nthe broker's log ends with\n{}",
                ground.keep().display(),
                self.cycles_variable,
                self.cycles,
                self.name,
                Victim::log_tail(&holdfast),
            ))
        })
    }
}

/// One life, and a clean stop at its end.
fn live(
    config: &LifeConfig,
    seed: u64,
    cycles: u64,
    victim: &mut dyn Victim,
    disk: Option<&mut LoopDisk>,
) -> Result<Tally, Failure> {
    let mut life = Life::begin_with(config, seed, victim, disk)?;
    for _ in 0..cycles {
        life.crash_once()?;
    }
    life.stop_once()?;
    Ok(life.tally())
}

/// Arguments for data directories besides the first.
pub fn more_directories(more: impl Iterator<Item = PathBuf>) -> Vec<String> {
    let flags = more.map(|dir| ["--data-dir".to_owned(), dir.display().to_string()]);
    flags.flatten().collect()
}

/// The engine, and for every second seed files so small that they fill up within a life: the
/// journal goes round, checkpoints follow each other, segments roll.
pub fn settings(seed: u64, engine: &str) -> HoldfastConfig {
    let config = HoldfastConfig::default().set("io.engine", engine);
    if seed % 2 == 1 {
        return config;
    }
    config
        .set("journal.file.bytes", "4194304")
        .set("journal.initial.file.bytes", "1048576")
        .set("journal.commit.bytes.max", "524288")
        .set("log.segment.bytes", "1048576")
        .set("log.tail.bytes.max", "4194304")
        .set("log.write.behind.ms", "50")
}

/// What a broker's data lies on.
pub struct Ground {
    /// With one, the data is on it.
    pub disk: Option<LoopDisk>,
    dir: Option<TempDir>,
}

impl Ground {
    /// A directory, on a disk of its own if that has to lose its power.
    pub fn new(power: bool) -> Result<Ground, Failed> {
        let (disk, dir) = if power {
            (Some(LoopDisk::create(parent())?), None)
        } else {
            (None, Some(TempDir::with_prefix_in("crash-", parent())?))
        };
        Ok(Ground { disk, dir })
    }

    /// The data directory; it is not there yet.
    pub fn data_dir(&self) -> PathBuf {
        let disk = self.disk.as_ref().map(LoopDisk::path);
        let dir = self.dir.as_ref().map(TempDir::path);
        disk.or(dir).unwrap_or(parent()).join("data")
    }

    /// Leaves the data where it is. Returns the directory, or the image of the disk.
    pub fn keep(&mut self) -> PathBuf {
        match (&mut self.disk, self.dir.take()) {
            (Some(disk), _) => disk.keep(),
            (None, Some(dir)) => dir.keep(),
            (None, None) => parent().to_owned(),
        }
    }
}
