//! A producer that writes all the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext,
    producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer},
};

/// Between two records.
const INTERVAL: Duration = Duration::from_millis(2);
const FLUSH_PATIENCE: Duration = Duration::from_secs(60);

struct Acknowledged(Arc<AtomicU64>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.0
            .fetch_add(u64::from(result.is_ok()), Ordering::SeqCst);
    }
}

/// Writes numbers to all partitions in turn until it is told to stop. Returns how many were acknowledged.
pub fn write(address: &str, topic: &str, partitions: i32, stop: &AtomicBool) -> u64 {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address);
    config.set("enable.idempotence", "true");
    config.set("reconnect.backoff.max.ms", "200");
    let producer: ThreadedProducer<Acknowledged> = config
        .create_with_context(Acknowledged(Arc::clone(&acknowledged)))
        .expect("known settings");
    let mut number: i32 = 0;
    while !stop.load(Ordering::SeqCst) {
        let value = number.to_string();
        let record = BaseRecord::<(), str>::to(topic)
            .partition(number % partitions)
            .payload(&value);
        // A full queue empties itself.
        if producer.send(record).is_ok() {
            number += 1;
        }
        thread::sleep(INTERVAL);
    }
    producer.flush(FLUSH_PATIENCE).expect("all is answered");
    acknowledged.load(Ordering::SeqCst)
}
