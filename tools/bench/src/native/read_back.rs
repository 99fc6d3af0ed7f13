//! Reading back: every partition from where it began, by one consumer of all leaders at once. Record bytes are counted, not decoded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use client::Topic;
use parking_lot::Mutex;
use protocol::messages::ApiKey;

use super::end_to_end::At;
use super::follow::{Follower, Starts};
use super::{FETCH_VERSION_MAX, leaders};
use crate::course::Course;
use crate::interrupt::Interrupt;
use crate::{BenchError, topic};

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadBack {
    /// Records.
    pub records: u64,
    /// Bytes of their batches.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// Reads `records` records, those from `starts` on that are there first.
pub fn run(
    bootstrap: &str,
    topics: &[Topic],
    starts: &Starts,
    records: u64,
    interrupt: &Interrupt,
) -> Result<ReadBack, BenchError> {
    let version = topic::version(bootstrap, ApiKey::Fetch, FETCH_VERSION_MAX)?;
    let leaders = leaders::partitions_by_leader(bootstrap, topics)?;
    let course = Arc::new(Course::begin(Duration::ZERO, Duration::ZERO));
    interrupt.ends(&course);
    let (read, is_over) = (AtomicU64::new(0), AtomicBool::new(records == 0));
    let last = Mutex::new(course.start);
    let on_read = |more: u64| {
        *last.lock() = Instant::now();
        if read.fetch_add(more, Ordering::Relaxed) + more >= records {
            is_over.store(true, Ordering::Relaxed);
            course.hang_up();
        }
    };
    let bytes = std::thread::scope(|scope| {
        let reading: Vec<_> = leaders
            .iter()
            .map(|(address, partitions): (&String, &Vec<At>)| {
                let follower = Follower {
                    version,
                    address,
                    topics,
                    partitions,
                    starts,
                    course: &course,
                    group: None,
                    is_over: &is_over,
                    on_read: &on_read,
                };
                let course = &course;
                scope.spawn(move || match follower.run() {
                    Ok(followed) => followed.bytes,
                    Err(error) => {
                        course.fail(error);
                        0
                    }
                })
            })
            .collect();
        reading
            .into_iter()
            .map(|it| it.join().unwrap_or_default())
            .sum()
    });
    course.finish();
    match course.take_cause() {
        Some(cause) => Err(cause),
        None => Ok(ReadBack {
            records: read.into_inner(),
            bytes,
            elapsed: last.into_inner() - course.start,
        }),
    }
}
