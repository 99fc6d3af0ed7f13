//! A producer that writes numbers, each once, and notes what became of them.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use client::Connection;
use libtest_mimic::Failed;
use rdkafka::{
    ClientConfig, ClientContext, Message,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer},
};

use crate::{PARTITIONS, RECOVERY_MAX, TOPIC};

/// Between two records.
const INTERVAL: Duration = Duration::from_millis(1);

/// A record that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    /// Where.
    pub partition: i32,
    /// At which offset.
    pub offset: i64,
    /// What it says.
    pub number: i64,
}

/// What a writer knows.
#[derive(Debug, Default)]
pub struct History {
    /// How many were sent.
    pub sent: i64,
    /// Those that were acknowledged, as their answers came.
    pub acknowledged: Vec<Acknowledged>,
    /// What came of those that were not. Every fault is over long before a producer gives up: there should be none.
    pub failed: Vec<String>,
    /// From sending a record to its acknowledgement.
    pub longest_wait: Duration,
}

#[derive(Clone, Default)]
struct Notes(Arc<Mutex<History>>);

impl ClientContext for Notes {}

impl ProducerContext for Notes {
    type DeliveryOpaque = Box<Instant>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Instant>) {
        let mut history = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(message) => {
                let number = message.payload_view::<str>().and_then(Result::ok);
                history.acknowledged.push(Acknowledged {
                    partition: message.partition(),
                    offset: message.offset(),
                    number: number.and_then(|it| it.parse().ok()).expect("a number"),
                });
                history.longest_wait = history.longest_wait.max(sent.elapsed());
            }
            Err((error, _)) => history.failed.push(error.to_string()),
        }
    }
}

/// A client that is quick to hear of changes.
pub fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config.set("reconnect.backoff.max.ms", "200");
    config.set("topic.metadata.refresh.fast.interval.ms", "50");
    config
}

/// Makes the topic, as the cluster makes topics.
pub fn create_topic(bootstrap: &str) -> Result<(), Failed> {
    let first = bootstrap.split(',').next().ok_or("no broker")?;
    let mut connection = Connection::connect(first, "faults", RECOVERY_MAX)?;
    connection.create_topic(TOPIC, PARTITIONS)?;
    Ok(())
}

/// Writes numbers to all partitions in turn until it is told to stop, and waits for what is under way.
pub fn write(bootstrap: &str, stop: &AtomicBool) -> Result<History, Failed> {
    let notes = Notes::default();
    let mut config = client(bootstrap);
    config.set("enable.idempotence", "true");
    config.set("linger.ms", "2");
    config.set("message.timeout.ms", "120000");
    let producer: ThreadedProducer<Notes> = config.create_with_context(notes.clone())?;
    let mut number: i64 = 0;
    while !stop.load(Ordering::SeqCst) {
        let value = number.to_string();
        let partition = i32::try_from(number % i64::from(PARTITIONS))?;
        let record = BaseRecord::<(), str, _>::with_opaque_to(TOPIC, Box::new(Instant::now()))
            .partition(partition)
            .payload(&value);
        match producer.send(record) {
            Ok(()) => number += 1,
            // It empties itself.
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {}
            Err((error, _)) => return Err(format!("the producer has given up: {error}").into()),
        }
        thread::sleep(INTERVAL);
    }
    producer.flush(RECOVERY_MAX).map_err(|error| {
        format!("once all was well, writes did not succeed within {RECOVERY_MAX:?}: {error}")
    })?;
    let mut history = std::mem::take(&mut *notes.0.lock().unwrap_or_else(PoisonError::into_inner));
    history.sent = number;
    Ok(history)
}
