//! Producing. Each producer has a connection to each broker that leads some of the partitions, with a thread that sends and one that receives.
//!
//! An open loop: a request is due when the schedule says so, whatever the answers do, and its latency counts from then. Beside it stands the
//! time from when it was really sent. They differ when the window was full, which is the broker's doing, or when the load generator was late,
//! which is its own: how late is measured too, from when a request was both due and had room.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use protocol::ErrorCode;
use protocol::messages::{ApiKey, ProduceResponse};
use protocol::wire::decode_body;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::end_to_end::{At, Batch, Group};
use super::leaders::Connection;
use super::link::{self, Receiver, Sender};
use crate::BenchError;
use crate::busy::{Busy, thread_cpu};
use crate::course::Course;
use crate::latency::Latency;
use crate::recorder::{Answer, Recorder};
use crate::workload::Workload;
use crate::workload::schedule::Schedule;

/// Requests that are due are sent together up to so many bytes.
const SEND_BYTES_MAX: usize = 256 << 10;

/// One connection, and what it sends.
pub(crate) struct Producer<'a> {
    pub(crate) workload: &'a Workload,
    pub(crate) version: i16,
    pub(crate) connection: &'a Connection<'a>,
    /// Its number among all connections.
    pub(crate) number: usize,
    pub(crate) course: &'a Course,
    pub(crate) recorder: &'a Recorder,
    /// Who reads what it writes.
    pub(crate) groups: &'a [Group],
}

/// What a connection says in the end.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    /// From when a request was sent to its answer.
    pub(crate) from_sent: Latency,
    /// How late requests were sent by the load generator's own fault.
    pub(crate) late: Latency,
    /// Requests that had to wait for room.
    pub(crate) had_to_wait: u64,
    /// From the begin of the run until its last request was sent.
    pub(crate) sent_for: Duration,
    /// Of its two threads, the busier.
    pub(crate) busy: Busy,
}

/// A request that has no answer yet.
struct Sent {
    at: At,
    due: Instant,
    sent: Instant,
}

#[derive(Default)]
struct Flight {
    requests: VecDeque<Sent>,
    /// When there was room again, after there had been none.
    room_at: Option<Instant>,
    no_more: bool,
    broken: bool,
}

/// Between the thread that sends and the one that receives.
#[derive(Default)]
struct Pipe {
    flight: Mutex<Flight>,
    /// There is room, or the connection is broken.
    room: Condvar,
    /// Something was sent, or there is no more.
    sent: Condvar,
}

impl Producer<'_> {
    /// Sends until the run is over and all is answered.
    pub(crate) fn run(&self) -> Result<Ended, BenchError> {
        let (sender, mut receiver) = link::open(self.connection.address, self.course)?;
        let pipe = Pipe::default();
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| {
                let sent = self.send(sender, &pipe);
                let mut flight = pipe.flight.lock();
                flight.no_more = true;
                flight.broken |= sent.is_err();
                pipe.sent.notify_all();
                sent
            });
            let received = self.receive(&mut receiver, &pipe);
            if received.is_err() {
                pipe.flight.lock().broken = true;
                pipe.room.notify_all();
            }
            let sent = sending.join();
            let sent = sent.unwrap_or(Err(BenchError::Unexpected("a sender panicked")));
            // What the broker said says more than that it then hung up.
            let (from_sent, receiving) = received?;
            let mut ended = sent?;
            ended.from_sent = from_sent;
            ended.busy = ended.busy.max(receiving);
            Ok(ended)
        })
    }

    fn send(&self, mut sender: Sender, pipe: &Pipe) -> Result<Ended, BenchError> {
        let course = self.course;
        let mut plan = Plan::new(self);
        let mut ended = Ended::default();
        let mut heads = Vec::with_capacity(SEND_BYTES_MAX);
        let mut chosen: Vec<usize> = Vec::new();
        while plan.goes_on() {
            if !course.sleep_until(plan.due(course.start)) {
                break;
            }
            let had_to_wait = match wait_for_room(pipe, self.workload.window) {
                Room::Now => false,
                Room::Later => true,
                Room::Never => break,
            };
            // Only now: it may have been too long until there was room.
            if plan.has_schedule() && course.gives_up(plan.due(course.start)) {
                self.give_up(&mut plan);
                break;
            }
            heads.clear();
            chosen.clear();
            let now = Instant::now();
            let mut bytes = 0;
            let mut flight = pipe.flight.lock();
            let room_at = flight.room_at.take();
            // All that is due by now goes out in one write.
            while bytes < SEND_BYTES_MAX && flight.requests.len() < self.workload.window {
                let due = plan.due(now);
                if due > now || !plan.goes_on() {
                    break;
                }
                if plan.has_schedule() {
                    let possible = room_at.map_or(due, |room_at| room_at.max(due));
                    ended.late.record(now - possible.min(now));
                    ended.had_to_wait += u64::from(had_to_wait);
                }
                let number = plan.next_request();
                let request = &self.connection.requests[number];
                request.put_head(plan.next_id(), &mut heads);
                bytes += request.len();
                chosen.push(number);
                flight.requests.push_back(Sent {
                    at: (request.topic, request.partition),
                    due,
                    sent: now,
                });
            }
            pipe.sent.notify_all();
            drop(flight);
            sender.send_pieces(&self.pieces(&heads, &chosen))?;
        }
        ended.sent_for = course.start.elapsed();
        ended.busy = Busy::new(thread_cpu(), course.start.elapsed());
        Ok(ended)
    }

    /// All that is due by now.
    fn give_up(&self, plan: &mut Plan<'_, '_>) {
        let now = Instant::now();
        while plan.goes_on() {
            let due = plan.due(now);
            if due > now {
                break;
            }
            if due >= self.course.measured_from {
                let records = self.workload.batch_records as u64;
                self.recorder.on_given_up(records, now - due, 1);
            }
            plan.skip_request();
        }
    }

    fn pieces<'b>(&'b self, heads: &'b [u8], chosen: &[usize]) -> Vec<&'b [u8]> {
        let mut pieces = Vec::with_capacity(3 * chosen.len());
        let mut at = 0;
        for number in chosen {
            let request = &self.connection.requests[*number];
            pieces.push(&heads[at..at + request.head_bytes()]);
            pieces.extend(request.rest());
            at += request.head_bytes();
        }
        pieces
    }

    fn receive(&self, receiver: &mut Receiver, pipe: &Pipe) -> Result<(Latency, Busy), BenchError> {
        let mut from_sent = Latency::default();
        let mut expected: i32 = 0;
        loop {
            {
                let mut flight = pipe.flight.lock();
                while flight.requests.is_empty() && !flight.no_more && !flight.broken {
                    pipe.sent.wait(&mut flight);
                }
                if flight.requests.is_empty() || flight.broken {
                    return Ok((
                        from_sent,
                        Busy::new(thread_cpu(), self.course.start.elapsed()),
                    ));
                }
            }
            let (id, body) = receiver.receive()?;
            let answered = Instant::now();
            if id != expected {
                return Err(BenchError::Unexpected("answers are out of order"));
            }
            expected = expected.wrapping_add(1);
            let offset = base_offset(body, self.version)?;
            let sent = {
                let mut flight = pipe.flight.lock();
                let sent = flight.requests.pop_front();
                if flight.requests.len() + 1 == self.workload.window {
                    flight.room_at = Some(answered);
                    pipe.room.notify_all();
                }
                sent.ok_or(BenchError::Unexpected("an answer to nothing"))?
            };
            self.on_answer(&sent, answered, offset, &mut from_sent);
        }
    }

    fn on_answer(&self, sent: &Sent, answered: Instant, offset: i64, from_sent: &mut Latency) {
        let is_measured = sent.due >= self.course.measured_from;
        let batch = Batch {
            due: sent.due,
            records: self.workload.batch_records as u64,
            bytes: self.workload.batch_bytes(),
            is_measured,
        };
        if is_measured {
            from_sent.record(answered - sent.sent);
        }
        self.recorder.on_answer(Answer {
            records: batch.records,
            bytes: batch.bytes,
            latency: answered - sent.due,
            weight: 1,
            is_measured,
        });
        for group in self.groups {
            group.on_acknowledged(sent.at, offset, batch);
        }
    }
}

/// What a connection sends next, and when.
struct Plan<'a, 'b> {
    producer: &'b Producer<'a>,
    schedule: Schedule,
    random: SmallRng,
    sent: u64,
    sent_min: u64,
    next: usize,
}

impl<'a, 'b> Plan<'a, 'b> {
    fn new(producer: &'b Producer<'a>) -> Plan<'a, 'b> {
        let workload = producer.workload;
        let seed = workload.seed.wrapping_add(producer.number as u64);
        let share = producer.connection.share;
        let bytes = workload.bytes.0 as f64 * share;
        Plan {
            producer,
            schedule: Schedule::new(workload.arrivals_of(share), seed),
            random: SmallRng::seed_from_u64(seed),
            sent: 0,
            sent_min: (bytes / workload.batch_bytes().max(1) as f64).ceil() as u64,
            next: producer.connection.round,
        }
    }

    fn has_schedule(&self) -> bool {
        self.schedule.due().is_some()
    }

    /// When the next request is due: without a schedule, at once.
    fn due(&self, now: Instant) -> Instant {
        let due = self.schedule.due();
        due.map_or(now, |due| self.producer.course.start + due)
    }

    fn goes_on(&self) -> bool {
        let course = self.producer.course;
        let is_time = match self.schedule.due() {
            Some(due) => course.start + due >= course.end,
            None => Instant::now() >= course.end,
        };
        !course.is_stopped() && (!is_time || self.sent < self.sent_min)
    }

    fn next_id(&self) -> i32 {
        // The number of those before, as the receiver counts them.
        self.sent.wrapping_sub(1) as i32
    }

    fn skip_request(&mut self) {
        self.sent += 1;
        self.schedule.advance();
    }

    fn next_request(&mut self) -> usize {
        self.skip_request();
        let Connection {
            requests, shares, ..
        } = self.producer.connection;
        if let Some(all) = shares.last() {
            let drawn = self.random.random_range(0.0..*all);
            return shares.partition_point(|share| *share <= drawn);
        }
        let number = self.next % requests.len();
        self.next += self.producer.workload.producers;
        number
    }
}

enum Room {
    Now,
    Later,
    /// The connection is of no use any more.
    Never,
}

fn wait_for_room(pipe: &Pipe, window: usize) -> Room {
    let mut flight = pipe.flight.lock();
    let mut room = Room::Now;
    while flight.requests.len() >= window && !flight.broken {
        room = Room::Later;
        pipe.room.wait(&mut flight);
    }
    match flight.broken {
        true => Room::Never,
        false => room,
    }
}

/// Where the batch is in the log.
fn base_offset(body: bytes::Bytes, version: i16) -> Result<i64, BenchError> {
    // A flexible header ends with its tagged fields, of which there are none.
    let body = match ApiKey::Produce.response_header_version(version) {
        0 => body,
        _ => body.slice(1.min(body.len())..),
    };
    let answer: ProduceResponse = decode_body(body, version)?;
    let mut partitions = answer
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses);
    let partition = partitions.next();
    let partition = partition.ok_or(BenchError::Unexpected("an answer about no partition"))?;
    match ErrorCode::from_code(partition.error_code).unwrap_or(ErrorCode::UnknownServerError) {
        ErrorCode::None => Ok(partition.base_offset),
        code => Err(BenchError::Refused {
            doing: "a produce request",
            code,
        }),
    }
}
