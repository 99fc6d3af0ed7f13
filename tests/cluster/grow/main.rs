//! Clusters that grow, and partitions that move: they lose nothing, not when who had everything is gone for good either.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use client::{ClientError, Connection};
use libtest_mimic::{Arguments, Failed, Trial};
use peer::{Cluster, Holdfast, HoldfastCluster, HoldfastConfig, await_that};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};

const TOPIC: &str = "grown";
const OFFSETS: &str = "__consumer_offsets";
const PARTITIONS: i32 = 4;
const NODES: usize = 3;
const RECORDS: i64 = 1_000;
/// No step takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a consumer waits for a record at a time.
const POLL: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let trials = vec![
        Trial::test("grow::one_node_becomes_three", one_node_becomes_three),
        Trial::test("grow::a_fourth_broker_joins", a_fourth_broker_joins),
        Trial::test(
            "grow::a_replica_comes_back_empty",
            a_replica_comes_back_empty,
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn one_node_becomes_three() -> Result<(), Failed> {
    let config = HoldfastConfig::default().set("offsets.topic.num.partitions", "3");
    let mut first = Holdfast::start(config.clone())?;
    let bootstrap = first.bootstrap();
    connect(&bootstrap)?.create_topic(TOPIC, PARTITIONS)?;
    write(&bootstrap, 0..RECORDS)?;
    commit(&bootstrap, RECORDS / 2)?;
    first.stop()?;

    let mut cluster = HoldfastCluster::grow(first, NODES, &config)?;
    let outcome = grown(&mut cluster);
    outcome.map_err(|error| {
        let message = error.message().unwrap_or_default();
        format!("{message}\n{}", cluster.log_tail()).into()
    })
}

fn grown(cluster: &mut HoldfastCluster) -> Result<(), Failed> {
    let bootstrap = cluster.bootstrap();
    let all: Vec<i32> = (1..).take(NODES).collect();
    let address = cluster.node(1).bootstrap();
    await_that("all nodes vote, and know everything", PATIENCE, || {
        let quorum = connect(&address)?.quorum()?;
        Ok::<_, ClientError>(quorum.voter_ids() == all && quorum.is_caught_up())
    })?;
    await_that("brokers replicate their own topics", PATIENCE, || {
        let in_sync = connect(&address)?.in_sync(OFFSETS)?;
        Ok::<_, ClientError>(in_sync.iter().all(|count| *count == NODES))
    })?;
    write(&bootstrap, RECORDS..RECORDS * 2)?;
    for partition in 0..PARTITIONS {
        connect(&address)?.reassign(TOPIC, partition, &all)?;
    }
    await_that("the topic is replicated", PATIENCE, || {
        let in_sync = connect(&address)?.in_sync(TOPIC)?;
        Ok::<_, ClientError>(in_sync.iter().all(|count| *count == NODES))
    })?;

    goes_on_without_the_first(cluster, &bootstrap)
}

fn a_fourth_broker_joins() -> Result<(), Failed> {
    let config = HoldfastConfig::default().set("offsets.topic.num.partitions", "3");
    let mut cluster = HoldfastCluster::start(NODES, &config)?;
    let outcome = joined(&mut cluster, &config);
    outcome.map_err(|error| {
        let message = error.message().unwrap_or_default();
        format!("{message}\n{}", cluster.log_tail()).into()
    })
}

fn joined(cluster: &mut HoldfastCluster, config: &HoldfastConfig) -> Result<(), Failed> {
    let bootstrap = cluster.bootstrap();
    connect(&cluster.node(0).bootstrap())?.create_topic(TOPIC, PARTITIONS)?;
    write(&bootstrap, 0..RECORDS)?;
    commit(&bootstrap, RECORDS / 2)?;
    cluster.add(config)?;
    let address = cluster.node(3).bootstrap();
    // It is asked, though it does not decide.
    let voters = connect(&address)?.quorum()?.voter_ids();
    if voters != [1, 2, 3] {
        return Err(format!("voters: {voters:?}").into());
    }
    let replicas = [[4, 1, 2], [1, 2, 4], [2, 4, 1], [4, 3, 2]];
    for (partition, brokers) in (0..).zip(replicas) {
        connect(&address)?.reassign(TOPIC, partition, &brokers)?;
    }
    await_that("the topic has moved", PATIENCE, || {
        Ok::<_, ClientError>(connect(&address)?.reassignments()? == 0)
    })?;
    connect(&address)?.elect_preferred_leaders()?;
    write(&bootstrap, RECORDS..RECORDS * 2)?;
    // A restart asks for all the metadata again.
    cluster.node(3).restart()?;
    goes_on_without_the_first(cluster, &bootstrap)
}

/// A broker whose replica was removed, and its log deleted, gets it again: what it said it had before is not what it has.
fn a_replica_comes_back_empty() -> Result<(), Failed> {
    let mut cluster = HoldfastCluster::start(NODES, &HoldfastConfig::default())?;
    let outcome = come_back(&mut cluster);
    outcome.map_err(|error| {
        let message = error.message().unwrap_or_default();
        format!("{message}\n{}", cluster.log_tail()).into()
    })
}

fn come_back(cluster: &mut HoldfastCluster) -> Result<(), Failed> {
    let bootstrap = cluster.bootstrap();
    let address = cluster.node(0).bootstrap();
    connect(&address)?.create_topic(TOPIC, PARTITIONS)?;
    // More than one fetch of a follower gets.
    write_wide(&bootstrap, 0..RECORDS, 20_000)?;
    // Nothing is written meanwhile: as far as that goes, the replica still has everything.
    for brokers in [&[1, 2, 3][..], &[1, 2], &[3]] {
        for partition in 0..PARTITIONS {
            connect(&address)?.reassign(TOPIC, partition, brokers)?;
        }
        await_that("the topic has moved", PATIENCE, || {
            let is_over = connect(&address)?.reassignments()? == 0;
            let in_sync = connect(&address)?.in_sync(TOPIC)?;
            Ok::<_, ClientError>(is_over && in_sync.iter().all(|count| *count == brokers.len()))
        })?;
    }
    for at in 0..NODES - 1 {
        let directory = cluster.node(at).data_dir().join(format!("{TOPIC}-0"));
        if directory.exists() {
            return Err(format!("the log of broker {} is still there", at + 1).into());
        }
    }
    match read(&bootstrap)? == (0..RECORDS).collect::<Vec<_>>() {
        true => Ok(()),
        false => Err("records are lost".into()),
    }
}

/// Two of three voters are left, and of each partition at least two of three replicas.
fn goes_on_without_the_first(cluster: &mut HoldfastCluster, bootstrap: &str) -> Result<(), Failed> {
    cluster.node(0).kill9();
    write(bootstrap, RECORDS * 2..RECORDS * 3)?;
    if committed(bootstrap)? != RECORDS / 2 {
        return Err("the committed offset is another".into());
    }
    let read = read(bootstrap)?;
    let expected: Vec<i64> = (0..RECORDS * 3).collect();
    match read == expected {
        true => Ok(()),
        false => Err(format!("{} records are there, or not those", read.len()).into()),
    }
}

fn connect(address: &str) -> Result<Connection, ClientError> {
    Connection::connect(address, "grow", PATIENCE)
}

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config.set("group.id", "readers");
    config.set("enable.auto.commit", "false");
    config
}

fn partition_of(number: i64) -> i32 {
    i32::try_from(number % i64::from(PARTITIONS)).expect("a few partitions")
}

fn write(bootstrap: &str, numbers: std::ops::Range<i64>) -> Result<(), Failed> {
    write_wide(bootstrap, numbers, 0)
}

/// Writes numbers, each at least so many bytes wide.
fn write_wide(bootstrap: &str, numbers: std::ops::Range<i64>, bytes: usize) -> Result<(), Failed> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    let producer: BaseProducer = config.set("enable.idempotence", "true").create()?;
    for number in numbers {
        let value = format!("{number:>bytes$}");
        let record = BaseRecord::<(), str>::to(TOPIC)
            .partition(partition_of(number))
            .payload(&value);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(PATIENCE)?;
    Ok(())
}

/// Commits this offset of the first partition.
fn commit(bootstrap: &str, offset: i64) -> Result<(), Failed> {
    let consumer: BaseConsumer = client(bootstrap).create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC, 0, Offset::Offset(offset))?;
    consumer.commit(&list, CommitMode::Sync)?;
    Ok(())
}

fn committed(bootstrap: &str) -> Result<i64, Failed> {
    let consumer: BaseConsumer = client(bootstrap).create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition(TOPIC, 0);
    let committed = consumer.committed_offsets(list, PATIENCE)?;
    let first = committed.elements_for_topic(TOPIC);
    match first.first().map(|it| it.offset()) {
        Some(Offset::Offset(offset)) => Ok(offset),
        other => Err(format!("no committed offset: {other:?}").into()),
    }
}

/// All numbers that are there, sorted.
fn read(bootstrap: &str) -> Result<Vec<i64>, Failed> {
    let consumer: BaseConsumer = client(bootstrap).create()?;
    let mut list = TopicPartitionList::new();
    let mut wanted = 0;
    for partition in 0..PARTITIONS {
        let (_, end) = consumer.fetch_watermarks(TOPIC, partition, PATIENCE)?;
        wanted += usize::try_from(end)?;
        list.add_partition_offset(TOPIC, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let deadline = Instant::now() + PATIENCE;
    let mut numbers = Vec::new();
    while numbers.len() < wanted && Instant::now() < deadline {
        // After an error it goes on by itself.
        if let Some(Ok(message)) = consumer.poll(POLL) {
            let number = message.payload_view::<str>().and_then(Result::ok);
            numbers.push(
                number
                    .and_then(|it| it.trim().parse().ok())
                    .ok_or("no number")?,
            );
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}
