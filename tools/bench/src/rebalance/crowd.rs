//! A group of very many members, and what others notice of it: how long their heartbeats take while it comes together and while one more joins.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use client::{ClientError, Topic};
use hdrhistogram::Histogram;

use super::consumer::Member;
use super::{Protocol, REST_WITHIN, World};
use crate::BenchError;
use crate::topic;

/// Members that share a connection.
const PER_CONNECTION: usize = 250;
/// What other groups notice without a crowd is measured for so long.
const BEFORE: Duration = Duration::from_secs(2);
/// The longest sleep of a crowd's thread, so that it hears of the end.
const NAP_MAX: Duration = Duration::from_millis(20);
/// Between two heartbeats of the others.
const PROBE_INTERVAL: Duration = Duration::from_millis(5);
const OTHERS: usize = 4;
/// Latencies in microseconds, to a minute, to three digits.
const LATENCY_MAX: u64 = 60_000_000;
const DIGITS: u8 = 3;

/// What was seen.
#[derive(Clone, Debug)]
pub struct CrowdReport {
    /// Until all members had their shares.
    pub gathered: Duration,
    /// Until they had again, after one more came.
    pub arrival: Duration,
    /// Microseconds of the others' heartbeats before there was a crowd.
    pub before: Histogram<u64>,
    /// And with it.
    pub beside: Histogram<u64>,
}

struct Crowd<'a> {
    world: &'a World,
    owned: Mutex<BTreeMap<usize, BTreeSet<i32>>>,
    members: AtomicUsize,
    stop: AtomicBool,
}

/// Has a crowd gather in a group of the consumer protocol.
pub fn crowd(
    bootstrap: &str,
    name: &str,
    members: usize,
    partitions: i32,
) -> Result<CrowdReport, BenchError> {
    let topic = topic::create(bootstrap, name, partitions, &[])?;
    let few = topic::create(bootstrap, &format!("{name}-few"), 4, &[])?;
    let world = World::new(bootstrap, name, &topic, Protocol::Consumer);
    let crowd = Crowd {
        world: &world,
        owned: Mutex::default(),
        members: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    };
    let is_beside = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        let others: Vec<_> = (0..OTHERS)
            .map(|number| {
                let (crowd, few, is_beside) = (&crowd, &few, &is_beside);
                let group = format!("{name}-other-{number}");
                scope.spawn(move || probe(bootstrap, &group, few, crowd, is_beside))
            })
            .collect();
        let times = gather(scope, &crowd, &is_beside, members);
        crowd.stop.store(true, Ordering::SeqCst);
        let (mut before, mut beside) = (latencies(), latencies());
        for other in others {
            let seen = other
                .join()
                .map_err(|_| BenchError::Unexpected("a probing thread panicked"))??;
            before += seen.0;
            beside += seen.1;
        }
        let (gathered, arrival) = times?;
        Ok(CrowdReport {
            gathered,
            arrival,
            before,
            beside,
        })
    });
    topic::delete(bootstrap, name)?;
    topic::delete(bootstrap, &few.name)?;
    outcome
}

fn gather<'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    crowd: &'scope Crowd<'scope>,
    is_beside: &AtomicBool,
    members: usize,
) -> Result<(Duration, Duration), BenchError> {
    std::thread::sleep(BEFORE);
    is_beside.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    let mut first = 0;
    while first < members {
        let count = PER_CONNECTION.min(members - first);
        crowd.members.fetch_add(count, Ordering::SeqCst);
        let numbers = first..first + count;
        scope.spawn(move || crowd.run(numbers));
        first += count;
    }
    crowd.rest(begun)?;
    let gathered = begun.elapsed();
    super::calm();
    let begun = Instant::now();
    crowd.members.fetch_add(1, Ordering::SeqCst);
    scope.spawn(move || crowd.run(members..members + 1));
    crowd.rest(begun)?;
    Ok((gathered, begun.elapsed()))
}

impl Crowd<'_> {
    /// The heartbeats of some members, on one connection.
    fn run(&self, numbers: std::ops::Range<usize>) -> Result<(), ClientError> {
        let mut connection = self.world.connect()?;
        let id = |number: usize| format!("member-{number:05}");
        let mut members: Vec<(Instant, usize, Member)> = numbers
            .map(|number| {
                let member = Member::new(&self.world.group, id(number), &self.world.topic);
                (Instant::now(), number, member)
            })
            .collect();
        while !self.stop.load(Ordering::SeqCst) {
            for (due, number, member) in &mut members {
                if *due > Instant::now() {
                    continue;
                }
                let next = member.beat(&mut connection)?;
                *due = Instant::now() + next;
                let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
                owned.insert(*number, member.owned.clone());
            }
            let next = members.iter().map(|(due, ..)| *due).min();
            let wait = next.map_or(NAP_MAX, |due| due.saturating_duration_since(Instant::now()));
            std::thread::sleep(wait.min(NAP_MAX));
        }
        Ok(())
    }

    fn rest(&self, begun: Instant) -> Result<(), BenchError> {
        while begun.elapsed() < REST_WITHIN {
            if self.is_at_rest() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(BenchError::Unexpected("the crowd does not come to rest"))
    }

    fn is_at_rest(&self) -> bool {
        let owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let members = self.members.load(Ordering::SeqCst);
        let partitions = usize::try_from(self.world.topic.partitions).unwrap_or(0);
        let shares = partitions / members..=partitions.div_ceil(members);
        let sum: usize = owned.values().map(BTreeSet::len).sum();
        let has_share = |owned: &BTreeSet<i32>| shares.contains(&owned.len());
        owned.len() == members && sum == partitions && owned.values().all(has_share)
    }
}

/// A member of a small group, and how long its heartbeats take.
fn probe(
    bootstrap: &str,
    group: &str,
    topic: &Topic,
    crowd: &Crowd<'_>,
    is_beside: &AtomicBool,
) -> Result<(Histogram<u64>, Histogram<u64>), ClientError> {
    let world = World::new(bootstrap, group, topic, Protocol::Consumer);
    let mut connection = world.connect()?;
    let mut member = Member::new(group, "other".to_owned(), topic);
    let (mut before, mut beside) = (latencies(), latencies());
    while !crowd.stop.load(Ordering::SeqCst) {
        let sent = Instant::now();
        member.beat(&mut connection)?;
        let micros = u64::try_from(sent.elapsed().as_micros()).unwrap_or(LATENCY_MAX);
        match is_beside.load(Ordering::SeqCst) {
            true => beside.saturating_record(micros),
            false => before.saturating_record(micros),
        }
        std::thread::sleep(PROBE_INTERVAL);
    }
    Ok((before, beside))
}

fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX, DIGITS).expect("sensible bounds")
}
