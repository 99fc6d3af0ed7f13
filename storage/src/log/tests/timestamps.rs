//! Look-ups by time against a log that is searched from front to back.

use std::sync::Arc;

use proptest::prelude::*;
use protocol::model::Offset;

use crate::fixture::{append_at, node};
use crate::journal::NobodyWaits;
use crate::log::{LogConfig, TimestampedOffset};

#[derive(Clone, Debug)]
enum Step {
    Append(i64),
    Commit,
    WriteBehind,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_i64..60).prop_map(|time| Step::Append(time * 10)),
        1 => Just(Step::Append(-1)),
        2 => Just(Step::Commit),
        2 => Just(Step::WriteBehind),
        1 => Just(Step::Crash),
    ]
}

fn found(batch: Option<&(i64, i64)>) -> Option<TimestampedOffset> {
    batch.map(|(base, time)| TimestampedOffset {
        batch_base: Offset::new(*base),
        batch_timestamp: *time,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_first_at_or_after_and_the_greatest(
        steps in prop::collection::vec(step(), 1..80),
        interval in prop_oneof![Just(0_u64), Just(300), Just(4096)],
        start in 0_i64..20,
    ) {
        let mut node = node();
        node.log_config = LogConfig {
            segment_bytes: 1200,
            index_interval_bytes: interval,
            ..LogConfig::default()
        };
        let mut running = node.start();
        running.create("a");
        let mut batches: Vec<(i64, i64)> = Vec::new();
        for step in steps {
            let log = running.log("a");
            match step {
                Step::Append(time) => {
                    append_at(&log, time, 0, &[&[b'v'; 100]]).expect("it is appended");
                    batches.push((batches.len() as i64, time));
                }
                Step::Commit => running.commit(),
                Step::WriteBehind => {
                    running.commit();
                    running.dir.checkpoint(None).expect("a checkpoint");
                }
                Step::Crash => {
                    running.commit();
                    running = node.crash(running);
                }
            }
        }
        running.commit();
        let log = running.log("a");
        let start = start.min(log.offsets().end.get());
        log.advance_start(Offset::new(start), Arc::new(NobodyWaits)).expect("online");
        for end in [log.offsets().end.get(), log.offsets().end.get() / 2] {
            let end_offset = Offset::new(end);
            for time in (-1..62).map(|time| time * 10 - 5) {
                let first = batches.iter().find(|(base, at)| *base >= start && *at >= time);
                let expected = found(first.filter(|(base, _)| *base < end));
                prop_assert_eq!(log.find_timestamp(time, end_offset).expect("sound"), expected, "time {}", time);
            }
            let in_range = batches.iter().filter(|(base, _)| *base >= start && *base < end);
            let greatest = in_range.clone().map(|(_, time)| *time).max();
            let expected = found(in_range.clone().find(|(_, time)| Some(*time) == greatest));
            prop_assert_eq!(log.find_max_timestamp(end_offset).expect("sound"), expected);
        }
    }
}
