//! What a verdict is for people.

use std::{fmt::Write as _, time::Duration};

use super::{check::Verdict, files::FilesReport, run::Outcome};
use crate::format::columns;

/// A run, in a few lines if nothing is wrong.
pub fn outcome(outcome: &Outcome) -> String {
    let mut text = verdict(&outcome.verdict);
    let topic = &outcome.topic;
    let fate = match outcome.is_topic_deleted {
        true => "was deleted",
        false => "is left as it is",
    };
    let _ = writeln!(text, "the topic {topic} {fate}");
    if let Some(history) = &outcome.history {
        let _ = writeln!(text, "the history is in {}", history.display());
    }
    text
}

/// A verdict, in a few lines if nothing is wrong.
pub fn verdict(verdict: &Verdict) -> String {
    let counts = &verdict.counts;
    let mut text = format!(
        "{} records sent, {} acknowledged, {} unknown, {} batches sent again\n",
        counts.sent, counts.acknowledged, counts.unknown, counts.retried_batches
    );
    for (error, count) in &counts.retried_for {
        let _ = writeln!(text, "  {count} after {error}");
    }
    if counts.longest_wait_us > 0 {
        let [waited, after] = [counts.longest_wait_us, counts.longest_wait_at_us]
            .map(|us| Duration::from_micros(us).as_secs_f64());
        let _ = writeln!(
            text,
            "the slowest batch, sent after {after:.1} s, was acknowledged {:.1} ms later",
            waited * 1e3
        );
    }
    let read: Vec<String> = counts
        .read
        .iter()
        .map(|(consumer, count)| format!("{count} by {consumer}"))
        .collect();
    if !read.is_empty() {
        let _ = writeln!(text, "read: {}", read.join(", "));
    }
    if verdict.is_clean() {
        text.push_str("no anomaly\n");
    }
    for group in &verdict.anomalies {
        let _ = writeln!(text, "{}: {}", group.name, group.count);
        for example in &group.examples {
            let _ = writeln!(text, "  {example}");
        }
        if group.examples.len() < group.count {
            text.push_str("  ...\n");
        }
    }
    text
}

/// Files that were compared: a line for each partition, with starts and ends in the order of the directories, and below what is
/// wrong.
pub fn files(report: &FilesReport) -> String {
    let rows = report.partitions.iter().map(|partition| {
        let replicas = partition.replicas.iter();
        let starts = replicas.clone().map(|it| it.start.to_string());
        let ends = replicas.clone().map(|it| it.end.to_string());
        let problems: usize = replicas.map(|it| it.problems.len()).sum();
        [
            format!("{}-{}", report.topic, partition.partition),
            starts.collect::<Vec<_>>().join("/"),
            ends.collect::<Vec<_>>().join("/"),
            format!("{}..{}", partition.start, partition.end),
            partition.batches.to_string(),
            problems.to_string(),
        ]
    });
    let head = [
        "partition",
        "starts",
        "ends",
        "compared",
        "batches alike",
        "problems",
    ];
    let mut text = columns(head, rows);
    for replica in report.partitions.iter().flat_map(|it| &it.replicas) {
        for problem in &replica.problems {
            let _ = writeln!(text, "! {}: {problem}", replica.directory.display());
        }
    }
    if report.is_clean() {
        text.push_str("all replicas are alike\n");
    }
    text
}
