//! Moves partitions from brokers to brokers, and gives them back to their preferred leaders, while other things happen.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use client::{ClientError, Connection, Quorum};
use libtest_mimic::Failed;
use peer::{Cluster, HoldfastCluster};
use protocol::model::Uuid;
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::SliceRandom};

use crate::{IDLE_TOPIC, NODES, PARTITIONS, TOPICS};

/// A broker that does not answer for so long is not asked any more.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two moves.
const INTERVAL: Duration = Duration::from_millis(250);
/// How long it may take until everything is where it is to be, once all is well.
const SETTLED_MAX: Duration = Duration::from_secs(30);
/// Between two looks at that.
const LOOK: Duration = Duration::from_millis(100);

/// What keeps others from moving anything while it is held.
pub type Moving = Mutex<()>;

/// Of each broker.
pub fn addresses(cluster: &HoldfastCluster) -> Vec<String> {
    cluster.bootstrap().split(',').map(str::to_owned).collect()
}

/// Moves until it is told to stop; returns how many moves began. What brokers refuse, or do not hear, is left.
pub fn move_about(
    addresses: &[String],
    seed: u64,
    idle_replicas_min: usize,
    moving: &Moving,
    stop: &AtomicBool,
) -> usize {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut moves = 0;
    while !stop.load(Ordering::SeqCst) {
        let address = &addresses[random.random_range(0..addresses.len())];
        let mut brokers: Vec<i32> = (1..).take(NODES).collect();
        brokers.shuffle(&mut random);
        let topic = TOPICS[random.random_range(0..TOPICS.len())];
        let at_least = match topic {
            // It may come and go as a whole: nobody waits for it.
            IDLE_TOPIC => idle_replicas_min,
            _ => 2,
        };
        brokers.truncate(random.random_range(at_least..=NODES));
        let partition = random.random_range(0..PARTITIONS);
        let is_election = random.random_ratio(1, 5);
        let guard = moving.lock().unwrap_or_else(PoisonError::into_inner);
        let moved = Connection::connect(address, "mover", PATIENCE).and_then(|mut connection| {
            match is_election {
                true => connection.elect_preferred_leaders().map(|_| ()),
                false => connection.reassign(topic, partition, &brokers),
            }
        });
        drop(guard);
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
    for topic in TOPICS {
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

/// Waits until every partition, and the metadata, would be there still if any one disk were lost, though those of `lost` have been already. Nothing
/// may be moved meanwhile. Returns who votes.
pub fn wait_redundant(addresses: &[String], lost: &[Uuid]) -> Result<Quorum, Failed> {
    let deadline = Instant::now() + SETTLED_MAX;
    loop {
        // As each of them knows it, since the last move may not have come to all.
        let quorums = addresses.iter().map(|address| redundant(address, lost));
        let quorums: Result<Option<Vec<_>>, _> = quorums.collect();
        match quorums {
            Ok(Some(mut quorums)) => return Ok(quorums.swap_remove(0)),
            _ if Instant::now() < deadline => thread::sleep(LOOK),
            Ok(None) => return Err("replicas, or voters, do not come back".into()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn redundant(address: &str, lost: &[Uuid]) -> Result<Option<Quorum>, ClientError> {
    let mut connection = Connection::connect(address, "mover", PATIENCE)?;
    let mut is_redundant = connection.reassignments()? == 0;
    let brokers: Vec<i32> = (1..).take(NODES).collect();
    for topic in TOPICS {
        for (partition, in_sync) in (0..).zip(connection.in_sync(topic)?) {
            if in_sync < 2 && is_redundant {
                connection.reassign(topic, partition, &brokers)?;
            }
            is_redundant &= in_sync >= 2;
        }
    }
    let quorum = connection.quorum()?;
    let mut voters = quorum.voters.iter();
    let all_vote = quorum.voters.len() == NODES && quorum.is_caught_up();
    let is_whole = all_vote && !voters.any(|it| lost.contains(&it.directory));
    Ok((is_redundant && is_whole).then_some(quorum))
}
