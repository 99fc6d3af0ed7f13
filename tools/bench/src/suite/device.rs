//! What the device would have had for what was synced, by `fio`.

use std::path::Path;

use super::LARGE;
use super::verdict::{FIO, Single, Unmeasured};
use crate::fio::FioLoad;
use crate::round::{Round, SYNCED_RATE};
use crate::saved::Saved;
use crate::targets::TargetKind;
use crate::workload::Workload;

/// What `fio` has written beside rounds: what a device of others too has for it may be half as much a minute later.
#[derive(Default)]
pub struct Device {
    measured: Vec<Result<Single, String>>,
}

impl Device {
    /// Has `fio` write in `directory` as Holdfast did in this round, for some seconds, if it was one of the load of 1 KiB.
    pub fn after_round(
        &mut self,
        workload: &Workload,
        target: &str,
        round: &Round,
        directory: &Path,
    ) {
        if workload.name == LARGE && target == TargetKind::Holdfast.name() {
            self.measured.push(as_in(round, directory));
        }
    }

    /// Notes what came of it, or why nothing did; nothing if there was no such round.
    pub fn note(self, saved: &mut Saved) {
        let measured: Result<Vec<Single>, String> = self.measured.into_iter().collect();
        match measured {
            Ok(singles) => saved.singles.extend(singles),
            // Without one of them it is not known which round the others are beside.
            Err(why) => {
                let what = format!("{LARGE}: {SYNCED_RATE} of what fio writes");
                saved.unmeasured.push(Unmeasured { what, why });
            }
        }
    }
}

fn as_in(round: &Round, directory: &Path) -> Result<Single, String> {
    let journal = round.journal;
    let journal = journal.ok_or("the broker does not say what its journal wrote")?;
    let load = match journal.is_bypassed() {
        true => FioLoad::LARGE,
        false => FioLoad::like_journal(journal.commit_bytes, journal.in_flight),
    };
    let fio = load.run(directory)?;
    let note = format!(
        "{}, {}, O_DIRECT and O_DSYNC, {} KiB a write, {} in flight, {:.0} MB/s; of Holdfast's {:.0} before it, {:.0} bypassed the journal, and it wrote {:.0} in all",
        fio.version,
        fio.engine,
        load.block_bytes >> 10,
        load.depth,
        fio.bytes_per_second / 1e6,
        journal.synced_bytes_per_second() / 1e6,
        journal.bypassed_bytes_per_second / 1e6,
        journal.written_bytes_per_second / 1e6
    );
    Ok(Single {
        figure: SYNCED_RATE.to_owned(),
        target: FIO.to_owned(),
        value: fio.bytes_per_second / 1e6,
        note: Some(note),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    fn saved_after(rounds: &[(&str, &str)]) -> Saved {
        let mut device = Device::default();
        for (load, target) in rounds {
            let workload = Workload {
                name: (*load).to_owned(),
                ..Workload::default()
            };
            // Without metrics of a journal: `fio` is not asked.
            device.after_round(&workload, target, &Round::default(), Path::new("/"));
        }
        let mut saved = Saved::begin(Environment::default());
        device.note(&mut saved);
        saved
    }

    #[test]
    fn without_metrics_it_is_not_measured() {
        let saved = saved_after(&[(LARGE, "holdfast"), (LARGE, "holdfast")]);
        assert_eq!(saved.singles, []);
        let [unmeasured] = &saved.unmeasured[..] else {
            panic!("it is said once: {:?}", saved.unmeasured);
        };
        let why = "the broker does not say what its journal wrote";
        assert_eq!(unmeasured.why, why);
    }

    #[test]
    fn other_rounds_have_nothing_beside_them() {
        let saved = saved_after(&[("another", "holdfast"), (LARGE, "apache")]);
        assert_eq!((saved.singles, saved.unmeasured), (vec![], vec![]));
    }
}
