//! A consumer that fetches from leaders and notes what it is given.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use client::{ClientError, Connection, FetchAt, FetchLimits, FetchedPartition};
use protocol::{ErrorCode, model::Offset};
use rand::{Rng, rngs::SmallRng};

use super::{Run, answer};
use crate::{
    leaders::Leader,
    seeds::CLIENT_ID,
    verify::history::{Consumer, Event, Poll},
};

/// A broker that takes longer is left.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// After an error.
const BACKOFF: Duration = Duration::from_millis(50);
/// For so long brokers wait for something to come.
const WAIT_MAX: Duration = Duration::from_millis(200);
/// Between two looks of the one that reads from anywhere.
const LOOK_INTERVAL: Duration = Duration::from_millis(40);
const BYTES_MAX: i32 = 8 << 20;

/// A consumer of all partitions.
pub(super) struct Reader<'a> {
    run: &'a Run,
    consumer: Consumer,
    /// By partition.
    positions: Vec<i64>,
    /// The high watermarks that were noted last, so that an idle log has no long history.
    noted: Vec<Option<i64>>,
    /// By address of the leader.
    connections: BTreeMap<String, Connection>,
}

/// How much is asked for in one request.
#[derive(Clone, Copy)]
pub(super) enum At {
    /// One partition.
    OnePartition,
    /// All that have the same leader.
    AllPartitions,
}

/// What one leader is asked.
struct Asked {
    leader: Leader,
    at: Vec<FetchAt>,
    asked_us: u64,
    connection: Connection,
}

impl<'a> Reader<'a> {
    /// At the start of each partition.
    pub fn new(run: &'a Run, consumer: Consumer) -> Reader<'a> {
        let mut reader = Reader {
            run,
            consumer,
            positions: run.starts.clone(),
            noted: vec![None; run.starts.len()],
            connections: BTreeMap::new(),
        };
        for (partition, start) in (0..).zip(&run.starts) {
            reader.seek(partition, *start);
        }
        reader
    }

    /// Reads everything as it comes, until it is enough.
    pub fn tail(mut self) {
        let all: Vec<i32> = (0..self.run.topic.partitions).collect();
        let limits = limits(BYTES_MAX, WAIT_MAX);
        while self.run.readers_stop.since().is_none() {
            self.poll_or_wait(&all, limits);
        }
    }

    /// Reads again what is known to be there, from anywhere, until it is enough.
    pub fn look_around(mut self, mut random: SmallRng) {
        while !self.run.readers_stop.wait(LOOK_INTERVAL) {
            let partition = random.random_range(0..self.run.topic.partitions);
            let (start, end) = (
                self.run.start(partition),
                self.run.recorder.known_end(partition),
            );
            if start < end {
                self.seek(partition, random.random_range(start..end));
                let bytes_max = 1 << random.random_range(8..16);
                // Twice, since what follows an answer has to follow it.
                for _ in 0..2 {
                    self.poll_or_wait(&[partition], limits(bytes_max, Duration::ZERO));
                }
            }
        }
    }

    /// Reads partitions up to their ends, so much of each at a time. What cannot be read is left when nothing has come for
    /// as long as patience goes.
    pub fn read_to(mut self, ends: &[(i32, i64)], bytes_max: i32, at: At) {
        let mut progress = Instant::now();
        loop {
            let behind = ends.iter().filter(|(it, end)| self.position(*it) < *end);
            let behind: Vec<i32> = behind.map(|(partition, _)| *partition).collect();
            if behind.is_empty() || progress.elapsed() > self.run.patience {
                return;
            }
            let count = match at {
                At::OnePartition => 1,
                At::AllPartitions => behind.len(),
            };
            for partitions in behind.chunks(count) {
                if self.poll_or_wait(partitions, limits(bytes_max, WAIT_MAX)) {
                    progress = Instant::now();
                }
            }
        }
    }

    fn position(&self, partition: i32) -> i64 {
        let at = usize::try_from(partition).ok();
        at.and_then(|at| self.positions.get(at))
            .copied()
            .unwrap_or(0)
    }

    fn seek(&mut self, partition: i32, offset: i64) {
        self.move_to(partition, offset);
        self.run.recorder.note(Event::Seek {
            at_us: self.run.recorder.now_us(),
            consumer: self.consumer,
            partition,
            offset,
        });
    }

    fn move_to(&mut self, partition: i32, offset: i64) {
        let at = usize::try_from(partition).ok();
        if let Some(position) = at.and_then(|at| self.positions.get_mut(at)) {
            *position = offset;
        }
    }

    /// Polls partitions once; where one fails, its leader is asked for anew, after a moment. Says whether anything came.
    fn poll_or_wait(&mut self, partitions: &[i32], limits: FetchLimits) -> bool {
        let (generation, _) = self.run.leaders.of(0);
        let (is_progress, has_failed) = self.poll(partitions, limits);
        if has_failed {
            thread::sleep(BACKOFF);
            // Who cannot be asked now is asked again at the next poll.
            let _ = self.run.leaders.refresh(generation);
        }
        is_progress
    }

    /// Asks all leaders at once. Says whether anything came, and whether anything failed.
    fn poll(&mut self, partitions: &[i32], limits: FetchLimits) -> (bool, bool) {
        let mut by_leader: BTreeMap<String, (Leader, Vec<FetchAt>)> = BTreeMap::new();
        let (mut is_progress, mut has_failed) = (false, false);
        for &partition in partitions {
            let (_, Some(leader)) = self.run.leaders.of(partition) else {
                has_failed = true;
                continue;
            };
            let at = FetchAt {
                partition,
                offset: Offset::new(self.position(partition)),
                leader_epoch: leader.epoch,
            };
            let asked = by_leader.entry(leader.address.clone());
            asked.or_insert_with(|| (leader, Vec::new())).1.push(at);
        }
        let mut all_asked = Vec::new();
        for (leader, at) in by_leader.into_values() {
            match self.ask(leader, at, limits) {
                Ok(asked) => all_asked.push(asked),
                Err(_) => has_failed = true,
            }
        }
        for mut asked in all_asked {
            match asked.connection.receive_fetched(&asked.at) {
                Ok(fetched) => {
                    let at_us = self.run.recorder.now_us();
                    for fetched in &fetched {
                        match self.take(&asked, at_us, fetched) {
                            Ok(came) => is_progress |= came,
                            Err(()) => has_failed = true,
                        }
                    }
                    let address = asked.leader.address;
                    self.connections.insert(address, asked.connection);
                }
                Err(_) => has_failed = true,
            }
        }
        (is_progress, has_failed)
    }

    fn ask(
        &mut self,
        leader: Leader,
        at: Vec<FetchAt>,
        limits: FetchLimits,
    ) -> Result<Asked, ClientError> {
        let mut connection = match self.connections.remove(&leader.address) {
            Some(connection) => connection,
            None => Connection::connect(&leader.address, CLIENT_ID, SILENCE_MAX)?,
        };
        let asked_us = self.run.recorder.now_us();
        connection.send_fetch(&self.run.topic, &at, limits)?;
        Ok(Asked {
            leader,
            at,
            asked_us,
            connection,
        })
    }

    /// Notes what was fetched of a partition, and goes on behind it. Says whether there was anything.
    fn take(&mut self, asked: &Asked, at_us: u64, fetched: &FetchedPartition) -> Result<bool, ()> {
        let partition = fetched.partition;
        let at = asked.at.iter().find(|at| at.partition == partition);
        let at = at.ok_or(())?;
        let from = at.offset.get();
        match fetched.error {
            ErrorCode::None => {}
            ErrorCode::OffsetOutOfRange => {
                self.run.recorder.note(Event::OutOfRange {
                    at_us,
                    consumer: self.consumer,
                    partition,
                    offset: from,
                    leader: asked.leader.id,
                });
                return Err(());
            }
            _ => return Err(()),
        }
        let answer = answer::read(self.run.id, from, &fetched.records);
        let high_watermark = fetched.high_watermark.map(Offset::get);
        let noted = usize::try_from(partition).ok();
        let noted = noted.and_then(|at| self.noted.get_mut(at)).ok_or(())?;
        if answer.records.is_empty() && *noted == high_watermark {
            return Ok(false);
        }
        *noted = high_watermark;
        self.run.recorder.note(Event::Poll(Poll {
            asked_us: asked.asked_us,
            at_us,
            consumer: self.consumer,
            partition,
            from,
            leader: asked.leader.id,
            leader_epoch: at.leader_epoch,
            high_watermark,
            records: answer.records,
        }));
        if let Some(next) = answer.next {
            self.move_to(partition, next);
        }
        Ok(answer.next.is_some())
    }
}

fn limits(partition_bytes_max: i32, wait_max: Duration) -> FetchLimits {
    FetchLimits {
        wait_max,
        partition_bytes_max,
        bytes_max: BYTES_MAX,
    }
}
