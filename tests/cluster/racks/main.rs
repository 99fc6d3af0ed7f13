//! Consumers that read from the replica in their own rack (KIP-392), with librdkafka: whom they read from, how soon, and that they go on when that one is lost.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use client::{ClientError, Connection};
use libtest_mimic::{Arguments, Failed, Trial};
use peer::{Cluster, HoldfastCluster, HoldfastConfig, await_that};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};

const TOPIC: &str = "near";
const RACKS: [&str; 3] = ["a", "b", "c"];
const RECORDS: i64 = 500;
const RECORD_BYTES: usize = 1_000;
/// No step takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a consumer waits for a record at a time.
const POLL: Duration = Duration::from_millis(100);
/// A follower that hears of the high watermark with its next fetch only takes up to 500 ms.
const SOON: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    let trials = vec![Trial::test(
        "racks::consumers_read_from_their_own_rack",
        consumers_read_from_their_own_rack,
    )];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn consumers_read_from_their_own_rack() -> Result<(), Failed> {
    let config = |rack| {
        HoldfastConfig::default().set("broker.rack", rack).set(
            "replica.selector.class",
            "org.apache.kafka.common.replica.RackAwareReplicaSelector",
        )
    };
    let mut cluster = HoldfastCluster::start_each(RACKS.map(config).to_vec())?;
    let outcome = read_nearby(&mut cluster);
    outcome.map_err(|error| {
        let message = error.message().unwrap_or_default();
        format!("{message}\n{}", cluster.log_tail()).into()
    })
}

fn read_nearby(cluster: &mut HoldfastCluster) -> Result<(), Failed> {
    let bootstrap = cluster.bootstrap();
    let address = cluster.node(0).bootstrap();
    connect(&address)?.create_topic(TOPIC, 1)?;
    await_that("all are in sync", PATIENCE, || {
        Ok::<_, ClientError>(connect(&address)?.in_sync(TOPIC)? == [RACKS.len()])
    })?;
    let leader = leader(&address)?;
    let follower = (leader + 1) % RACKS.len();
    let producer: BaseProducer = client(&bootstrap).create()?;
    write(&producer, 0..RECORDS)?;

    let consumer: BaseConsumer = client(&bootstrap)
        .set("client.rack", RACKS[follower])
        .set("topic.metadata.refresh.interval.ms", "1000")
        .create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC, 0, Offset::Beginning)?;
    consumer.assign(&list)?;
    read(&consumer, 0..RECORDS)?;
    let (near, far) = (given(cluster, follower)?, given(cluster, leader)?);
    let all = u64::try_from(RECORDS)? * RECORD_BYTES as u64;
    if near < all || far > 0 {
        let text = format!("the follower has given {near} bytes, and the leader {far}");
        return Err(text.into());
    }

    // At the end of the log: who waits at the follower hears of each record soon.
    let mut next = RECORDS;
    let mut waits = Vec::new();
    for _ in 0..21 {
        write(&producer, next..next + 1)?;
        let since = Instant::now();
        read(&consumer, next..next + 1)?;
        waits.push(since.elapsed());
        next += 1;
    }
    waits.sort_unstable();
    let median = waits[waits.len() / 2];
    if median > SOON {
        return Err(format!("a record is read {median:?} after it is acknowledged").into());
    }
    if given(cluster, leader)? > 0 {
        return Err("the leader was asked".into());
    }

    println!("racks: a record is read {median:?} after it is acknowledged");

    // The follower is lost, and comes back; then the leader is.
    for (lost, what) in [(follower, "follower"), (leader, "leader")] {
        cluster.node(lost).kill9();
        let since = Instant::now();
        write(&producer, next..next + RECORDS)?;
        let written = since.elapsed();
        self::read(&consumer, next..next + RECORDS)?;
        let read = since.elapsed();
        println!("racks: without the {what}, written after {written:?}, and read after {read:?}");
        next += RECORDS;
        cluster.node(lost).restart()?;
        let address = cluster.node(lost).bootstrap();
        await_that("all are in sync", PATIENCE, || {
            Ok::<_, ClientError>(connect(&address)?.in_sync(TOPIC)? == [RACKS.len()])
        })?;
        write(&producer, next..next + RECORDS)?;
        self::read(&consumer, next..next + RECORDS)?;
        next += RECORDS;
    }
    Ok(())
}

/// The node, from 0, that leads the partition.
fn leader(address: &str) -> Result<usize, Failed> {
    let metadata = connect(address)?.metadata(Some(&[TOPIC]))?;
    let topic = metadata.topics.first().ok_or("no topic")?;
    let partition = topic.partitions.first().ok_or("no partition")?;
    let leader = partition.leader.ok_or("no leader")?;
    Ok(usize::try_from(leader)? - 1)
}

/// Bytes of the topic that a node has given to consumers.
fn given(cluster: &mut HoldfastCluster, at: usize) -> Result<u64, Failed> {
    let name = format!("kafka_server_brokertopicmetrics_bytesout_total{{topic=\"{TOPIC}\"}} ");
    let metrics = cluster.node(at).metrics()?;
    let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
    Ok(value.map_or(Ok(0), str::parse)?)
}

fn connect(address: &str) -> Result<Connection, ClientError> {
    Connection::connect(address, "racks", PATIENCE)
}

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config.set("group.id", "readers");
    config.set("enable.auto.commit", "false");
    config.set("enable.idempotence", "true");
    config.set("linger.ms", "0");
    config
}

/// Writes numbers. Done means: they are acknowledged.
fn write(producer: &BaseProducer, numbers: std::ops::Range<i64>) -> Result<(), Failed> {
    for number in numbers {
        let value = format!("{number:>RECORD_BYTES$}");
        let record = BaseRecord::<(), str>::to(TOPIC)
            .partition(0)
            .payload(&value);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    Ok(producer.flush(PATIENCE)?)
}

/// Reads these numbers, in their order, and nothing else.
fn read(consumer: &BaseConsumer, numbers: std::ops::Range<i64>) -> Result<(), Failed> {
    let deadline = Instant::now() + PATIENCE;
    for number in numbers {
        let read = loop {
            if Instant::now() > deadline {
                return Err(format!("{number} is not read").into());
            }
            // After an error it goes on by itself.
            if let Some(Ok(message)) = consumer.poll(POLL) {
                let text = message.payload_view::<str>().and_then(Result::ok);
                break text.and_then(|it| it.trim().parse::<i64>().ok());
            }
        };
        if read != Some(number) {
            return Err(format!("{read:?} is read instead of {number}").into());
        }
    }
    Ok(())
}
