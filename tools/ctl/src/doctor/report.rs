//! For people.

use std::fmt::Write as _;

use super::{
    Diagnosis,
    findings::{Finding, Severity},
};

/// A line for each finding, the worst first, and below it why it matters and what to do.
pub fn diagnosis(diagnosis: &Diagnosis) -> String {
    let Diagnosis {
        errors,
        warnings,
        notes,
        findings,
    } = diagnosis;
    let mut text = format!("{errors} errors, {warnings} warnings, {notes} notes\n\n");
    let mut last = None;
    for it in findings {
        // What is well is a list; what is not has room around it.
        if last == Some(Severity::Ok) || last.is_none() {
            text.push_str(&finding(it));
        } else {
            let _ = write!(text, "\n{}", finding(it));
        }
        last = Some(it.severity);
    }
    text
}

fn finding(finding: &Finding) -> String {
    let Finding {
        check,
        severity,
        seen,
        why,
        remedy,
    } = finding;
    let mut text = format!("{:<8} {check}: {seen}\n", severity.name());
    for (name, value) in [("why", why), ("do", remedy)] {
        if !value.is_empty() {
            let _ = writeln!(text, "{:<8} {name}: {value}", "");
        }
    }
    text
}
