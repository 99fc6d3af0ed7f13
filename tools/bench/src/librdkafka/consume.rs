//! Consumers of librdkafka, one for each group. Partitions are assigned and not balanced, so that nobody waits for a group to gather.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::produce::Shared;
use super::record::Stamp;
use super::{config, failed};
use crate::BenchError;
use crate::course::Course;
use crate::native::{Fetched, Run};
use crate::recorder::{Answer, Recorder};

/// How long is waited for a record before it is asked whether all is over.
const POLL: Duration = Duration::from_millis(100);
/// One of them.
pub(super) struct Consumer<'a> {
    consumer: BaseConsumer,
    begin: Instant,
    recorder: &'a Recorder,
    shared: Arc<Shared>,
    /// One group's reading is enough to say what is there.
    keeps_ledger: bool,
}

impl<'a> Consumer<'a> {
    pub(super) fn new(
        run: &Run<'_>,
        number: usize,
        course: &Course,
        recorder: &'a Recorder,
        shared: &Arc<Shared>,
    ) -> Result<Consumer<'a>, BenchError> {
        let mut config = config(run);
        config.set("group.id", format!("bench-{}-{number}", std::process::id()));
        config.set("enable.auto.commit", "false");
        config.set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = config.create().map_err(failed("make a consumer"))?;
        let mut partitions = TopicPartitionList::new();
        for (at, topic) in run.topics.iter().enumerate() {
            for partition in 0..topic.partitions {
                let start = run.starts.get(&(at, partition)).copied().unwrap_or(0);
                partitions
                    .add_partition_offset(&topic.name, partition, Offset::Offset(start))
                    .map_err(failed("assign a partition"))?;
            }
        }
        consumer
            .assign(&partitions)
            .map_err(failed("assign partitions"))?;
        Ok(Consumer {
            consumer,
            begin: course.start,
            recorder,
            shared: Arc::clone(shared),
            keeps_ledger: number == 0,
        })
    }

    pub(super) fn run(&self, is_over: &AtomicBool) -> Result<Fetched, BenchError> {
        let mut fetched = Fetched::default();
        while !is_over.load(Ordering::Relaxed) {
            // What is wrong with a connection is tried again by librdkafka: what does not come is missed in the end.
            let Some(Ok(message)) = self.consumer.poll(POLL) else {
                continue;
            };
            let seen = Instant::now();
            let Some(stamp) = message.payload().and_then(Stamp::of) else {
                continue;
            };
            let bytes = message.payload_len() as u64;
            fetched.records += 1;
            fetched.bytes += bytes;
            let due = self.begin + stamp.due;
            self.recorder.on_answer(Answer {
                records: 1,
                bytes,
                latency: seen.saturating_duration_since(due),
                weight: 1,
                is_measured: due >= self.shared.measured_from,
            });
            if self.keeps_ledger {
                let producer = stamp.producer as usize;
                let sent = self.shared.sent.get(producer);
                let sent = sent.map_or(0, |sent| sent.load(Ordering::Relaxed));
                self.shared.ledger.on_read(producer, stamp.number, sent);
            }
        }
        Ok(fetched)
    }
}
