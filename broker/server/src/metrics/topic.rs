//! Records and bytes by topic, Kafka's `BrokerTopicMetrics`.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::atomics::Counter;
use super::exposition::Exposition;

/// What one topic's partitions on this broker took in and gave out.
#[derive(Debug, Default)]
pub struct TopicMetrics {
    /// Records appended.
    pub messages_in: Counter,
    /// Bytes of batches appended.
    pub bytes_in: Counter,
    /// Bytes of batches given to consumers.
    pub bytes_out: Counter,
    /// Bytes of batches refused.
    pub bytes_rejected: Counter,
    /// Partitions written in produce requests.
    pub produce_requests: Counter,
    /// Partitions read in fetch requests.
    pub fetch_requests: Counter,
    /// Those that were answered with an error.
    pub failed_produce_requests: Counter,
    /// Those that were answered with an error.
    pub failed_fetch_requests: Counter,
    /// Records that were compressed anew for the topic's codec.
    pub produce_message_conversions: Counter,
}

/// A metric's name, its help, and its counter in a topic.
type Column = (&'static str, &'static str, fn(&TopicMetrics) -> &Counter);

const COLUMNS: [Column; 9] = [
    (
        "kafka_server_brokertopicmetrics_messagesin_total",
        "Records appended.",
        |t| &t.messages_in,
    ),
    (
        "kafka_server_brokertopicmetrics_bytesin_total",
        "Bytes appended.",
        |t| &t.bytes_in,
    ),
    (
        "kafka_server_brokertopicmetrics_bytesout_total",
        "Bytes given to consumers.",
        |t| &t.bytes_out,
    ),
    (
        "kafka_server_brokertopicmetrics_bytesrejected_total",
        "Bytes refused.",
        |t| &t.bytes_rejected,
    ),
    (
        "kafka_server_brokertopicmetrics_totalproducerequests_total",
        "Partitions written in produce requests.",
        |t| &t.produce_requests,
    ),
    (
        "kafka_server_brokertopicmetrics_totalfetchrequests_total",
        "Partitions read in fetch requests.",
        |t| &t.fetch_requests,
    ),
    (
        "kafka_server_brokertopicmetrics_failedproducerequests_total",
        "Partitions whose write was answered with an error.",
        |t| &t.failed_produce_requests,
    ),
    (
        "kafka_server_brokertopicmetrics_failedfetchrequests_total",
        "Partitions whose read was answered with an error.",
        |t| &t.failed_fetch_requests,
    ),
    (
        "kafka_server_brokertopicmetrics_producemessageconversions_total",
        "Records compressed anew, because the producer's codec is not the topic's.",
        |t| &t.produce_message_conversions,
    ),
];

/// The topics of this broker.
#[derive(Debug, Default)]
pub struct TopicsMetrics {
    topics: RwLock<BTreeMap<String, Arc<TopicMetrics>>>,
    /// What deleted topics had, so that the sum over all does not shrink.
    deleted: TopicMetrics,
}

impl TopicsMetrics {
    /// A topic's counters, to be kept by its partitions. Made where there are none.
    pub fn topic(&self, name: &str) -> Arc<TopicMetrics> {
        if let Some(topic) = self.topics.read().get(name) {
            return topic.clone();
        }
        self.topics
            .write()
            .entry(name.to_owned())
            .or_default()
            .clone()
    }

    /// Stops showing a topic that was deleted.
    pub fn remove(&self, name: &str) {
        let mut topics = self.topics.write();
        if let Some(topic) = topics.remove(name) {
            for (_, _, counter) in COLUMNS {
                counter(&self.deleted).add(counter(&topic).get());
            }
        }
    }

    /// What a counter has counted in all topics, deleted ones too.
    pub fn total(&self, counter: fn(&TopicMetrics) -> &Counter) -> u64 {
        let topics = self.topics.read();
        let counted = topics.values().map(|topic| counter(topic).get());
        counted.sum::<u64>() + counter(&self.deleted).get()
    }

    pub(super) fn expose(&self, out: &mut Exposition) {
        // Values of topics and the sum of all (without a label, as Kafka has it) are of one moment.
        let topics = self.topics.read();
        for (name, help, counter) in COLUMNS {
            let mut family = out.counter(name, help);
            let mut total = counter(&self.deleted).get();
            for (topic, metrics) in topics.iter() {
                let count = counter(metrics).get();
                total += count;
                family.value(&[("topic", topic)], count);
            }
            family.value(&[], total);
        }
    }
}
