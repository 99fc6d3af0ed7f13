//! A producer that remembers what was acknowledged, and a consumer that reads to the end.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, Headers, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext},
};
use tests_clients::{Content, NUM_PARTITIONS, Record, Target, partition_of};

/// Longer than anything takes; what does not come by then never will.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What librdkafka reported of one record.
pub(crate) type Delivery = Result<Record, RDKafkaErrorCode>;

/// Collects delivery reports, in the order in which they come.
#[derive(Default)]
struct Reports(Mutex<Vec<(usize, Delivery)>>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        let report = match result {
            Ok(message) => Ok(record(message)),
            Err((error, _)) => Err(error
                .rdkafka_error_code()
                .expect("a delivery error has a code")),
        };
        self.0
            .lock()
            .expect("reports are only pushed")
            .push((index, report));
    }
}

pub(super) fn config(target: &Target, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &target.bootstrap);
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config
}

/// Creates a topic with settings of its own, and waits until it takes records.
#[track_caller]
pub(crate) fn create_topic(target: &Target, topic: &str, configs: &[(&str, &str)]) {
    let admin: AdminClient<DefaultClientContext> =
        config(target, &[]).create().expect("an admin client");
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let new = NewTopic::new(topic, NUM_PARTITIONS, TopicReplication::Fixed(-1));
    let new = configs
        .iter()
        .fold(new, |new, (name, value)| new.set(name, value));
    let created = block_on(admin.create_topics([&new], &options)).expect("an answer");
    assert_eq!(created.as_slice(), [Ok(topic.to_owned())]);
    // The broker that answered may be a moment behind its controller.
    let deadline = Instant::now() + PATIENCE;
    let is_there = || {
        let metadata = admin.inner().fetch_metadata(Some(topic), PATIENCE);
        let metadata = metadata.expect("metadata");
        let partitions = metadata.topics()[0].partitions();
        partitions.len() == NUM_PARTITIONS as usize && partitions.iter().all(|it| it.leader() >= 0)
    };
    while !is_there() {
        assert!(Instant::now() < deadline, "{topic} does not come up");
    }
}

/// Sends `contents` to the partitions in turn; the reports are in the order of `contents`.
pub(crate) fn produce(
    target: &Target,
    topic: &str,
    contents: &[Content],
    settings: &[(&str, &str)],
) -> Vec<Delivery> {
    produce_to(target, topic, contents, settings, partition_of)
}

pub(super) fn produce_to(
    target: &Target,
    topic: &str,
    contents: &[Content],
    settings: &[(&str, &str)],
    partition_of: impl Fn(usize) -> i32,
) -> Vec<Delivery> {
    let producer: BaseProducer<Reports> = config(target, settings)
        .create_with_context(Reports::default())
        .expect("librdkafka takes these settings");
    for (index, content) in contents.iter().enumerate() {
        let mut record: BaseRecord<'_, [u8], [u8], usize> =
            BaseRecord::with_opaque_to(topic, index)
                .partition(partition_of(index))
                .timestamp(content.timestamp);
        if !content.headers.is_empty() {
            record = record.headers(headers(content));
        }
        record.key = content.key.as_deref();
        record.payload = content.value.as_deref();
        producer
            .send(record)
            .map_err(|(error, _)| error)
            .expect("the queue takes every record");
        producer.poll(Duration::ZERO);
    }
    producer.flush(PATIENCE).expect("every record is reported");
    let mut reports = std::mem::take(&mut *producer.context().0.lock().expect("as above"));
    reports.sort_by_key(|(index, _)| *index);
    assert_eq!(reports.len(), contents.len());
    reports.into_iter().map(|(_, report)| report).collect()
}

/// The reports of records that must all have been acknowledged. Those hold key, value and headers
/// only as the producer had them, so what they tell is partition, offset and timestamp.
#[track_caller]
pub(crate) fn acknowledged(reports: Vec<Delivery>) -> Vec<Record> {
    reports
        .into_iter()
        .map(|report| report.expect("the record is acknowledged"))
        .collect()
}

pub(super) fn consumer(target: &Target, settings: &[(&str, &str)]) -> BaseConsumer {
    // A group id is asked for even where there is no group.
    let ours = [("group.id", "unused"), ("enable.auto.commit", "false")];
    let ours = [&ours[..], &[("enable.partition.eof", "true")], settings].concat();
    config(target, &ours)
        .create()
        .expect("librdkafka takes these settings")
}

/// Reads every partition of `topic` from its beginning to its end.
pub(super) fn consume(target: &Target, topic: &str, settings: &[(&str, &str)]) -> Vec<Record> {
    let starts: Vec<(i32, Offset)> = (0..NUM_PARTITIONS)
        .map(|partition| (partition, Offset::Beginning))
        .collect();
    consume_from(target, topic, &starts, settings)
}

/// Reads some partitions from some offset to the end.
pub(super) fn consume_from(
    target: &Target,
    topic: &str,
    starts: &[(i32, Offset)],
    settings: &[(&str, &str)],
) -> Vec<Record> {
    let consumer = consumer(target, settings);
    assign(&consumer, topic, starts);
    let mut records = Vec::new();
    let mut partitions_left = starts.len();
    let deadline = Instant::now() + PATIENCE;
    while partitions_left > 0 {
        match consumer.poll(deadline.saturating_duration_since(Instant::now())) {
            Some(Ok(message)) => records.push(record(&message)),
            Some(Err(KafkaError::PartitionEOF(_))) => partitions_left -= 1,
            Some(Err(error)) => panic!("consuming failed: {error}"),
            None => panic!("{partitions_left} partitions did not end within {PATIENCE:?}"),
        }
    }
    records
}

pub(super) fn assign(consumer: &BaseConsumer, topic: &str, starts: &[(i32, Offset)]) {
    let mut assignment = TopicPartitionList::new();
    for (partition, offset) in starts {
        assignment
            .add_partition_offset(topic, *partition, *offset)
            .expect("a valid offset");
    }
    consumer
        .assign(&assignment)
        .expect("an assignment needs no group");
}

pub(super) fn record<M: Message>(message: &M) -> Record
where
    M::Headers: Headers,
{
    let headers = message.headers().map(|headers| {
        headers
            .iter()
            .map(|it| (it.key.to_owned(), it.value.map(Vec::from)))
            .collect()
    });
    Record {
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or(-1),
        key: message.key().map(Vec::from),
        value: message.payload().map(Vec::from),
        headers: headers.unwrap_or_default(),
    }
}

fn headers(content: &Content) -> OwnedHeaders {
    content
        .headers
        .iter()
        .fold(OwnedHeaders::new(), |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: value.as_ref(),
            })
        })
}

/// Drives one of the admin client's futures.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Unpark>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
