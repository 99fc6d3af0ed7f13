//! What the device would have had for what was synced, by `fio`.

use std::path::Path;

use super::LARGE;
use super::verdict::{FIO, Single, Unmeasured};
use crate::fio::FioLoad;
use crate::journal::JournalRound;
use crate::round::SYNCED_RATE;
use crate::saved::Saved;
use crate::targets::TargetKind;

/// Has `fio` write in `directory` as the broker did under the load of 1 KiB, for some seconds, and notes what came of it, or why nothing did. Nothing is
/// noted if there was no such load.
pub fn measure(saved: &mut Saved, directory: &Path) {
    let rounds = journal_rounds(saved);
    let Some(journal) = rounds.as_deref().map(average) else {
        return;
    };
    let measured = match journal {
        None => Err("the broker does not say what its journal wrote".to_owned()),
        Some(journal) => {
            let load = match journal.is_bypassed() {
                true => FioLoad::LARGE,
                false => FioLoad::like_journal(journal.commit_bytes, journal.in_flight),
            };
            load.run(directory).map(|fio| Single {
                figure: SYNCED_RATE.to_owned(),
                target: FIO.to_owned(),
                value: fio.bytes_per_second / 1e6,
                note: Some(format!(
                    "{}, {}, O_DIRECT and O_DSYNC, {} KiB a write, {} in flight; of Holdfast's {:.0} MB/s, {:.0} bypassed the journal, and it wrote {:.0} in all",
                    fio.version,
                    fio.engine,
                    load.block_bytes >> 10,
                    load.depth,
                    journal.synced_bytes_per_second() / 1e6,
                    journal.bypassed_bytes_per_second / 1e6,
                    journal.written_bytes_per_second / 1e6
                )),
            })
        }
    };
    match measured {
        Ok(single) => saved.singles.push(single),
        Err(why) => saved.unmeasured.push(Unmeasured {
            what: format!("{LARGE}: {SYNCED_RATE} of what fio writes"),
            why,
        }),
    }
}

/// Of Holdfast under that load; `None` if there was none.
fn journal_rounds(saved: &Saved) -> Option<Vec<JournalRound>> {
    let series = saved.series.iter().find(|it| it.workload.name == LARGE)?;
    let ours = TargetKind::Holdfast.name();
    let target = series.targets.iter().find(|it| it.name == ours)?;
    let rounds = target.rounds.iter();
    Some(rounds.filter_map(|round| round.journal).collect())
}

/// `None` of no rounds.
fn average(rounds: &[JournalRound]) -> Option<JournalRound> {
    if rounds.is_empty() {
        return None;
    }
    let of = |figure: fn(&JournalRound) -> f64| {
        rounds.iter().map(figure).sum::<f64>() / rounds.len() as f64
    };
    Some(JournalRound {
        commit_bytes: of(|it| it.commit_bytes),
        in_flight: of(|it| it.in_flight),
        bytes_per_second: of(|it| it.bytes_per_second),
        written_bytes_per_second: of(|it| it.written_bytes_per_second),
        bypassed_bytes_per_second: of(|it| it.bypassed_bytes_per_second),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::round::Round;
    use crate::saved::{Series, TargetRounds};
    use crate::workload::Workload;

    fn saved(journals: &[Option<f64>]) -> Saved {
        let round = |in_flight: &Option<f64>| Round {
            journal: in_flight.map(|in_flight| JournalRound {
                in_flight,
                ..JournalRound::default()
            }),
            ..Round::default()
        };
        let mut saved = Saved::begin(Environment::default());
        saved.series.push(Series {
            workload: Workload {
                name: LARGE.to_owned(),
                ..Workload::default()
            },
            targets: vec![TargetRounds {
                name: TargetKind::Holdfast.name().to_owned(),
                rounds: journals.iter().map(round).collect(),
            }],
        });
        saved
    }

    #[test]
    fn it_is_what_rounds_have_on_average() {
        let rounds = journal_rounds(&saved(&[Some(1.0), None, Some(2.0)])).unwrap();
        assert_eq!(average(&rounds).unwrap().in_flight, 1.5);
    }

    #[test]
    fn without_metrics_it_is_not_measured() {
        let mut saved = saved(&[None]);
        measure(&mut saved, Path::new("/"));
        assert_eq!(saved.singles, []);
        assert_eq!(
            saved.unmeasured[0].why,
            "the broker does not say what its journal wrote"
        );
        let mut empty = Saved::begin(Environment::default());
        measure(&mut empty, Path::new("/"));
        assert_eq!((empty.singles, empty.unmeasured), (vec![], vec![]));
    }
}
