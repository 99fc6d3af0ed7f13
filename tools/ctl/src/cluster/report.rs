//! For people.

use std::fmt::Write as _;

use super::{
    apply::Step,
    facts::{PartitionName, QuorumMember},
    moves::Move,
    safe_to_stop::StopVerdict,
    status::Status,
};
use crate::format::columns;

/// A status: a few lines if all is well. What is worth a look though nothing is wrong with it is listed then with `all` only.
pub fn status(status: &Status, all: bool) -> String {
    let mut text = summary(status);
    for problem in &status.problems {
        let _ = writeln!(text, "! {problem}");
    }
    for (problem, count) in &status.partition_problems {
        let mark = if problem.is_unhealthy() { "!" } else { "-" };
        let _ = writeln!(text, "{mark} {count} partitions {}", problem.name());
    }
    for it in &status.unanswered {
        let _ = writeln!(text, "? {} not known: {}", it.what, it.why);
    }
    text.push('\n');
    text.push_str(&brokers(status));
    if all || !status.is_healthy {
        if !status.unhealthy_partitions.is_empty() {
            text.push('\n');
            text.push_str(&partitions(status));
        }
        if status.partitions_left_out > 0 {
            let _ = writeln!(text, "... and {} more (--all)", status.partitions_left_out);
        }
    }
    text
}

/// What was changed, or would be.
pub fn steps(steps: &[Step], is_planned: bool) -> String {
    if steps.is_empty() {
        return "nothing to change\n".to_owned();
    }
    let head = match is_planned {
        true => "would be changed:\n",
        false => "changed:\n",
    };
    let mut text = head.to_owned();
    for step in steps {
        let _ = writeln!(text, "  {step}");
    }
    text
}

/// What was moved, or would be.
pub fn moves(moves: &[Move], is_planned: bool) -> String {
    let count = moves.len();
    let text = match (count, is_planned) {
        (0, _) => return "nothing to move\n".to_owned(),
        (_, true) => format!("{count} partitions would be moved\n\n"),
        (_, false) => format!("{count} partitions were moved\n\n"),
    };
    let list = |ids: &[i32]| {
        let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
        ids.join(",")
    };
    let rows = moves
        .iter()
        .map(|it| [it.partition.to_string(), list(&it.from), list(&it.to)]);
    text + &columns(["partition", "from", "to"], rows)
}

fn summary(status: &Status) -> String {
    let health = if status.is_healthy {
        "healthy"
    } else {
        "NOT HEALTHY"
    };
    let mut text = format!(
        "{health}: {} brokers, {} topics, {} partitions; cluster {}\n",
        status.brokers.len(),
        status.topics,
        status.partitions,
        or_dash(status.cluster_id.as_ref())
    );
    if let Some(quorum) = &status.quorum {
        let members = |members: &[QuorumMember]| {
            let members = members.iter().map(|it| match it.is_caught_up {
                true => it.id.to_string(),
                false => format!("{} (lag {})", it.id, it.lag),
            });
            members.collect::<Vec<_>>().join(", ")
        };
        let voters = members(&quorum.voters);
        let _ = write!(text, "quorum: led by {}, voters {voters}", quorum.leader);
        if !quorum.observers.is_empty() {
            let _ = write!(text, ", observers {}", members(&quorum.observers));
        }
        text.push('\n');
    }
    text
}

fn brokers(status: &Status) -> String {
    let rows = status.brokers.iter().map(|it| {
        let state = match (it.answers, it.is_fenced) {
            (true, Some(true)) => "fenced",
            (true, _) => "up",
            (false, Some(true)) => "gone",
            (false, _) => "silent",
        };
        let is_controller = status.controller == Some(it.id);
        [
            format!("{}{}", it.id, if is_controller { "*" } else { "" }),
            it.address.clone(),
            or_dash(it.rack.as_ref()),
            state.to_owned(),
        ]
    });
    columns(["broker", "address", "rack", "state"], rows)
}

fn partitions(status: &Status) -> String {
    let rows = status.unhealthy_partitions.iter().map(|it| {
        let problems = it.problems.iter().map(|problem| problem.name());
        let lags = it.offset_lags.iter();
        let lags: Vec<String> = lags
            .map(|(broker, lag)| format!("{broker}:{lag}"))
            .collect();
        [
            it.name.to_string(),
            or_dash(it.leader.as_ref()),
            numbers(&it.replicas),
            numbers(&it.isr),
            it.min_isr.to_string(),
            numbers(&it.eligible_leader_replicas),
            if lags.is_empty() {
                "-".to_owned()
            } else {
                lags.join(" ")
            },
            problems.collect::<Vec<_>>().join(" "),
        ]
    });
    let head = [
        "partition",
        "leader",
        "replicas",
        "isr",
        "min",
        "elr",
        "lag",
        "",
    ];
    columns(head, rows)
}

/// Whether a broker can be stopped, and what speaks against it.
pub fn safe_to_stop(verdict: &StopVerdict) -> String {
    let broker = verdict.broker;
    let mut text = match verdict.is_safe {
        true => format!("safe: without broker {broker} everything can be written and read\n"),
        false => format!("NOT SAFE to stop broker {broker}\n"),
    };
    if !verdict.is_up {
        let _ = writeln!(text, "- it is not there now");
    }
    if let Some(quorum) = &verdict.quorum {
        let _ = writeln!(text, "! {quorum}");
    }
    for unknown in &verdict.unknown {
        let _ = writeln!(text, "? {unknown} cannot be asked for");
    }
    let lists = [
        (
            "nobody could lead",
            &verdict.offline,
            verdict.offline_left_out,
        ),
        (
            "too few in sync to write with acks=all",
            &verdict.under_min_isr,
            verdict.under_min_isr_left_out,
        ),
    ];
    for (what, partitions, left_out) in lists {
        if !partitions.is_empty() {
            let count = partitions.len() + left_out;
            let _ = writeln!(text, "! {what}: {count} partitions");
            for line in by_topic(partitions) {
                let _ = writeln!(text, "  {line}");
            }
            if left_out > 0 {
                let _ = writeln!(text, "  ... and {left_out} more (--all)");
            }
        }
    }
    text
}

/// Partitions that are sorted: a line for each topic.
fn by_topic(partitions: &[PartitionName]) -> impl Iterator<Item = String> {
    let topics = partitions.chunk_by(|one, other| one.topic == other.topic);
    topics.map(|of_topic| {
        let numbers: Vec<i32> = of_topic.iter().map(|it| it.partition).collect();
        let topic = of_topic.first().map_or("", |it| it.topic.as_str());
        format!("{topic}: {}", ranges(&numbers))
    })
}

/// `0-2,5`.
fn ranges(sorted: &[i32]) -> String {
    let runs = sorted.chunk_by(|one, next| next - one == 1);
    let runs = runs.map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        [one] => one.to_string(),
        [] => String::new(),
    });
    runs.collect::<Vec<_>>().join(",")
}

fn numbers(ids: &[i32]) -> String {
    let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
    if ids.is_empty() {
        "-".to_owned()
    } else {
        ids.join(",")
    }
}

fn or_dash<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| "-".to_owned(), T::to_string)
}
