//! What was wanted, and what came of it.

use super::table::{Cells, shown};
use crate::suite::verdict::Verdict;

/// A line for each.
pub fn cells(verdicts: &[Verdict]) -> Cells {
    let header = [
        "",
        "holdfast",
        "compared with",
        "ratio",
        "wanted",
        "reached",
    ];
    let row = |verdict: &Verdict| {
        let ratio = verdict.theirs.map(|_| format!("{:.2}", verdict.value));
        vec![
            verdict.what.clone(),
            shown(Some(verdict.ours)),
            shown(verdict.theirs),
            ratio.unwrap_or_default(),
            verdict.wanted.clone(),
            if verdict.reached { "yes" } else { "no" }.to_owned(),
        ]
    };
    Cells {
        header: header.map(str::to_owned).to_vec(),
        rows: verdicts.iter().map(row).collect(),
    }
}

/// The same for a terminal.
pub fn table(verdicts: &[Verdict]) -> String {
    cells(verdicts).laid_out(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_a_line() {
        let verdict = Verdict {
            what: "1 KiB: records/s".to_owned(),
            ours: 4_000.0,
            theirs: Some(1_000.0),
            value: 4.0,
            wanted: ">= 2.00".to_owned(),
            reached: true,
        };
        let alone = Verdict {
            theirs: None,
            reached: false,
            ..verdict.clone()
        };
        let table = table(&[verdict, alone]);
        let lines: Vec<&str> = table.lines().collect();
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            words(lines[1])[3..],
            ["4,000", "1,000", "4.00", ">=", "2.00", "yes"]
        );
        assert_eq!(words(lines[2])[3..], ["4,000", "-", ">=", "2.00", "no"]);
    }
}
