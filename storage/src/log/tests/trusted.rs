//! What need not be verified again: it may be sent as it lies in its file.

use protocol::batch::{batches, verify_crc};
use protocol::model::{LeaderEpoch, Offset};

use super::{fill, log_path, small_segments};
use crate::fixture::{Node, append_at, read_all};
use crate::io::sim::{SimConfig, SimDisk};
use crate::log::{Log, ReadError, Region};

/// A node with small segments, of which so many looks in a million find the page cache empty.
fn caching(cold_reads_per_million: u32) -> Node {
    let config = SimConfig {
        cold_reads_per_million,
        ..SimConfig::default()
    };
    let mut node = small_segments();
    node.disk = SimDisk::new(1, config);
    node
}

fn warm() -> Node {
    caching(0)
}

fn offset(value: i64) -> Offset {
    Offset::new(value)
}

fn find(log: &Log, from: i64) -> Option<Region> {
    let end = log.offsets().durable_end;
    log.find_trusted(offset(from), end, 1..1 << 20)
        .expect("in range")
}

/// The offsets of the batches a region has, each of them whole.
fn bases(region: &Region) -> Vec<i64> {
    let mut bytes = vec![0; usize::try_from(region.len).expect("it fits memory")];
    let read = region.file.read_at(&mut bytes, region.offset);
    assert_eq!(read.expect("it is read"), bytes.len());
    let whole = batches(&bytes).map(|batch| batch.expect("whole batches"));
    whole
        .map(|(header, bytes)| {
            assert!(verify_crc(bytes));
            header.base_offset.get()
        })
        .collect()
}

#[test]
fn what_this_process_wrote_is_trusted_within_every_bound() {
    let node = warm();
    let mut running = node.start();
    running.create("a");
    fill(&mut running, "a", 14);
    let log = running.log("a");
    let mut found = 0;
    for from in 0..14 {
        for end in from..=14 {
            for (least, most) in [(1, 1_000), (1, 2_500), (2_500, 4_000), (1, 1 << 20)] {
                let region = log.find_trusted(offset(from), offset(end), least..most);
                let Some(region) = region.expect("in range") else {
                    continue;
                };
                assert!((least..=most).contains(&region.len), "{}", region.len);
                let bases = bases(&region);
                let expected: Vec<i64> = (from..).take(bases.len()).collect();
                assert_eq!(bases, expected);
                assert!(bases.iter().all(|base| *base < end), "{bases:?} {end}");
                found += 1;
            }
        }
    }
    assert!(found > 100, "{found}");
    // A closed segment to its end, the active one to its last index entry.
    assert_eq!(bases(&find(&log, 4).expect("trusted")), [4, 5, 6, 7]);
    assert_eq!(bases(&find(&log, 12).expect("trusted")), [12]);
    assert!(find(&log, 13).is_none());
}

#[test]
fn what_another_process_wrote_is_trusted_once_it_was_verified() {
    let node = warm();
    let mut running = node.start();
    running.create("a");
    fill(&mut running, "a", 14);
    running.stop();
    let running = node.start();
    let log = running.log("a");
    assert!((0..14).all(|from| find(&log, from).is_none()));
    assert_eq!(read_all(&log).0.len(), 14);
    assert_eq!(bases(&find(&log, 4).expect("trusted")), [4, 5, 6, 7]);
    assert_eq!(bases(&find(&log, 1).expect("trusted")), [1, 2, 3]);
}

/// Four batches in each of the closed segments, of which one byte has rotted after they left the cache.
fn rotten(node: &Node) -> crate::fixture::Running {
    let mut running = node.start();
    running.create("a");
    fill(&mut running, "a", 14);
    assert!(find(&running.log("a"), 4).is_some());
    node.flip(&log_path("a", 4, "log"), 2_500);
    running
}

#[test]
fn what_left_the_page_cache_is_not_trusted_when_it_comes_back() {
    let node = warm();
    let running = rotten(&node);
    let log = running.log("a");
    assert!(find(&log, 4).is_none(), "it is on the disk only");
    let (served, error) = read_all(&log);
    assert_eq!(served.len(), 6);
    assert!(matches!(error, Some(ReadError::Damaged(_))), "{error:?}");
    // What was read is in the cache again, and what is behind it was never verified.
    let region = find(&log, 4).expect("two batches are sound");
    assert_eq!(bases(&region), [4, 5]);
    assert!(find(&log, 6).is_none());
    assert!(find(&log, 8).is_some(), "another file");
}

#[test]
fn nothing_is_trusted_where_the_system_cannot_tell() {
    let node = caching(1_000_000);
    let mut running = node.start();
    running.create("a");
    fill(&mut running, "a", 14);
    assert!((0..14).all(|from| find(&running.log("a"), from).is_none()));
}

#[test]
fn a_truncation_takes_trust_back() {
    let node = warm();
    let mut running = node.start();
    let log = running.create("a");
    fill(&mut running, "a", 8);
    log.set_high_watermark(offset(5));
    log.truncate(offset(6)).expect("above the high watermark");
    let end = log.offsets().durable_end;
    let region = log.find_trusted(offset(4), end, 1..1 << 20);
    assert_eq!(bases(&region.expect("in range").expect("trusted")), [4, 5]);
    for value in [b"y", b"z"] {
        append_at(&log, 0, 1, &[&value.repeat(900)]).expect("it is appended");
    }
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    assert_eq!(
        log.end_of_epoch(LeaderEpoch::new(1)).map(|it| it.1),
        Some(offset(8))
    );
    let found = find(&log, 4).expect("trusted");
    assert!(bases(&found).iter().all(|base| *base < 8));
}

#[test]
fn a_log_that_is_gone_has_nothing() {
    let node = warm();
    let mut running = node.start();
    let log = running.create("a");
    fill(&mut running, "a", 14);
    running
        .dir
        .drop_log(log.partition())
        .expect("it is dropped");
    assert!(find(&log, 4).is_none());
}
