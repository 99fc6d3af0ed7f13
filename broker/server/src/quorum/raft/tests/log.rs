//! What a voter must not forget, and the bytes of its entries.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use openraft::CommittedLeaderId;
use openraft::storage::RaftLogStorage;

use super::super::entry::{decode, encode};
use super::super::log::RaftLog;
use super::super::types::{Entry, LogId, MetadataEntry, Payload, Vote, VoterId};
use crate::testing::small_data_dir;

#[tokio::test]
async fn a_vote_outlives_a_restart_and_a_log_that_lost_it_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let vote = Vote::new(3, VoterId::from(7));
    {
        let (data_dir, workers) = small_data_dir(directory.path());
        let mut log = RaftLog::open(&data_dir, true, || 0).expect("an empty directory");
        log.save_vote(&vote).await.expect("a good disk");
        drop(log);
        workers.stop().expect("a last checkpoint");
    }
    let state = directory.path().join("raft-state");
    let good = std::fs::read(&state).expect("it is there");
    let open = |may_create| {
        let (data_dir, workers) = small_data_dir(directory.path());
        let log = RaftLog::open(&data_dir, may_create, || 0);
        workers.stop().expect("a last checkpoint");
        log
    };
    let mut log = open(false).expect("a log and its vote");
    assert_eq!(log.read_vote().await.expect("it was read"), Some(vote));
    drop(log);

    std::fs::remove_file(&state).expect("it is there");
    let refused = open(true).err().expect("it may have voted").to_string();
    assert!(refused.contains("no raft-state"), "{refused}");
    let mut damaged = good.clone();
    damaged[2] ^= 1;
    std::fs::write(&state, damaged).expect("a good disk");
    let refused = open(true).err().expect("it is damaged").to_string();
    assert!(refused.contains("raft-state is damaged"), "{refused}");
    std::fs::write(&state, good).expect("a good disk");
    open(false).expect("a log and its vote");
}

#[tokio::test]
async fn what_finds_the_disk_full_is_tried_until_there_is_space() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (data_dir, workers) = small_data_dir(directory.path());
    let log = RaftLog::open(&data_dir, true, || 0).expect("an empty directory");
    let full = || io::Result::<&str>::Err(io::ErrorKind::StorageFull.into());
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let written = log.when_there_is_space(move || match counted.fetch_add(1, Ordering::SeqCst) {
        0..3 => full(),
        3 => Ok("written"),
        _ => unreachable!("it was written"),
    });
    assert_eq!(written.await.expect("there was space at last"), "written");
    let failed = || io::Result::<()>::Err(io::ErrorKind::Other.into());
    let failed = log.when_there_is_space(failed).await;
    failed.expect_err("that is another failure");
    log.stop();
    let refused = log.when_there_is_space(full).await;
    refused.expect_err("nobody waits any more");
    drop(log);
    workers.stop().expect("a last checkpoint");
}

fn entry(payload: Payload) -> Entry {
    let leader = CommittedLeaderId::new(3, VoterId::from(7));
    Entry {
        log_id: LogId::new(leader, 5),
        payload,
    }
}

#[test]
fn the_bytes_of_entries_stay_as_they_are() {
    let head = |kind: u8| {
        let mut bytes = vec![1, kind];
        bytes.extend(5u64.to_be_bytes());
        bytes.extend(3u64.to_be_bytes());
        bytes.extend(7u128.to_be_bytes());
        bytes
    };
    assert_eq!(encode(&entry(Payload::Blank)), head(0));
    let metadata = MetadataEntry {
        base: 4,
        records: Bytes::from_static(b"\0\0\0\x02hi"),
    };
    let mut expected = head(1);
    expected.extend(4u64.to_be_bytes());
    expected.extend(b"\0\0\0\x02hi");
    let metadata = entry(Payload::Normal(metadata));
    assert_eq!(encode(&metadata), expected);
    assert_eq!(decode(encode(&metadata)).expect("its own bytes"), metadata);
}

#[test]
fn what_is_no_entry_is_an_error() {
    let good = encode(&entry(Payload::Blank));
    for end in 0..good.len() {
        decode(good.slice(..end)).expect_err("it is cut off");
    }
    let with = |at: usize, byte: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = byte;
        decode(bytes.into())
            .expect_err("it is of the future")
            .to_string()
    };
    assert!(with(0, 2).contains("version 2"));
    assert!(with(1, 9).contains("kind 9"));
    decode([&good[..1], &[2], &good[2..], &[9]].concat().into())
        .expect_err("a membership that does not parse");
}
