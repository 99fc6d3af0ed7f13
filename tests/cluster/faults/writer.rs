//! A producer that writes numbers, each once, and notes what became of them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
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

use crate::{IDLE_RECORDS, IDLE_TOPIC, PARTITIONS, RECOVERY_MAX, TOPIC, TOPICS};

/// Between two records.
const INTERVAL: Duration = Duration::from_millis(1);

/// A record that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    /// Where.
    pub partition: i32,
    /// At which offset. `None`: a later one was acknowledged, from which the producer knows that this one is there too.
    pub offset: Option<i64>,
    /// What it says.
    pub number: i64,
    /// When.
    pub at: Instant,
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
    /// Of each partition that has had one: when the last acknowledgement came.
    last: BTreeMap<i32, Instant>,
}

/// What becomes of what is written, while it is written.
#[derive(Clone, Default)]
pub struct Notes(Arc<(Mutex<History>, Condvar)>);

impl Notes {
    fn history(&self) -> MutexGuard<'_, History> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known when all that was sent has been answered.
    fn end(&self, sent: i64) -> History {
        let mut history = std::mem::take(&mut *self.history());
        history.sent = sent;
        history
    }

    /// Waits until a write to each partition was acknowledged after `since`; which had none when `patience` ends.
    pub fn wait_progress(&self, since: Instant, patience: Duration) -> Result<(), Vec<i32>> {
        let is_without = |history: &History, partition: &i32| {
            history.last.get(partition).is_none_or(|at| *at < since)
        };
        let (history, _) = self
            .0
            .1
            .wait_timeout_while(self.history(), patience, |history| {
                (0..PARTITIONS).any(|partition| is_without(history, &partition))
            })
            .unwrap_or_else(PoisonError::into_inner);
        let without = (0..PARTITIONS).filter(|partition| is_without(&history, partition));
        match without.collect::<Vec<_>>() {
            without if without.is_empty() => Ok(()),
            without => Err(without),
        }
    }
}

impl ClientContext for Notes {}

impl ProducerContext for Notes {
    type DeliveryOpaque = Box<Instant>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Instant>) {
        let mut history = self.history();
        match result {
            Ok(message) => {
                let now = Instant::now();
                history.last.insert(message.partition(), now);
                self.0.1.notify_all();
                let number = message.payload_view::<str>().and_then(Result::ok);
                history.acknowledged.push(Acknowledged {
                    partition: message.partition(),
                    offset: Some(message.offset()).filter(|offset| *offset >= 0),
                    number: number.and_then(|it| it.parse().ok()).expect("a number"),
                    at: now,
                });
                history.longest_wait = history.longest_wait.max(sent.elapsed());
            }
            Err((error, _)) => history.failed.push(error.to_string()),
        }
    }
}

/// Numbers go to the partitions in turn.
pub fn partition_of(number: i64) -> i32 {
    i32::try_from(number % i64::from(PARTITIONS)).expect("a few partitions")
}

/// A client that is quick to hear of changes.
pub fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config.set("reconnect.backoff.max.ms", "200");
    config.set("topic.metadata.refresh.fast.interval.ms", "50");
    // Without these it would wait for itself when the brokers are long well again.
    config.set("retry.backoff.ms", "50");
    config.set("retry.backoff.max.ms", "100");
    // On a network that is cut nobody says so.
    config.set("request.timeout.ms", "3000");
    config.set("socket.timeout.ms", "4000");
    config.set("socket.connection.setup.timeout.ms", "1000");
    config
}

/// Makes the topics, as the cluster makes topics.
pub fn create_topics(bootstrap: &str) -> Result<(), Failed> {
    let first = bootstrap.split(',').next().ok_or("no broker")?;
    let mut connection = Connection::connect(first, "faults", RECOVERY_MAX)?;
    for topic in TOPICS {
        connection.create_topic(topic, PARTITIONS)?;
    }
    Ok(())
}

/// Writes all that is ever written to the idle topic.
pub fn write_idle(bootstrap: &str) -> Result<History, Failed> {
    let notes = Notes::default();
    let producer: ThreadedProducer<Notes> = client(bootstrap)
        .set("enable.idempotence", "true")
        .create_with_context(notes.clone())?;
    for number in 0..IDLE_RECORDS {
        let value = number.to_string();
        let opaque = Box::new(Instant::now());
        let record = BaseRecord::<(), str, _>::with_opaque_to(IDLE_TOPIC, opaque);
        let sent = producer.send(record.partition(partition_of(number)).payload(&value));
        sent.map_err(|(error, _)| error)?;
    }
    producer.flush(RECOVERY_MAX)?;
    Ok(notes.end(IDLE_RECORDS))
}

/// Writes numbers to all partitions in turn until it is told to stop, and waits for what is under way.
pub fn write(bootstrap: &str, notes: &Notes, stop: &AtomicBool) -> Result<History, Failed> {
    let mut config = client(bootstrap);
    config.set("enable.idempotence", "true");
    config.set("linger.ms", "2");
    config.set("message.timeout.ms", "120000");
    let producer: ThreadedProducer<Notes> = config.create_with_context(notes.clone())?;
    let mut number: i64 = 0;
    while !stop.load(Ordering::SeqCst) {
        let value = number.to_string();
        let record = BaseRecord::<(), str, _>::with_opaque_to(TOPIC, Box::new(Instant::now()))
            .partition(partition_of(number))
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
    Ok(notes.end(number))
}
