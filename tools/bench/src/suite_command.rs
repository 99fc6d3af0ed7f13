//! `compare --suite headline`: all that is claimed, measured in one run.

use std::path::Path;

use bench::BenchError;
use bench::environment::Environment;
use bench::interrupt::Interrupt;
use bench::null_server::NullServer;
use bench::page_cache::PageCache;
use bench::process;
use bench::round::Round;
use bench::saved::Saved;
use bench::startup::{self, Before};
use bench::stub::FILE_BYTES_MAX;
use bench::suite::device::Device;
use bench::suite::verdict::{Single, verdicts};
use bench::suite::{
    BARE_LOOP, IDLE_MEMORY, Length, NULL_SERVER, Part, START, START_AFTER_KILL, for_bare_loop,
    for_null_server, wanted,
};
use bench::targets::{Running, TargetKind};
use bench::workload::Workload;
use bench::workload::quantity::Size;
use parking_lot::Mutex;

use crate::OutputArgs;
use crate::load_commands::{on_signals, write_and_show};
use crate::turns::{InTurn, Rounds, TopicNames, Turns, start_both};

/// Starts whose median counts.
const STARTS: usize = 3;
/// Of a node of ours: the journal, and the reserve that is as large.
const JOURNAL_BYTES: u64 = 2 << 30;
/// Gigabytes written before a broker is killed, so that there is something to recover.
const GIGABYTES_BEFORE_KILL: f64 = 1.0;

/// Measures, shows, and writes. An end before the time keeps what there is, and so does an error, after which the other parts are measured all the same.
pub fn run(length: Length, output: &OutputArgs) -> Result<(), BenchError> {
    let interrupt = on_signals()?;
    has_space(&std::env::temp_dir(), length.parts().iter().map(disk_bytes))?;
    let mut saved = Saved::begin(Environment::look(&std::env::temp_dir()));
    let mut topics = TopicNames::default();
    let mut outcome = singles(&mut saved);
    for part in length.parts() {
        if interrupt.is_raised() {
            break;
        }
        let measured = measure(&part, &mut saved, &mut topics, &interrupt);
        // The first is what the tool ends with, and is said then.
        match (&outcome, measured) {
            (Err(_), Err(error)) => eprintln!("holdfast-bench: {error}"),
            (Ok(()), measured) => outcome = measured,
            (Err(_), Ok(())) => {}
        }
    }
    if interrupt.is_raised() {
        outcome = Err(BenchError::Interrupted);
    }
    saved.verdicts = verdicts(&saved, &wanted());
    write_and_show(saved, output)?;
    outcome
}

/// What a part has on the disk at once, at the least: the topic of a round, what the bare loop writes, and the journals of Holdfast beside those of Kafka.
fn disk_bytes(part: &Part) -> u64 {
    let topics = part.workloads.iter().map(|it| it.bytes.0).max();
    let nodes = part.nodes as u64;
    let bare_loop = if part.bare_too { FILE_BYTES_MAX } else { 0 };
    nodes * (topics.unwrap_or_default() + 2 * JOURNAL_BYTES) + bare_loop
}

/// Rather than to find out after half an hour.
fn has_space(directory: &Path, parts: impl Iterator<Item = u64>) -> Result<(), BenchError> {
    let needed = parts.max().unwrap_or_default();
    let disk = rustix::fs::statvfs(directory).map_err(|source| BenchError::Io {
        doing: "ask for free disk space",
        source: source.into(),
    })?;
    let free = disk.f_bavail * disk.f_frsize;
    if free >= needed {
        return Ok(());
    }
    let what = format!(
        "{} has {} GiB free, and it takes at least {}: name a larger directory with TMPDIR",
        directory.display(),
        free >> 30,
        needed >> 30
    );
    Err(BenchError::Workload { what })
}

/// What has no load, or one of its own.
fn singles(saved: &mut Saved) -> Result<(), BenchError> {
    for (figure, kill) in [(START, false), (START_AFTER_KILL, true)] {
        let before = Before {
            partitions: 6,
            gigabytes: if kill { GIGABYTES_BEFORE_KILL } else { 0.0 },
            groups: 0,
            kill,
            data_dir: None,
            settings: Vec::new(),
        };
        for start in startup::measure(&before, STARTS)? {
            saved.singles.push(Single {
                figure: figure.to_owned(),
                target: TargetKind::Holdfast.name().to_owned(),
                value: start.first_answer_ms,
                note: None,
            });
        }
    }
    Ok(())
}

fn measure(
    part: &Part,
    saved: &mut Saved,
    topics: &mut TopicNames,
    interrupt: &Interrupt,
) -> Result<(), BenchError> {
    let brokers = start_both(part.nodes)?;
    if part.nodes == 1 && !saved.singles.iter().any(|it| it.figure == IDLE_MEMORY) {
        for (name, broker) in &brokers {
            let usage = process::usage_of_all(&broker.lock().pids())?;
            saved.singles.push(Single {
                figure: IDLE_MEMORY.to_owned(),
                target: (*name).to_owned(),
                value: usage.resident_bytes_max as f64 / 1e6,
                note: None,
            });
        }
    }
    let mut targets: Vec<InTurn<'_>> = brokers.iter().map(InTurn::as_it_is).collect();
    if let Some((_, apache)) = brokers.last().filter(|_| part.synced_too) {
        targets.push(InTurn {
            name: "apache, flush.messages=1".to_owned(),
            broker: apache,
            load: synced,
        });
    }
    let null_servers = match part.bare_too {
        true => start_null_servers()?,
        false => Vec::new(),
    };
    for ((name, broker), load) in null_servers.iter().zip([for_null_server, for_bare_loop]) {
        targets.push(InTurn {
            name: (*name).to_owned(),
            broker,
            load,
        });
    }
    let page_cache = part.full_page_cache.then(PageCache::new).transpose()?;
    let mut device = Device::default();
    let mut after_round = |workload: &Workload, target: &str, round: &Round| {
        device.after_round(workload, target, round, &std::env::temp_dir());
    };
    let mut turns = Turns {
        targets,
        rounds: Rounds {
            counted: part.rounds,
            warm_up: 0,
        },
        page_cache,
        topics: std::mem::take(topics),
        after_round: part.bare_too.then_some(&mut after_round),
        interrupt,
        unmeasured: Some(Vec::new()),
    };
    let measured = turns.run(&part.workloads);
    *topics = turns.topics;
    let unmeasured = turns.unmeasured.unwrap_or_default();
    let partial = unmeasured.first().map(|it| it.why.clone());
    saved.unmeasured.extend(unmeasured);
    saved.series.extend(measured.series.iter().cloned());
    device.note(saved);
    measured.into_result()?;
    partial.map_or(Ok(()), |why| Err(BenchError::Partial(why)))
}

/// Apache Kafka has each batch on the disk before it acknowledges it. It is slow then, and nothing is wanted of it: it is measured for as long as the others are, however little it has
/// written by then; and not for as long at a rate, of which it has to make up for all that it did not come to.
fn synced(workload: &Workload) -> Option<Workload> {
    let mut workload = Workload {
        bytes: Size(0),
        read_back: false,
        ..workload.clone()
    };
    if workload.rate.0 > 0.0 {
        let quick = Length::Quick.base();
        (workload.warm_up, workload.duration) = (quick.warm_up, quick.duration);
    }
    let configs = &mut workload.topic_configs;
    configs.insert("flush.messages".to_owned(), "1".to_owned());
    Some(workload)
}

/// What does no more than it has to, as processes of their own.
fn start_null_servers() -> Result<Vec<(&'static str, Mutex<Running>)>, BenchError> {
    let program = std::env::current_exe().map_err(|source| BenchError::Io {
        doing: "find this program",
        source,
    })?;
    let acknowledges = NullServer::start(&program)?;
    let writes = NullServer::start_writing(&program)?;
    let running = |server| Mutex::new(Running::Null(Box::new(server)));
    Ok(vec![
        (NULL_SERVER, running(acknowledges)),
        (BARE_LOOP, running(writes)),
    ])
}
