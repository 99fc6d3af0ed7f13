//! What was wanted, and what came of it.

use super::table::{Cells, shown};
use crate::saved::Saved;
use crate::suite::verdict::{Unmeasured, Verdict};

/// A line for each.
pub fn cells(saved: &Saved) -> Cells {
    let header = [
        "",
        "holdfast",
        "compared with",
        "ratio",
        "wanted",
        "reached",
    ];
    let measured = saved.verdicts.iter().map(measured);
    let unmeasured = saved.unmeasured.iter().map(unmeasured);
    Cells {
        header: header.map(str::to_owned).to_vec(),
        rows: measured.chain(unmeasured).collect(),
    }
}

fn measured(verdict: &Verdict) -> Vec<String> {
    let or = verdict.or.as_ref();
    let either = |first: String, second: Option<String>| match second {
        Some(second) => format!("{first} or {second}"),
        None => first,
    };
    let ratio = verdict.theirs.map(|_| format!("{:.2}", verdict.value));
    vec![
        verdict.what.clone(),
        shown(Some(verdict.ours)),
        either(shown(verdict.theirs), or.map(|it| shown(Some(it.theirs)))),
        either(
            ratio.unwrap_or_default(),
            or.map(|it| format!("{:.2}", it.value)),
        ),
        either(verdict.wanted.clone(), or.map(|it| it.wanted.clone())),
        if verdict.reached { "yes" } else { "no" }.to_owned(),
    ]
}

fn unmeasured(unmeasured: &Unmeasured) -> Vec<String> {
    let nothing = || "-".to_owned();
    vec![
        unmeasured.what.clone(),
        nothing(),
        nothing(),
        String::new(),
        String::new(),
        "not measured".to_owned(),
    ]
}

/// What is to be known of some lines: how something was measured, or why it was not.
pub fn notes(saved: &Saved) -> Vec<String> {
    let measured = saved.verdicts.iter();
    let measured = measured.filter_map(|it| Some(format!("{}: {}", it.what, it.note.as_ref()?)));
    let unmeasured = saved.unmeasured.iter();
    let unmeasured = unmeasured.map(|it| format!("{}: not measured, {}", it.what, it.why));
    measured.chain(unmeasured).collect()
}

/// Lines and notes for a terminal.
pub fn table(saved: &Saved) -> String {
    let notes = notes(saved).into_iter().map(|note| note + "\n");
    cells(saved).laid_out(1) + &notes.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::suite::verdict::Alternative;

    fn words(line: &str) -> Vec<&str> {
        line.split_whitespace().collect()
    }

    fn saved(verdicts: Vec<Verdict>) -> Saved {
        Saved {
            verdicts,
            ..Saved::begin(Environment::default())
        }
    }

    fn verdict() -> Verdict {
        Verdict {
            what: "1 KiB: records/s".to_owned(),
            ours: 4_000.0,
            theirs: Some(1_000.0),
            value: 4.0,
            wanted: ">= 2.00".to_owned(),
            or: None,
            reached: true,
            note: None,
        }
    }

    #[test]
    fn a_verdict_is_a_line() {
        let alone = Verdict {
            theirs: None,
            reached: false,
            ..verdict()
        };
        let table = table(&saved(vec![verdict(), alone]));
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(
            words(lines[1])[3..],
            ["4,000", "1,000", "4.00", ">=", "2.00", "yes"]
        );
        assert_eq!(words(lines[2])[3..], ["4,000", "-", ">=", "2.00", "no"]);
    }

    #[test]
    fn what_does_as_well_stands_beside_it() {
        let verdict = Verdict {
            value: 1.5,
            or: Some(Alternative {
                theirs: 4_100.0,
                value: 0.976,
                wanted: ">= 0.91".to_owned(),
                reached: true,
            }),
            ..verdict()
        };
        let line = cells(&saved(vec![verdict])).rows.remove(0);
        assert_eq!(
            line[1..],
            [
                "4,000",
                "1,000 or 4,100",
                "1.50 or 0.98",
                ">= 2.00 or >= 0.91",
                "yes"
            ]
        );
    }

    #[test]
    fn what_was_not_measured_says_why() {
        let mut saved = saved(Vec::new());
        saved.unmeasured.push(Unmeasured {
            what: "1 KiB: synced MB/s".to_owned(),
            why: "fio is not on the PATH".to_owned(),
        });
        let line = cells(&saved).rows.remove(0);
        assert_eq!(line.last().unwrap(), "not measured");
        assert_eq!(line.len(), cells(&saved).header.len());
        let why = "1 KiB: synced MB/s: not measured, fio is not on the PATH";
        assert_eq!(table(&saved).lines().last(), Some(why));
    }

    #[test]
    fn how_it_was_measured_stands_below() {
        let verdict = Verdict {
            note: Some("64 KiB a write".to_owned()),
            ..verdict()
        };
        let table = table(&saved(vec![verdict]));
        let last = table.lines().last();
        assert_eq!(last, Some("1 KiB: records/s: 64 KiB a write"));
    }
}
