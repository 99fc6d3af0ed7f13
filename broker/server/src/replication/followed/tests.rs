use bytes::BytesMut;
use protocol::batch::{BatchBuilder, NewRecord};
use protocol::model::{PartitionIndex, TopicId, Uuid};
use storage::data_dir::Workers;
use storage::log::{Durability, LogConfig};
use tempfile::TempDir;

use super::*;
use crate::testing::small_data_dir;

const LEADER: BrokerId = BrokerId::new(2);

struct Rig {
    followed: Arc<Followed>,
    workers: Option<Workers>,
    _directory: TempDir,
}

impl Rig {
    fn new() -> Rig {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (data_dir, workers) = small_data_dir(directory.path());
        let id = TopicIdPartition {
            topic_id: TopicId::new(Uuid::from_u128(7)).expect("not zero"),
            partition: PartitionIndex::new(0),
        };
        let log = data_dir
            .create_log(id, "t", Durability::Fsync, LogConfig::default())
            .expect("online");
        let home = Home { data_dir, log };
        let followed = Followed::new(
            id,
            "t".into(),
            home,
            ProgressSink::default(),
            Arc::default(),
        );
        followed.follow(Some(LEADER), LeaderEpoch::new(3), true);
        Rig {
            followed,
            workers: Some(workers),
            _directory: directory,
        }
    }

    /// The leader has answered with these records.
    fn take(&self, records: Bytes) {
        let asked = self.followed.position(LEADER, 0).expect("it follows");
        let fetched = Fetched::Records {
            records,
            high_watermark: Offset::ZERO,
            log_start: Offset::ZERO,
        };
        self.followed.on_fetched(&asked, fetched, 0);
    }

    fn end(&self) -> i64 {
        self.followed.log().offsets().end.get()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.stop().expect("a last checkpoint");
        }
    }
}

/// A batch of so many records.
fn batch(base: i64, count: usize) -> BytesMut {
    let mut builder = BatchBuilder::new()
        .base_offset(Offset::new(base))
        .leader_epoch(LeaderEpoch::new(1));
    for _ in 0..count {
        builder.push(&NewRecord {
            value: Some(b"value"),
            ..NewRecord::default()
        });
    }
    builder.build()
}

fn empty(base: i64, last: i64) -> Bytes {
    let epoch = Some(LeaderEpoch::new(1));
    let batch = empty_batch(Offset::new(base), Offset::new(last), epoch);
    Bytes::copy_from_slice(&batch)
}

#[test]
fn what_was_compacted_away_while_a_replica_was_gone_is_followed() {
    let rig = Rig::new();
    rig.take(batch(0, 3).freeze());
    rig.take(batch(3, 2).freeze());
    assert_eq!(rig.end(), 5);
    // The leader has kept nothing of 0..10, and then there is more.
    let mut records = BytesMut::from(&empty(0, 9)[..]);
    records.extend_from_slice(&batch(10, 2));
    rig.take(records.freeze());
    assert_eq!(rig.followed.stopped(), None);
    assert_eq!(rig.end(), 12);
}

#[test]
fn records_that_belong_elsewhere_stop_a_replica() {
    for records in [batch(0, 9).freeze(), batch(6, 1).freeze(), empty(6, 9)] {
        let rig = Rig::new();
        rig.take(batch(0, 5).freeze());
        rig.take(records);
        let stopped = rig.followed.stopped();
        assert!(matches!(stopped, Some(Stopped::Alarm(_))), "{stopped:?}");
        assert_eq!(rig.end(), 5, "nothing was taken");
    }
}

/// A crash may take records that were known to be committed; with `durability=os` from all replicas, and then others take their place.
#[test]
fn what_takes_the_place_of_lost_records_is_committed_when_the_leader_says_so() {
    let rig = Rig::new();
    rig.take(batch(0, 3).freeze());
    let Rig { followed, .. } = &rig;
    let log = Arc::clone(followed.log());
    log.set_high_watermark(Offset::new(10));
    let home = Home {
        data_dir: Arc::clone(&followed.data_dir),
        log,
    };
    let again = Followed::new(
        followed.id(),
        "t".into(),
        home,
        ProgressSink::default(),
        Arc::default(),
    );
    again.follow(Some(LEADER), LeaderEpoch::new(3), true);
    let committed = || again.offsets().high_watermark.get();
    assert_eq!(committed(), 3);
    let take = |records: Bytes, high_watermark| {
        let asked = again.position(LEADER, 0).expect("it follows");
        let fetched = Fetched::Records {
            records,
            high_watermark: Offset::new(high_watermark),
            log_start: Offset::ZERO,
        };
        again.on_fetched(&asked, fetched, 0);
        committed()
    };
    assert_eq!(
        take(batch(3, 2).freeze(), 2),
        3,
        "another leader knows less"
    );
    assert_eq!(take(Bytes::new(), 4), 4);
    assert_eq!(take(batch(5, 1).freeze(), 20), 6, "no more than there is");
    assert_eq!(
        again.log().high_watermark().get(),
        10,
        "what is never to be cut"
    );
}
