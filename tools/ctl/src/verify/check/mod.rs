//! Whether a history can be one of a log that keeps what it promises. Pure: a history in, anomalies out.
//!
//! The names are those of Jepsen's tests of logs, where it has them; `docs/operating/verify.md` says what each counts,
//! and what does not count.

mod anomaly;
mod consumers;
mod final_reads;
mod logs;
mod replicas;
mod sent;
mod verdict;
mod watermarks;

use super::history::{Event, History};

pub use anomaly::Anomaly;
pub use verdict::{Counts, EXAMPLES_MAX, Group, Verdict};

/// Everything that is wrong, the same kinds together. It takes memory for every record that was sent or read; a
/// [`Verdict`] bounds what is said of it.
pub fn check(history: &History) -> Vec<Anomaly> {
    let sent = sent::Sent::of(history);
    let mut anomalies = Vec::new();
    let logs = logs::Logs::of(history, &sent, &mut anomalies);
    logs.check_order(&sent, &mut anomalies);
    let readers = consumers::check(history, &logs, &mut anomalies);
    final_reads::check(history, &sent, &readers, &mut anomalies);
    watermarks::check(history, &mut anomalies);
    replicas::check(history, &mut anomalies);
    anomalies.extend(out_of_order(history));
    anomalies.sort_by_key(Anomaly::rank);
    anomalies
}

fn out_of_order(history: &History) -> impl Iterator<Item = Anomaly> {
    history.events.iter().filter_map(|event| match event {
        Event::Unknown {
            partition,
            batch,
            error,
            is_out_of_order: true,
            ..
        } => Some(Anomaly::OutOfOrderSequence {
            partition: *partition,
            batch: *batch,
            error: error.clone(),
        }),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
