//! Results as a table: a column for each target, and ratios of rounds that ran side by side.

use comfy_table::{CellAlignment, Table, presets};

use crate::ratio::{median, ratio};
use crate::round::{Round, figures_of_all};
use crate::saved::{Series, TargetRounds};

/// A table before it is laid out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells {
    /// What the columns are.
    pub header: Vec<String>,
    /// As many cells each.
    pub rows: Vec<Vec<String>>,
}

impl Cells {
    /// As lines, with numbers from this column on.
    pub(super) fn laid_out(self, numbers_from: usize) -> String {
        let columns = self.header.len();
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header(self.header).add_rows(self.rows);
        for column in numbers_from..columns {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let lines = table.to_string();
        let lines = lines.lines().map(|line| format!("{}\n", line.trim_end()));
        lines.collect()
    }
}

/// The medians of all targets; of two and more, the ratio of the first to each other, with the least and the greatest.
pub fn cells(series: &Series) -> Cells {
    let Some((first, others)) = series.targets.split_first() else {
        return Cells::default();
    };
    let mut header = vec![series.workload.name.clone(), first.name.clone()];
    for target in others {
        header.push(target.name.clone());
        header.push(format!("{} / {}", first.name, target.name));
    }
    let others: Vec<_> = others.iter().map(|it| figures_of_all(&it.rounds)).collect();
    let row = |(name, ours): (String, Vec<f64>)| {
        let mut row = vec![name.clone(), shown(median(&ours))];
        for figures in &others {
            let theirs = figures.iter().find(|(other, _)| *other == name);
            let theirs = theirs.map_or(&[][..], |(_, values)| values);
            row.push(shown(median(theirs)));
            row.push(
                ratio(&ours, theirs).map_or_else(String::new, |it| match ours.len() {
                    1 => format!("{:.2}", it.median),
                    _ => format!("{:.2} ({:.2} - {:.2})", it.median, it.least, it.greatest),
                }),
            );
        }
        row
    };
    Cells {
        header,
        rows: figures_of_all(&first.rounds).into_iter().map(row).collect(),
    }
}

/// The same for a terminal.
pub fn table(series: &Series) -> String {
    cells(series).laid_out(1)
}

/// In a line: what came through, unless it was the load generator that was measured.
pub fn headline(target: &TargetRounds) -> String {
    let name = &target.name;
    if let Some(limit) = target.rounds.iter().find_map(Round::client_limit) {
        return format!("{name}: no headline, since the load generator was the limit: {limit}");
    }
    let of = |figure: &str| {
        let figures = figures_of_all(&target.rounds);
        let values = figures.into_iter().find(|(name, _)| name == figure);
        values.and_then(|(_, values)| median(&values))
    };
    let mut line = format!("{name}: {} records/s", shown(of("records/s")));
    for (figure, unit) in [
        ("MB/s", "MB/s"),
        ("p50 ms", "ms p50"),
        ("p99 ms", "ms p99"),
        ("end to end p99 ms", "ms p99 end to end"),
        ("broker CPU s/GB", "CPU s/GB"),
    ] {
        if let Some(value) = of(figure) {
            line += &format!(", {} {unit}", shown(Some(value)));
        }
    }
    line
}

/// Four digits that mean something.
pub(super) fn shown(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() >= 1e3 => grouped(value),
        Some(value) if value.abs() >= 100.0 => format!("{value:.1}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.3}"),
    }
}

/// Thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    match value < 0.0 {
        true => format!("-{out}"),
        false => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::round::{Client, Flow};
    use crate::workload::Workload;

    fn target(name: &str, rates: &[u64]) -> TargetRounds {
        let round = |records: &u64| Round {
            produce: Flow::new(*records, records * 100, 1.0, None),
            ..Round::default()
        };
        TargetRounds {
            name: name.to_owned(),
            rounds: rates.iter().map(round).collect(),
        }
    }

    #[test]
    fn ratios_are_of_rounds_side_by_side() {
        let series = Series {
            workload: Workload::default(),
            targets: vec![
                target("holdfast", &[3_000, 4_000, 9_000]),
                target("apache", &[1_000, 2_000, 3_000]),
            ],
        };
        let shown = table(&series);
        let row = shown
            .lines()
            .find(|line| line.trim_start().starts_with("records/s"));
        let words: Vec<&str> = row.unwrap().split_whitespace().collect();
        assert_eq!(
            words,
            ["records/s", "4,000", "2,000", "3.00", "(2.00", "-", "3.00)"]
        );
    }

    #[test]
    fn a_run_that_the_client_limited_has_no_headline() {
        let mut target = target("it", &[1_000]);
        assert!(headline(&target).starts_with("it: 1,000 records/s, 0.100 MB/s"));
        target.rounds[0].client = Client {
            busiest_thread: 0.97,
            ..Client::default()
        };
        assert!(headline(&target).contains("no headline"));
    }

    #[test]
    fn numbers_are_as_long_as_they_need_to_be() {
        let shown = |value| shown(Some(value));
        assert_eq!(shown(1_234_567.8), "1,234,568");
        assert_eq!(shown(-1_500.0), "-1,500");
        assert_eq!(shown(123.45), "123.5");
        assert_eq!(shown(0.123_4), "0.123");
    }
}
