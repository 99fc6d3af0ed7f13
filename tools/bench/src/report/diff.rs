//! Two saved runs side by side: what became better, what worse, and whether by more than is borne.

use comfy_table::{CellAlignment, Table, presets};

use crate::ratio::median;
use crate::round::figures_of_all;
use crate::saved::Saved;

/// Which way a figure should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Better {
    More,
    Less,
    /// It says something of the load generator, not of what it measured.
    Neither,
}

fn better(figure: &str) -> Better {
    match figure {
        _ if figure.starts_with("client ") => Better::Neither,
        _ if figure.ends_with("records/s") || figure.ends_with("MB/s") => Better::More,
        _ => Better::Less,
    }
}

/// What differs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diff {
    /// For a terminal.
    pub table: String,
    /// Figures that are worse by more than the threshold, in words.
    pub worse: Vec<String>,
    /// Workloads and targets that only one of the runs has.
    pub unmatched: Vec<String>,
}

/// Compares the medians of what both have: the same workload, by its name, against the same target.
pub fn diff(before: &Saved, after: &Saved, threshold: f64) -> Diff {
    let mut diff = Diff::default();
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["", "before", "after", "change", ""]);
    let (before, after) = (rounds(before), rounds(after));
    for (name, ours) in &after {
        let Some((_, theirs)) = before.iter().find(|(other, _)| other == name) else {
            diff.unmatched.push(format!("{name} is only in the second"));
            continue;
        };
        table.add_row([name.as_str()]);
        for (figure, after) in ours {
            let before = theirs.iter().find(|(other, _)| other == figure);
            let Some((before, after)) = before.map(|(_, before)| (*before, *after)) else {
                continue;
            };
            let change = after / before - 1.0;
            if !change.is_finite() {
                continue;
            }
            let is_worse = match better(figure) {
                Better::More => change < -threshold,
                Better::Less => change > threshold,
                Better::Neither => false,
            };
            let percent = format!("{:+.1}%", change * 100.0);
            table.add_row([
                format!("  {figure}"),
                format!("{before:.3}"),
                format!("{after:.3}"),
                percent.clone(),
                (if is_worse { "worse" } else { "" }).to_owned(),
            ]);
            if is_worse {
                diff.worse.push(format!("{name}: {figure} {percent}"));
            }
        }
    }
    for (name, _) in &before {
        if !after.iter().any(|(other, _)| other == name) {
            diff.unmatched.push(format!("{name} is only in the first"));
        }
    }
    for column in 1..4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.to_string();
    let lines = lines.lines().map(|line| format!("{}\n", line.trim_end()));
    diff.table = lines.collect();
    diff
}

/// Medians, by figure.
type Medians = Vec<(String, f64)>;

/// By workload and target.
fn rounds(saved: &Saved) -> Vec<(String, Medians)> {
    let of_series = saved.series.iter().flat_map(|series| {
        series.targets.iter().map(|target| {
            let figures = figures_of_all(&target.rounds).into_iter();
            let medians = figures.filter_map(|(name, values)| Some((name, median(&values)?)));
            let name = format!("{}, {}", series.workload.name, target.name);
            (name, medians.collect())
        })
    });
    of_series.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::round::{Costs, Flow, Round};
    use crate::saved::{Series, TargetRounds};
    use crate::workload::Workload;

    fn saved(workload: &str, records: u64, memory: f64) -> Saved {
        let round = Round {
            produce: Flow::new(records, 0, 1.0, None),
            broker: Some(Costs {
                resident_mb: memory,
                ..Costs::default()
            }),
            ..Round::default()
        };
        let mut saved = Saved::begin(Environment::default());
        saved.series.push(Series {
            workload: Workload {
                name: workload.to_owned(),
                ..Workload::default()
            },
            targets: vec![TargetRounds {
                name: "it".to_owned(),
                rounds: vec![round],
            }],
        });
        saved
    }

    #[test]
    fn what_is_worse_by_more_than_is_borne_is_named() {
        let before = saved("w", 1_000, 100.0);
        let worse = diff(&before, &saved("w", 850, 105.0), 0.1).worse;
        assert_eq!(worse, ["w, it: records/s -15.0%"]);
        let worse = diff(&before, &saved("w", 2_000, 120.0), 0.1).worse;
        assert_eq!(worse, ["w, it: broker memory MB +20.0%"]);
        assert!(
            diff(&before, &saved("w", 2_000, 50.0), 0.1)
                .worse
                .is_empty()
        );
        assert!(diff(&before, &saved("w", 850, 120.0), 0.3).worse.is_empty());
    }

    #[test]
    fn what_only_one_has_is_said() {
        let diff = diff(&saved("a", 1, 1.0), &saved("b", 1, 1.0), 0.1);
        assert_eq!(
            diff.unmatched,
            ["b, it is only in the second", "a, it is only in the first"]
        );
    }
}
