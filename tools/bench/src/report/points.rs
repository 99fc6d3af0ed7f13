//! Many workloads in one table: a line for each, and for each of its targets.

use super::table::{Cells, shown};
use crate::ratio::median;
use crate::round::{Round, figures_of_all};
use crate::saved::{Series, TargetRounds};

/// What a line says.
const FIGURES: [&str; 6] = [
    "records/s",
    "MB/s",
    "p50 ms",
    "p99 ms",
    "p99.9 ms",
    "max ms",
];

/// For a terminal. Medians of rounds, and a mark where it was not the brokers that were measured; why, of the first of these, is below.
pub fn table(series: &[Series]) -> String {
    let has_several_targets = series.iter().any(|series| series.targets.len() > 1);
    let mut cells = Cells::default();
    cells.header.push("workload".to_owned());
    if has_several_targets {
        cells.header.push("target".to_owned());
    }
    let numbers_from = cells.header.len();
    cells.header.extend(FIGURES.map(str::to_owned));
    cells.header.push(String::new());
    let mut first_limit = None;
    for (workload, target) in series.iter().flat_map(targets) {
        let mut row = vec![workload.to_owned()];
        if has_several_targets {
            row.push(target.name.clone());
        }
        row.extend(medians(&target.rounds).map(shown));
        row.push(marks(&target.rounds));
        let limit = target.rounds.iter().find_map(Round::client_limit);
        let names = row[..numbers_from].join(", ");
        first_limit = first_limit.or_else(|| Some(limited(&names, &limit?)));
        cells.rows.push(row);
    }
    cells.laid_out(numbers_from) + &first_limit.unwrap_or_default()
}

fn targets(series: &Series) -> impl Iterator<Item = (&str, &TargetRounds)> {
    let targets = series.targets.iter();
    targets.map(|target| (series.workload.name.as_str(), target))
}

fn medians(rounds: &[Round]) -> [Option<f64>; 6] {
    let figures = figures_of_all(rounds);
    FIGURES.map(|figure| {
        let (_, values) = figures.iter().find(|(name, _)| name == figure)?;
        median(values)
    })
}

fn marks(rounds: &[Round]) -> String {
    let is_limited = rounds.iter().any(|round| round.client_limit().is_some());
    let is_partial = rounds.iter().any(|round| round.ended_by.is_some());
    let marks = [(is_limited, "client limit"), (is_partial, "partial")];
    let marks = marks.into_iter().filter(|(is_so, _)| *is_so);
    marks.map(|(_, mark)| mark).collect::<Vec<_>>().join(", ")
}

fn limited(names: &str, limit: &str) -> String {
    format!("client limit: the load generator was what was measured, first with {names}: {limit}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::round::{Client, Flow};
    use crate::workload::Workload;

    fn point(name: &str, targets: &[(&str, u64)]) -> Series {
        let target = |(name, records): &(&str, u64)| TargetRounds {
            name: (*name).to_owned(),
            rounds: vec![Round {
                produce: Flow::new(*records, records * 1_000, 1.0, None),
                ..Round::default()
            }],
        };
        Series {
            workload: Workload {
                name: name.to_owned(),
                ..Workload::default()
            },
            targets: targets.iter().map(target).collect(),
        }
    }

    fn lines(series: &[Series]) -> Vec<Vec<String>> {
        let table = table(series);
        let lines = table.lines();
        let words = lines.map(|line| line.split_whitespace().map(str::to_owned).collect());
        words.collect()
    }

    #[test]
    fn each_point_has_a_line() {
        let series = [
            point("sweep rate=1k", &[("it", 1_000)]),
            point("sweep rate=2k", &[("it", 2_000)]),
        ];
        let lines = lines(&series);
        assert_eq!(lines[0][..3], ["workload", "records/s", "MB/s"]);
        assert_eq!(lines[0][9..], ["max", "ms"]);
        assert_eq!(lines[1][..4], ["sweep", "rate=1k", "1,000", "1.000"]);
        assert_eq!(lines[2][..4], ["sweep", "rate=2k", "2,000", "2.000"]);
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn several_targets_are_named() {
        let series = [point("w", &[("ours", 2_000), ("theirs", 1_000)])];
        let lines = lines(&series);
        assert_eq!(lines[0][..2], ["workload", "target"]);
        assert_eq!(lines[1][..3], ["w", "ours", "2,000"]);
        assert_eq!(lines[2][..3], ["w", "theirs", "1,000"]);
    }

    #[test]
    fn what_is_not_the_brokers_is_marked() {
        let mut limited = point("w", &[("it", 2_000)]);
        let round = &mut limited.targets[0].rounds[0];
        round.client = Client {
            busiest_thread: 0.97,
            ..Client::default()
        };
        round.ended_by = Some("interrupted".to_owned());
        let table = table(&[limited.clone(), point("v", &[("it", 1_000)]), limited]);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[1].ends_with("client limit, partial"), "{table}");
        assert!(!lines[2].contains("client limit"), "{table}");
        assert!(lines[4].contains("first with w: "), "{table}");
        assert!(lines[4].contains("97%"), "{table}");
        assert_eq!(lines.len(), 5);
    }
}
