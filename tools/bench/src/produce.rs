//! Producing: batches are built before the run, so that the load generator costs little beside the broker.
//!
//! Each producer has a connection to each broker that leads some of the partitions, with a thread that sends and a thread that receives. It goes round
//! these partitions, one batch a request. Latency counts from when a request was due ([`Latencies::from_due`]); beside it stands the time from when it was really sent
//! ([`Latencies::from_sent`]). Where the two differ much, the load generator or a full window was late.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use client::Topic;
use hdrhistogram::Histogram;
use parking_lot::{Condvar, Mutex};
use protocol::ErrorCode;
use protocol::batch::{BatchBuilder, NewRecord};
use protocol::codec::StrBytes;
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{ApiKey, ProduceRequest, ProduceResponse, TopicName};
use protocol::wire::{decode_body, encode_request_frame};
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

use crate::link::{self, Receiver, Sender, set_correlation_id};
use crate::schedule::{Arrivals, Schedule};
use crate::{BenchError, topic};

/// The newest version that names topics, which every broker has.
const VERSION_MAX: i16 = 12;
const TIMEOUT_MS: i32 = 30_000;
/// Requests that are due are sent together up to so many bytes.
const SEND_BYTES_MAX: usize = 256 << 10;

/// What is produced.
#[derive(Clone, Debug)]
pub struct ProduceLoad {
    /// Bytes of a record's value.
    pub record_bytes: usize,
    /// Records of a batch, which is a request.
    pub batch_records: usize,
    /// Producers: connections to each broker that leads.
    pub producers: usize,
    /// When requests of all producers together are due.
    pub arrivals: Arrivals,
    /// Requests of a connection without an answer, at most.
    pub window: usize,
    /// -1 (all) or 1. With 0 there would be no answers to measure.
    pub acks: i16,
    /// Measured after this.
    pub warm_up: Duration,
    /// How long is measured, at least.
    pub duration: Duration,
    /// Bytes of values to send, at least: the measurement goes on until then.
    pub bytes_min: u64,
    /// Of record bytes and arrivals.
    pub seed: u64,
}

/// Latencies in microseconds.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// From when the request was due to its answer.
    pub from_due: Histogram<u64>,
    /// From when it was sent to its answer.
    pub from_sent: Histogram<u64>,
}

impl Latencies {
    fn new() -> Latencies {
        // Three significant digits, and as wide as it must be.
        let histogram =
            || Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are allowed"));
        Latencies {
            from_due: histogram(),
            from_sent: histogram(),
        }
    }
}

impl Latencies {
    fn record(&mut self, from_due: Duration, from_sent: Duration) -> Result<(), BenchError> {
        // The histograms grow with what they are given.
        self.from_due
            .record(micros(from_due))
            .and_then(|()| self.from_sent.record(micros(from_sent)))
            .map_err(|_| BenchError::Unexpected("a latency does not fit its histogram"))
    }
}

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Produced {
    /// Requests acknowledged while it was measured.
    pub requests: u64,
    /// Records of these.
    pub records: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// How long it was measured.
    pub elapsed: Duration,
    /// Records acknowledged in all, warm-up included.
    pub records_in_all: u64,
    /// Their latencies.
    pub latencies: Latencies,
}

/// A request that has no answer yet.
struct Sent {
    due: Instant,
    sent: Instant,
}

#[derive(Default)]
struct Flight {
    requests: VecDeque<Sent>,
    no_more: bool,
    broken: bool,
}

/// Between the thread that sends and the one that receives.
#[derive(Default)]
struct Pipe {
    flight: Mutex<Flight>,
    changed: Condvar,
}

/// Produces to all partitions of a topic.
pub fn run(bootstrap: &str, topic: &Topic, load: &ProduceLoad) -> Result<Produced, BenchError> {
    let version = topic::version(bootstrap, ApiKey::Produce, VERSION_MAX)?;
    let mut links = Vec::new();
    for (address, partitions) in topic::leaders(bootstrap, &topic.name)? {
        links.push((address, build_requests(topic, &partitions, load, version)?));
    }
    let connections = load.producers * links.len();
    let start = Instant::now();
    let results = std::thread::scope(|scope| {
        let producers: Vec<_> = (0..connections)
            .map(|number| {
                let (address, requests) = &links[number % links.len()];
                let place = Place {
                    number,
                    of: connections,
                    round: number / links.len(),
                };
                scope.spawn(move || produce(address, requests, load, version, place, start))
            })
            .collect();
        producers
            .into_iter()
            .map(|producer| {
                producer
                    .join()
                    .unwrap_or(Err(BenchError::Unexpected("a producer panicked")))
            })
            .collect::<Vec<_>>()
    });
    let mut sum = Produced {
        requests: 0,
        records: 0,
        bytes: 0,
        elapsed: load.duration,
        records_in_all: 0,
        latencies: Latencies::new(),
    };
    for result in results {
        let (latencies, in_all, sent_for) = result?;
        sum.elapsed = sum.elapsed.max(sent_for.saturating_sub(load.warm_up));
        sum.requests += latencies.from_due.len();
        sum.records_in_all += in_all * load.batch_records as u64;
        let merged = sum.latencies.from_due.add(&latencies.from_due);
        merged
            .and_then(|()| sum.latencies.from_sent.add(&latencies.from_sent))
            .map_err(|_| BenchError::Unexpected("histograms cannot be added"))?;
    }
    sum.records = sum.requests * load.batch_records as u64;
    sum.bytes = sum.records * load.record_bytes as u64;
    Ok(sum)
}

/// A connection among all.
#[derive(Clone, Copy)]
struct Place {
    number: usize,
    of: usize,
    /// Its number among those to the same broker.
    round: usize,
}

/// A request for each of some partitions.
fn build_requests(
    topic: &Topic,
    partitions: &[i32],
    load: &ProduceLoad,
    version: i16,
) -> Result<Vec<Vec<u8>>, BenchError> {
    let mut random = SmallRng::seed_from_u64(load.seed);
    let name = TopicName(StrBytes::from_string(topic.name.clone()));
    let requests = partitions.iter().map(|partition| {
        let mut batch = BatchBuilder::new();
        for _ in 0..load.batch_records {
            let mut value = vec![0; load.record_bytes];
            random.fill_bytes(&mut value);
            batch.push(&NewRecord {
                timestamp: now_ms(),
                value: Some(&value),
                ..NewRecord::default()
            });
        }
        let data = PartitionProduceData::default()
            .with_index(*partition)
            .with_records(Some(batch.build().freeze()));
        let data = TopicProduceData::default()
            .with_name(name.clone())
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_acks(load.acks)
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_data(vec![data]);
        Ok(encode_request_frame(version, 0, Some("holdfast-bench"), &request)?.to_vec())
    });
    requests.collect()
}

fn produce(
    address: &str,
    requests: &[Vec<u8>],
    load: &ProduceLoad,
    version: i16,
    place: Place,
    start: Instant,
) -> Result<(Latencies, u64, Duration), BenchError> {
    let (sender, mut receiver) = link::open(address)?;
    let pipe = Pipe::default();
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let sent = send(sender, requests, load, place, start, &pipe);
            let mut flight = pipe.flight.lock();
            flight.no_more = true;
            flight.broken |= sent.is_err();
            pipe.changed.notify_all();
            sent
        });
        let received = receive(&mut receiver, load, version, start, &pipe);
        if received.is_err() {
            pipe.flight.lock().broken = true;
            pipe.changed.notify_all();
        }
        let sent = sending
            .join()
            .unwrap_or(Err(BenchError::Unexpected("a sender panicked")));
        let sent_for = sent?;
        received.map(|(latencies, in_all)| (latencies, in_all, sent_for))
    })
}

fn send(
    mut sender: Sender,
    requests: &[Vec<u8>],
    load: &ProduceLoad,
    place: Place,
    start: Instant,
    pipe: &Pipe,
) -> Result<Duration, BenchError> {
    let seed = load.seed.wrapping_add(place.number as u64);
    let mut schedule = Schedule::new(shared_out(load, place.of), seed);
    let end = load.warm_up + load.duration;
    let batch_bytes = (load.record_bytes * load.batch_records) as u64;
    let requests_min = load
        .bytes_min
        .div_ceil(batch_bytes.max(1) * place.of as u64);
    let mut requests_sent = 0;
    let mut next = place.round;
    let mut correlation_id = 0;
    let mut bytes = Vec::with_capacity(SEND_BYTES_MAX);
    loop {
        let due = schedule.due();
        let is_time = due.unwrap_or_else(|| start.elapsed()) >= end;
        if is_time && requests_sent >= requests_min {
            return Ok(start.elapsed());
        }
        if let Some(wait) = due.and_then(|due| due.checked_sub(start.elapsed())) {
            std::thread::sleep(wait);
        }
        if !wait_for_room(pipe, load.window) {
            return Ok(start.elapsed());
        }
        bytes.clear();
        let now = Instant::now();
        let mut flight = pipe.flight.lock();
        // All that is due by now goes out in one write.
        while bytes.len() < SEND_BYTES_MAX && flight.requests.len() < load.window {
            let due = schedule.due().map_or(now, |due| start + due);
            if due > now || (due >= start + end && requests_sent >= requests_min) {
                break;
            }
            let request = &requests[next % requests.len()];
            let at = bytes.len();
            bytes.extend_from_slice(request);
            set_correlation_id(&mut bytes[at..], correlation_id);
            correlation_id = correlation_id.wrapping_add(1);
            next += load.producers;
            requests_sent += 1;
            flight.requests.push_back(Sent { due, sent: now });
            schedule.advance();
        }
        pipe.changed.notify_all();
        drop(flight);
        sender.send(&bytes)?;
    }
}

/// A connection's share of all arrivals.
fn shared_out(load: &ProduceLoad, connections: usize) -> Arrivals {
    let connections = connections as f64;
    match load.arrivals {
        Arrivals::Fixed { per_second } => Arrivals::Fixed {
            per_second: per_second / connections,
        },
        Arrivals::Poisson { per_second } => Arrivals::Poisson {
            per_second: per_second / connections,
        },
        Arrivals::Unlimited => Arrivals::Unlimited,
    }
}

/// False when the connection is of no use any more.
fn wait_for_room(pipe: &Pipe, window: usize) -> bool {
    let mut flight = pipe.flight.lock();
    while flight.requests.len() >= window && !flight.broken {
        pipe.changed.wait(&mut flight);
    }
    !flight.broken
}

fn receive(
    receiver: &mut Receiver,
    load: &ProduceLoad,
    version: i16,
    start: Instant,
    pipe: &Pipe,
) -> Result<(Latencies, u64), BenchError> {
    let mut latencies = Latencies::new();
    let measured_from = start + load.warm_up;
    let mut expected = 0;
    loop {
        {
            let mut flight = pipe.flight.lock();
            while flight.requests.is_empty() && !flight.no_more && !flight.broken {
                pipe.changed.wait(&mut flight);
            }
            if flight.requests.is_empty() || flight.broken {
                return Ok((latencies, expected as u64));
            }
        }
        let (id, body) = receiver.receive()?;
        let answered = Instant::now();
        if id != expected {
            return Err(BenchError::Unexpected("answers are out of order"));
        }
        expected += 1;
        check(body, version)?;
        let sent = {
            let mut flight = pipe.flight.lock();
            let sent = flight.requests.pop_front();
            pipe.changed.notify_all();
            sent.ok_or(BenchError::Unexpected("an answer to nothing"))?
        };
        if sent.due >= measured_from {
            latencies.record(answered - sent.due, answered - sent.sent)?;
        }
    }
}

fn check(body: bytes::Bytes, version: i16) -> Result<(), BenchError> {
    // A flexible header ends with its tagged fields, of which there are none.
    let body = match ApiKey::Produce.response_header_version(version) {
        0 => body,
        _ => body.slice(1..),
    };
    let answer: ProduceResponse = decode_body(body, version)?;
    let partitions = answer
        .responses
        .iter()
        .flat_map(|topic| &topic.partition_responses);
    for partition in partitions {
        if partition.error_code != 0 {
            let code = ErrorCode::from_code(partition.error_code);
            let code = code.unwrap_or(ErrorCode::UnknownServerError);
            return Err(BenchError::Refused {
                doing: "a produce request",
                code,
            });
        }
    }
    Ok(())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_recorded_as_long_as_it_was() {
        let mut latencies = Latencies::new();
        latencies
            .record(Duration::from_secs(40), Duration::from_millis(3))
            .unwrap();
        assert!(latencies.from_due.max() >= 40_000_000);
    }
}
