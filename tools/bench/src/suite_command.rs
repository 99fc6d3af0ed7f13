//! `compare --suite headline`: all that is claimed, measured in one run.

use bench::BenchError;
use bench::environment::Environment;
use bench::interrupt::Interrupt;
use bench::process;
use bench::saved::Saved;
use bench::startup::{self, Before};
use bench::suite::verdict::{Single, verdicts};
use bench::suite::{IDLE_MEMORY, Length, Part, START, START_AFTER_KILL, wanted};
use bench::targets::TargetKind;

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
            });
        }
    }
    let mut targets: Vec<InTurn<'_>> = brokers.iter().map(InTurn::as_it_is).collect();
    if let Some((_, apache)) = brokers.last().filter(|_| part.synced_too) {
        targets.push(InTurn {
            name: "apache, flush.messages=1".to_owned(),
            broker: apache,
            topic_configs: vec![("flush.messages".to_owned(), "1".to_owned())],
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
    measured.into_result()
}
