//! What came of what was wanted.

use serde::{Deserialize, Serialize};

use crate::ratio::{median, ratio};
use crate::round::figures_of_all;
use crate::saved::{Saved, TargetRounds};
use crate::targets::TargetKind;

/// With what a figure is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The same of Apache Kafka.
    Apache,
    /// The same of Holdfast under another load.
    Own(&'static str),
    /// It stands for itself.
    Nothing,
}

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// The load's name; empty for what is measured once, without one.
    pub load: &'static str,
    /// The figure's.
    pub figure: &'static str,
    /// With what it is compared.
    pub against: Against,
    bound: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// Less is better.
pub(super) fn at_most(
    bound: f64,
    load: &'static str,
    figure: &'static str,
    against: Against,
) -> Wanted {
    Wanted {
        load,
        figure,
        against,
        bound: Bound::AtMost(bound),
    }
}

/// More is better.
pub(super) fn at_least(
    bound: f64,
    load: &'static str,
    figure: &'static str,
    against: Against,
) -> Wanted {
    Wanted {
        bound: Bound::AtLeast(bound),
        ..at_most(bound, load, figure, against)
    }
}

/// Something that is measured once, outside of loads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Single {
    /// What.
    pub figure: String,
    /// Of whom.
    pub target: String,
    /// How much.
    pub value: f64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The load and the figure.
    pub what: String,
    /// Ours: the median of all rounds.
    pub ours: f64,
    /// What it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theirs: Option<f64>,
    /// The ratio, of rounds side by side; or ours, where nothing is compared.
    pub value: f64,
    /// What is wanted of that.
    pub wanted: String,
    /// Whether it is so.
    pub reached: bool,
}

/// What came of each, as far as it was measured.
pub fn verdicts(saved: &Saved, wanted: &[Wanted]) -> Vec<Verdict> {
    wanted.iter().filter_map(|it| verdict(saved, it)).collect()
}

fn verdict(saved: &Saved, wanted: &Wanted) -> Option<Verdict> {
    let (ours_name, apache) = (TargetKind::Holdfast.name(), TargetKind::Apache.name());
    let ours = values(saved, wanted.load, ours_name, wanted.figure);
    let theirs = match wanted.against {
        Against::Apache => Some(values(saved, wanted.load, apache, wanted.figure)),
        Against::Own(load) => Some(values(saved, load, ours_name, wanted.figure)),
        Against::Nothing => None,
    };
    let value = match &theirs {
        Some(theirs) => ratio(&ours, theirs)?.median,
        None => median(&ours)?,
    };
    let (sign, bound, reached) = match wanted.bound {
        Bound::AtMost(bound) => ("<=", bound, value <= bound),
        Bound::AtLeast(bound) => (">=", bound, value >= bound),
    };
    let of = match wanted.against {
        Against::Apache => " of Apache Kafka's".to_owned(),
        Against::Own(load) => format!(" of that at {load}"),
        Against::Nothing => String::new(),
    };
    let load = match wanted.load {
        "" => String::new(),
        load => format!("{load}: "),
    };
    Some(Verdict {
        what: format!("{load}{}{of}", wanted.figure),
        ours: median(&ours)?,
        theirs: theirs.and_then(|it| median(&it)),
        value,
        wanted: format!("{sign} {bound:.2}"),
        reached,
    })
}

/// Of all rounds.
fn values(saved: &Saved, load: &str, target: &str, figure: &str) -> Vec<f64> {
    if load.is_empty() {
        let singles = saved.singles.iter();
        let singles = singles.filter(|it| it.target == target && it.figure == figure);
        return singles.map(|it| it.value).collect();
    }
    let series = saved.series.iter().filter(|it| it.workload.name == load);
    let targets = series.flat_map(|it| &it.targets);
    let mut targets = targets.filter(|it| it.name == target);
    let of = |target: &TargetRounds| {
        let figures = figures_of_all(&target.rounds).into_iter();
        figures
            .filter(|(name, _)| name == figure)
            .map(|it| it.1)
            .next()
    };
    targets.find_map(of).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::round::{Flow, Round};
    use crate::saved::Series;
    use crate::workload::Workload;

    fn rounds(name: &str, rates: &[u64]) -> TargetRounds {
        let round = |rate: &u64| Round {
            produce: Flow::new(*rate, 0, 1.0, None),
            ..Round::default()
        };
        TargetRounds {
            name: name.to_owned(),
            rounds: rates.iter().map(round).collect(),
        }
    }

    fn saved() -> Saved {
        let mut saved = Saved::begin(Environment::default());
        for (name, ours) in [("a", [400, 900]), ("b", [100, 100])] {
            saved.series.push(Series {
                workload: Workload {
                    name: name.to_owned(),
                    ..Workload::default()
                },
                targets: vec![rounds("holdfast", &ours), rounds("apache", &[200, 300])],
            });
        }
        saved.singles.push(Single {
            figure: "start ms".to_owned(),
            target: "holdfast".to_owned(),
            value: 12.0,
        });
        saved
    }

    #[test]
    fn ratios_are_those_of_rounds_side_by_side() {
        let wanted = [
            at_least(2.0, "a", "records/s", Against::Apache),
            at_least(2.1, "a", "records/s", Against::Apache),
            at_most(4.0, "a", "records/s", Against::Own("b")),
            at_most(12.0, "", "start ms", Against::Nothing),
            at_most(11.0, "", "start ms", Against::Nothing),
        ];
        let verdicts = verdicts(&saved(), &wanted);
        let values: Vec<_> = verdicts.iter().map(|it| (it.value, it.reached)).collect();
        let expected = [
            (2.0, true),
            (2.0, false),
            (4.0, true),
            (12.0, true),
            (12.0, false),
        ];
        assert_eq!(values, expected);
        assert_eq!(verdicts[0].theirs, Some(200.0));
    }

    #[test]
    fn what_was_not_measured_has_no_verdict() {
        let wanted = [
            at_most(1.0, "c", "records/s", Against::Apache),
            at_most(1.0, "a", "p99 ms", Against::Apache),
            at_most(1.0, "", "idle", Against::Nothing),
        ];
        assert_eq!(verdicts(&saved(), &wanted), []);
    }
}
