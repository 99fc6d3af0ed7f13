//! The threads of a run: two for each connection that sends, one for each that reads, and one that looks on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::end_to_end::Group;
use super::follow::{Followed, Follower};
use super::leaders::{Connection, Leader};
use super::produce::{Ended, Producer};
use super::{CaughtUp, Measured, Run};
use crate::BenchError;
use crate::course::{Course, Patience, UNREAD_MAX};
use crate::recorder::{self, INTERVAL, Interval, Recorder};

/// All that the threads of a run share.
pub(crate) struct UnderWay<'a> {
    run: &'a Run<'a>,
    course: &'a Course,
    leaders: &'a [Leader],
    /// One for each connection that sends.
    recorders: &'a [Recorder],
    groups: &'a [Group],
    /// An interval has passed, a producer has ended, or something was read.
    moved: Movement,
    /// Nobody reads any more.
    is_over: AtomicBool,
}

/// Tells who waits that something has moved.
#[derive(Default)]
struct Movement {
    count: Mutex<u64>,
    moved: Condvar,
}

impl<'a> UnderWay<'a> {
    pub(crate) fn new(
        run: &'a Run<'a>,
        course: &'a Course,
        leaders: &'a [Leader],
        recorders: &'a [Recorder],
        groups: &'a [Group],
    ) -> UnderWay<'a> {
        UnderWay {
            run,
            course,
            leaders,
            recorders,
            groups,
            moved: Movement::default(),
            is_over: AtomicBool::new(false),
        }
    }

    /// Until all is acknowledged and read, or the run cannot go on.
    pub(crate) fn run(
        &self,
        connections: &[Connection<'_>],
        (produce_version, fetch_version): (i16, i16),
    ) -> Measured {
        let mut measured = Measured::default();
        std::thread::scope(|scope| {
            let watching = scope.spawn(|| self.watch());
            let producing: Vec<_> = connections
                .iter()
                .enumerate()
                .map(|(number, connection)| {
                    scope.spawn(move || self.produce(number, connection, produce_version))
                })
                .collect();
            let backlog = self.wait_for_backlog(&producing);
            let begin = Instant::now();
            let following: Vec<_> = self
                .groups
                .iter()
                .flat_map(|group| self.leaders.iter().map(move |leader| (group, leader)))
                .map(|(group, leader)| {
                    scope.spawn(move || self.follow(group, leader, fetch_version))
                })
                .collect();
            for ended in producing.into_iter().filter_map(joined) {
                measured.on_produced(&ended);
            }
            // Connections that failed say nothing of how long they sent.
            if self.course.is_stopped() {
                measured.elapsed = measured.elapsed.max(self.course.start.elapsed());
            }
            self.wait_for_readers();
            self.is_over.store(true, Ordering::Relaxed);
            // Nobody waits for fetches that bring nothing.
            self.course.hang_up();
            let followed: Vec<Followed> = following.into_iter().filter_map(joined).collect();
            measured.on_followed(&followed, begin, backlog);
            self.course.finish();
            measured.timeline = watching.join().unwrap_or_default();
        });
        let warm_up = self.run.workload.warm_up.0;
        measured.elapsed = measured.elapsed.saturating_sub(warm_up);
        measured
    }

    fn produce(&self, number: usize, connection: &Connection<'_>, version: i16) -> Option<Ended> {
        let producer = Producer {
            workload: self.run.workload,
            version,
            connection,
            number,
            course: self.course,
            recorder: &self.recorders[number],
            groups: self.groups,
        };
        let ended = self.unless_failed(producer.run());
        self.moved.on_move();
        ended
    }

    fn follow(&self, group: &Group, leader: &Leader, version: i16) -> Option<Followed> {
        let follower = Follower {
            version,
            address: &leader.address,
            topics: self.run.topics,
            partitions: &leader.partitions,
            course: self.course,
            starts: self.run.starts,
            group: Some(group),
            is_over: &self.is_over,
            on_read: &|_| self.moved.on_move(),
        };
        self.unless_failed(follower.run())
    }

    fn unless_failed<T>(&self, outcome: Result<T, BenchError>) -> Option<T> {
        outcome.map_err(|error| self.course.fail(error)).ok()
    }

    /// Cuts the run into intervals.
    fn watch(&self) -> Vec<Interval> {
        recorder::follow(self.course, self.recorders, INTERVAL, |interval| {
            (self.run.on_interval)(interval);
            self.moved.on_move();
        })
    }

    /// Returns how many records are there by then.
    fn wait_for_backlog<T>(&self, producing: &[ScopedJoinHandle<'_, T>]) -> u64 {
        let backlog = self.run.workload.backlog.0;
        let written = || {
            self.recorders
                .iter()
                .map(Recorder::bytes_in_all)
                .sum::<u64>()
        };
        self.moved
            .wait(|| written() >= backlog || producing.iter().all(ScopedJoinHandle::is_finished));
        self.recorders.iter().map(Recorder::records_in_all).sum()
    }

    /// Until all groups have read all that was acknowledged.
    fn wait_for_readers(&self) {
        let unread = || self.groups.iter().map(Group::unseen).sum::<u64>();
        let is_done = || self.course.is_stopped() || unread() == 0;
        // Each interval that passes is a movement too: what is looked at is whether the number gets less.
        let mut patience = Patience::new(UNREAD_MAX);
        self.moved.wait(|| is_done() || patience.is_over(unread()));
        if !is_done() {
            self.course.fail(BenchError::Unread {
                records: unread(),
                waited: UNREAD_MAX,
            });
        }
    }
}

fn joined<T>(thread: ScopedJoinHandle<'_, Option<T>>) -> Option<T> {
    thread.join().ok().flatten()
}

impl Movement {
    fn on_move(&self) {
        *self.count.lock() += 1;
        self.moved.notify_all();
    }

    fn wait(&self, mut is_done: impl FnMut() -> bool) {
        let mut count = self.count.lock();
        while !is_done() {
            self.moved.wait(&mut count);
        }
    }
}

impl Measured {
    fn on_produced(&mut self, ended: &Ended) {
        self.elapsed = self.elapsed.max(ended.sent_for);
        self.from_sent.add(&ended.from_sent);
        self.late.add(&ended.late);
        self.had_to_wait += ended.had_to_wait;
        self.busiest_thread = self.busiest_thread.max(ended.busy.0);
    }

    fn on_followed(&mut self, followed: &[Followed], begin: Instant, backlog: u64) {
        for one in followed {
            self.fetched.records += one.records;
            self.fetched.bytes += one.bytes;
            self.fetched.latency.add(&one.fetches);
            self.busiest_thread = self.busiest_thread.max(one.busy.0);
        }
        let caught_up: Option<Vec<Instant>> = followed.iter().map(|it| it.caught_up).collect();
        let last = caught_up.and_then(|all| all.into_iter().max());
        self.caught_up = last.map(|last| CaughtUp {
            after: last - begin,
            backlog,
        });
    }
}
