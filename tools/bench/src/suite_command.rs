//! `compare --suite headline`: all that is claimed, measured in one run.

use bench::BenchError;
use bench::environment::Environment;
use bench::interrupt::Interrupt;
use bench::null_server::NullServer;
use bench::process;
use bench::saved::Saved;
use bench::startup::{self, Before};
use bench::suite::verdict::{Single, verdicts};
use bench::suite::{
    BARE_LOOP, IDLE_MEMORY, Length, NULL_SERVER, Part, START, START_AFTER_KILL, device,
    for_bare_loop, for_null_server, wanted,
};
use bench::targets::{Running, TargetKind};
use bench::workload::Workload;
use parking_lot::Mutex;

use crate::OutputArgs;
use crate::load_commands::{on_signals, write_and_show};
use crate::turns::{InTurn, Rounds, TopicNames, Turns, start_both};

/// Starts whose median counts.
const STARTS: usize = 3;
/// Gigabytes written before a broker is killed, so that there is something to recover.
const GIGABYTES_BEFORE_KILL: f64 = 1.0;

/// Measures, shows, and writes; an end before the time keeps what there is.
pub fn run(length: Length, output: &OutputArgs) -> Result<(), BenchError> {
    let interrupt = on_signals()?;
    let mut saved = Saved::begin(Environment::look(&std::env::temp_dir()));
    let mut topics = TopicNames::default();
    let mut outcome = singles(&mut saved);
    for part in length.parts() {
        if outcome.is_err() || interrupt.is_raised() {
            break;
        }
        outcome = measure(&part, length, &mut saved, &mut topics, &interrupt);
    }
    if interrupt.is_raised() {
        outcome = Err(BenchError::Interrupted);
    }
    saved.verdicts = verdicts(&saved, &wanted());
    write_and_show(saved, output)?;
    outcome
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
    length: Length,
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
    let mut turns = Turns {
        targets,
        rounds: Rounds {
            counted: length.rounds(),
            warm_up: 0,
        },
        page_cache: None,
        topics: std::mem::take(topics),
        interrupt,
    };
    let measured = turns.run(&part.workloads);
    *topics = turns.topics;
    saved.series.extend(measured.series.iter().cloned());
    if part.bare_too && !interrupt.is_raised() {
        // Nothing is written beside it.
        rustix::fs::sync();
        device::measure(saved, &std::env::temp_dir());
    }
    measured.into_result()
}

/// Apache Kafka has each batch on the disk before it acknowledges it.
fn synced(workload: &Workload) -> Option<Workload> {
    let mut workload = workload.clone();
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
