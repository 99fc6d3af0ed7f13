//! Followers: what a leader has taken, taken over as it is.

use std::sync::Arc;

use bytes::Bytes;
use protocol::batch::{BatchHeader, batches};
use protocol::model::{LeaderEpoch, Offset};

use crate::fixture::{append_at, node, read_all, values};
use crate::log::{Log, ReplicaError, TailRead};

/// The leader's batches from an offset on.
fn taken(leader: &Arc<Log>, from: i64) -> Vec<(BatchHeader, Bytes)> {
    let read = leader.read_tail(Offset::new(from), leader.offsets().end, 1 << 20);
    let TailRead::Batches(chunks) = read.expect("in range") else {
        panic!("it is in memory");
    };
    let mut all = Vec::new();
    for chunk in chunks {
        for batch in batches(&chunk) {
            let (header, bytes) = batch.expect("well-formed");
            all.push((header, chunk.slice_ref(bytes)));
        }
    }
    all
}

fn follow(follower: &Arc<Log>, leader: &Arc<Log>) -> Result<(), ReplicaError> {
    for (header, batch) in taken(leader, follower.offsets().end.get()) {
        follower.append_replica(batch, &header, 0, None)?;
    }
    Ok(())
}

#[test]
fn a_follower_has_the_bytes_the_epochs_and_the_producers_of_its_leader() {
    let node = node();
    let mut running = node.start();
    let (leader, follower) = (running.create("a"), running.create("b"));
    append_at(&leader, 0, 3, &[b"one", b"two"]).expect("it is appended");
    append_at(&leader, 0, 5, &[b"three"]).expect("it is appended");
    follow(&follower, &leader).expect("it fits");
    assert_eq!(follower.offsets().durable_end, Offset::ZERO, "not yet");
    running.commit();
    assert_eq!(follower.offsets().durable_end, Offset::new(3));
    let mut running = node.crash(running);
    let (leader, follower) = (running.log("a"), running.log("b"));
    assert_eq!(read_all(&follower).0, read_all(&leader).0);
    let end = |log: &Log| log.end_of_epoch(LeaderEpoch::new(4));
    assert_eq!(end(&follower), Some((LeaderEpoch::new(3), Offset::new(2))));
    // It goes on where it was, and may lead.
    append_at(&leader, 0, 5, &[b"four"]).expect("it is appended");
    follow(&follower, &leader).expect("it fits");
    append_at(&follower, 0, 7, &[b"own"]).expect("it is appended");
    running.commit();
    assert_eq!(values(&follower), ["one", "two", "three", "four", "own"]);
}

#[test]
fn a_batch_of_another_place_or_an_older_epoch_is_refused() {
    let node = node();
    let running = node.start();
    let (leader, follower) = (running.create("a"), running.create("b"));
    append_at(&leader, 0, 3, &[b"one"]).expect("it is appended");
    append_at(&leader, 0, 3, &[b"two"]).expect("it is appended");
    let all = taken(&leader, 0);
    let append = |at: usize| {
        let (header, batch) = all[at].clone();
        follower.append_replica(batch, &header, 0, None)
    };
    let ahead = append(1);
    assert!(
        matches!(ahead, Err(ReplicaError::OutOfPlace { .. })),
        "{ahead:?}"
    );
    append(0).expect("its place");
    let again = append(0);
    assert!(
        matches!(again, Err(ReplicaError::OutOfPlace { .. })),
        "{again:?}"
    );
    append_at(&follower, 0, 4, &[b"own"]).expect("it is appended");
    let (header, batch) = {
        append_at(&leader, 0, 3, &[b"three"]).expect("it is appended");
        taken(&leader, 2).remove(0)
    };
    let older = follower.append_replica(batch, &header, 0, None);
    assert!(
        matches!(older, Err(ReplicaError::Epoch { .. })),
        "{older:?}"
    );
    assert_eq!(follower.offsets().end, Offset::new(2), "nothing was taken");
}

#[test]
fn a_log_may_begin_anywhere_and_take_the_place_of_another() {
    let node = node();
    let mut running = node.start();
    let log = running.create("a");
    append_at(&log, 0, 3, &[b"long gone"]).expect("it is appended");
    running.commit();
    let partition = log.partition();
    running.dir.drop_log(partition).expect("a good disk");
    let create = |running: &crate::fixture::Running| {
        let config = crate::log::LogConfig::default();
        let start = Offset::new(1_000);
        let durability = crate::log::Durability::Fsync;
        running
            .dir
            .create_log_at(partition, "a", durability, config, start)
            .expect("online")
    };
    let log = create(&running);
    append_at(&log, 0, 5, &[b"one", b"two"]).expect("it is appended");
    running.commit();
    assert_eq!(log.offsets().end, Offset::new(1_002));
    let mut running = node.crash(running);
    let log = running.log("a");
    assert_eq!(log.offsets().start, Offset::new(1_000));
    assert_eq!(log.high_watermark(), Offset::new(1_000));
    running.dir.write_behind(i64::MAX).expect("a good disk");
    running.dir.checkpoint(None).expect("a good disk");
    append_at(&log, 0, 5, &[b"three"]).expect("it is appended");
    running.commit();
    let running = node.crash(running);
    let log = running.log("a");
    let read = log.read_files(Offset::new(1_000), Offset::new(1_002), 1 << 20);
    assert!(!read.expect("in range").is_empty());
    assert_eq!(log.offsets().end, Offset::new(1_003));
    log.read_tail(Offset::new(999), log.offsets().end, 100)
        .expect_err("before the start");
    // An empty one survives too.
    running.dir.drop_log(partition).expect("a good disk");
    create(&running);
    let mut running = running;
    running.commit();
    let running = node.crash(running);
    assert_eq!(running.log("a").offsets().end, Offset::new(1_000));
}
