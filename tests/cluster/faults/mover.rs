//! Moves partitions from brokers to brokers, and gives them back to their preferred leaders, while other things happen.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use client::Connection;
use libtest_mimic::Failed;
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::SliceRandom};

use crate::{IDLE_TOPIC, NODES, PARTITIONS, TOPIC};

/// A broker that does not answer for so long is not asked any more.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two moves.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long it may take until everything is where it is to be, once all is well.
const SETTLED_MAX: Duration = Duration::from_secs(30);
/// Between two looks at that.
const LOOK: Duration = Duration::from_millis(100);

/// Moves until it is told to stop; returns how many moves began. What brokers refuse, or do not hear, is left.
pub fn move_about(addresses: &[String], seed: u64, stop: &AtomicBool) -> usize {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut moves = 0;
    while !stop.load(Ordering::SeqCst) {
        let address = &addresses[random.random_range(0..addresses.len())];
        let mut brokers: Vec<i32> = (1..).take(NODES).collect();
        brokers.shuffle(&mut random);
        let (topic, at_least) = match random.random() {
            true => (TOPIC, 2),
            // It may come and go as a whole: nobody waits for it.
            false => (IDLE_TOPIC, 1),
        };
        brokers.truncate(random.random_range(at_least..=NODES));
        let partition = random.random_range(0..PARTITIONS);
        let is_election = random.random_ratio(1, 5);
        let moved = Connection::connect(address, "mover", PATIENCE).and_then(|mut connection| {
            match is_election {
                true => connection.elect_preferred_leaders().map(|_| ()),
                false => connection.reassign(topic, partition, &brokers),
            }
        });
        moves += usize::from(moved.is_ok());
        thread::sleep(INTERVAL);
    }
    moves
}

/// Has every partition on all brokers again.
pub fn settle(addresses: &[String]) -> Result<(), Failed> {
    let brokers: Vec<i32> = (1..).take(NODES).collect();
    let deadline = Instant::now() + SETTLED_MAX;
    let mut connection = Connection::connect(&addresses[0], "mover", PATIENCE)?;
    for topic in [TOPIC, IDLE_TOPIC] {
        for partition in 0..PARTITIONS {
            connection.reassign(topic, partition, &brokers)?;
        }
    }
    // Of every broker, since each says what it knows.
    for address in addresses {
        let mut connection = Connection::connect(address, "mover", PATIENCE)?;
        loop {
            let under_way = connection.reassignments()?;
            if under_way == 0 {
                break;
            }
            if Instant::now() > deadline {
                return Err(format!("{under_way} partitions are still on their way").into());
            }
            thread::sleep(LOOK);
        }
    }
    Ok(())
}
