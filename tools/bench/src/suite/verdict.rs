//! What came of what was wanted.

use serde::{Deserialize, Serialize};

use super::wanted::{Against, Bound, Comparison, Wanted};
use crate::ratio::{median, ratio};
use crate::round::figures_of_all;
use crate::saved::{Saved, TargetRounds};
use crate::targets::TargetKind;

/// What `fio` is called as the target of a [`Single`].
pub const FIO: &str = "fio";

/// Something that is measured outside of loads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Single {
    /// What.
    pub figure: String,
    /// Of whom.
    pub target: String,
    /// How much.
    pub value: f64,
    /// How it was measured, where that is not said elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Something that was wanted and could not be measured here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unmeasured {
    /// The load and the figure.
    pub what: String,
    /// Why not.
    pub why: String,
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
    /// What would do as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub or: Option<Alternative>,
    /// Whether it is so, or what would do as well is.
    pub reached: bool,
    /// How what it is compared with was measured, where that is not said elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A second comparison of the same figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// What it is compared with.
    pub theirs: f64,
    /// The ratio, of rounds side by side.
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
    let ours = values(
        saved,
        wanted.load,
        TargetKind::Holdfast.name(),
        wanted.figure,
    );
    let first = compare(saved, wanted, &ours, &wanted.comparison)?;
    let or = wanted.or.as_ref();
    let or = or.and_then(|or| Some((or, compare(saved, wanted, &ours, or)?)));
    let load = match wanted.load {
        "" => String::new(),
        load => format!("{load}: "),
    };
    let what = format!("{load}{}{}", wanted.figure, of(wanted.comparison.against));
    Some(Verdict {
        what: match &or {
            Some((or, _)) => format!("{what}, or{}", of(or.against)),
            None => what,
        },
        ours: median(&ours)?,
        theirs: first.theirs,
        value: first.value,
        wanted: first.wanted,
        reached: first.reached || or.as_ref().is_some_and(|(_, or)| or.reached),
        or: or.and_then(|(_, or)| {
            Some(Alternative {
                theirs: or.theirs?,
                value: or.value,
                wanted: or.wanted,
                reached: or.reached,
            })
        }),
        note: match wanted.comparison.against {
            Against::Fio => {
                let notes = by_fio(saved, wanted.figure).filter_map(|it| it.note.clone());
                Some(notes.collect::<Vec<_>>().join("; "))
            }
            _ => None,
        },
    })
}

fn by_fio<'a>(saved: &'a Saved, figure: &'a str) -> impl Iterator<Item = &'a Single> {
    let singles = saved.singles.iter();
    singles.filter(move |it| it.target == FIO && it.figure == figure)
}

struct Compared {
    theirs: Option<f64>,
    value: f64,
    wanted: String,
    reached: bool,
}

/// `None` if there is nothing to compare with, or of.
fn compare(
    saved: &Saved,
    wanted: &Wanted,
    ours: &[f64],
    comparison: &Comparison,
) -> Option<Compared> {
    let Wanted { load, figure, .. } = wanted;
    let theirs = match comparison.against {
        Against::Apache => Some(values(saved, load, TargetKind::Apache.name(), figure)),
        Against::Own(load) => Some(values(saved, load, TargetKind::Holdfast.name(), figure)),
        Against::Beside(target) => Some(values(saved, load, target, figure)),
        Against::Fio => Some(by_fio(saved, figure).map(|it| it.value).collect()),
        Against::Nothing => None,
    };
    let value = match &theirs {
        Some(theirs) => ratio(ours, theirs)?.median,
        None => median(ours)?,
    };
    let (sign, bound, reached) = match comparison.bound {
        Bound::AtMost(bound) => ("<=", bound, value <= bound),
        Bound::AtLeast(bound) => (">=", bound, value >= bound),
    };
    Some(Compared {
        theirs: theirs.and_then(|it| median(&it)),
        value,
        wanted: format!("{sign} {bound:.2}"),
        reached,
    })
}

fn of(against: Against) -> String {
    match against {
        Against::Apache => " of Apache Kafka's".to_owned(),
        Against::Own(load) => format!(" of that at {load}"),
        Against::Beside(target) => format!(" of the {target}'s"),
        Against::Fio => " of what fio writes".to_owned(),
        Against::Nothing => String::new(),
    }
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
    use crate::suite::wanted::{at_least, at_most};
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
            note: None,
        });
        saved
    }

    #[test]
    fn ratios_are_those_of_rounds_side_by_side() {
        let wanted = [
            at_least(2.5, "a", "records/s", Against::Apache),
            at_least(2.6, "a", "records/s", Against::Apache),
            at_most(6.5, "a", "records/s", Against::Own("b")),
            at_most(12.0, "", "start ms", Against::Nothing),
            at_most(11.0, "", "start ms", Against::Nothing),
        ];
        let verdicts = verdicts(&saved(), &wanted);
        let values: Vec<_> = verdicts.iter().map(|it| (it.value, it.reached)).collect();
        let expected = [
            (2.5, true),
            (2.5, false),
            (6.5, true),
            (12.0, true),
            (12.0, false),
        ];
        assert_eq!(values, expected);
        assert_eq!(verdicts[0].theirs, Some(250.0));
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

    fn with_null_server(rates: &[u64]) -> Saved {
        let mut saved = saved();
        saved.series[0].targets.push(rounds("null server", rates));
        saved
    }

    #[test]
    fn either_of_two_comparisons_is_enough() {
        let wanted = |ours| at_least(ours, "a", "records/s", Against::Apache);
        // Holdfast has 400 and 900 in its rounds, Apache Kafka 200 and 300.
        let cases = [
            (2.5, [1_000, 2_000], true),
            (2.6, [500, 1_000], true),
            (2.6, [1_000, 2_000], false),
        ];
        for (of_apache, of_null_server, reached) in cases {
            let null_server = Against::Beside("null server");
            let wanted = wanted(of_apache).or_at_least(0.8, null_server);
            let [verdict] = &verdicts(&with_null_server(&of_null_server), &[wanted])[..] else {
                panic!("one is wanted");
            };
            assert_eq!(verdict.reached, reached, "{verdict:?}");
            assert_eq!(
                verdict.what,
                "a: records/s of Apache Kafka's, or of the null server's"
            );
            assert_eq!((verdict.theirs, verdict.value), (Some(250.0), 2.5));
            let or = verdict.or.as_ref().unwrap();
            assert_eq!(or.theirs, (of_null_server[0] * 3 / 2) as f64);
            assert_eq!(or.wanted, ">= 0.80");
            assert_eq!(or.reached, of_null_server[0] == 500);
        }
    }

    #[test]
    fn what_would_do_as_well_may_be_missing() {
        let wanted = at_least(2.0, "a", "records/s", Against::Apache)
            .or_at_most(1.5, Against::Beside("bare loop"));
        let [verdict] = &verdicts(&saved(), &[wanted])[..] else {
            panic!("one is wanted");
        };
        assert_eq!((verdict.reached, &verdict.or), (true, &None));
        assert_eq!(verdict.what, "a: records/s of Apache Kafka's");
    }

    #[test]
    fn what_fio_writes_is_compared_with_the_round_beside_it() {
        let mut saved = saved();
        let wanted = [at_least(0.8, "a", "records/s", Against::Fio)];
        assert_eq!(verdicts(&saved, &wanted), []);
        // Holdfast has 400 and 900 in its rounds.
        for value in [500.0, 3_000.0] {
            saved.singles.push(Single {
                figure: "records/s".to_owned(),
                target: FIO.to_owned(),
                value,
                note: Some(format!("{value}")),
            });
        }
        let [verdict] = &verdicts(&saved, &wanted)[..] else {
            panic!("one is wanted");
        };
        let figures = (verdict.theirs, verdict.value, verdict.reached);
        assert_eq!(figures, (Some(1_750.0), 0.55, false));
        assert_eq!(verdict.what, "a: records/s of what fio writes");
        assert_eq!(verdict.note.as_deref(), Some("500; 3000"));
    }
}
