//! A broker whose disk counts as full: it follows, in sync, and leads only where nobody else could.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use client::{ClientError, Connection};
use libtest_mimic::{Arguments, Failed, Trial};
use peer::{Cluster, HoldfastCluster, HoldfastConfig, await_that};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};

const TOPIC: &str = "written";
const GROUP: &str = "readers";
const NODES: usize = 3;
const RECORDS: usize = 100;
/// The first broker has all that it needs and less than that.
const FULL: i32 = 1;
const OTHER: i32 = 2;
const WATERMARK: &str = "disk.free.bytes.min";
const MORE_THAN_THERE_IS: &str = "9000000000000000";
/// No step takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let trials = vec![Trial::test(
        "space::who_is_short_of_space_leads_only_where_nobody_else_could",
        leads_only_where_nobody_else_could,
    )];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn leads_only_where_nobody_else_could() -> Result<(), Failed> {
    let config = HoldfastConfig::default()
        .set("offsets.topic.num.partitions", "1")
        .set("default.replication.factor", "3");
    let mut configs = vec![config; NODES];
    configs[0] = configs[0].clone().set(WATERMARK, MORE_THAN_THERE_IS);
    let mut cluster = HoldfastCluster::start_each(configs)?;
    let outcome = lead(&mut cluster);
    outcome.map_err(|error| {
        let message = error.message().unwrap_or_default();
        format!("{message}\n{}", cluster.log_tail()).into()
    })
}

fn lead(cluster: &mut HoldfastCluster) -> Result<(), Failed> {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap())
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", PATIENCE.as_millis().to_string())
        .create()?;
    // The third broker has no replica, and sees what becomes of the others.
    let third = cluster.node(2).bootstrap();
    let mut any = connect(&third)?;
    any.create_topic(TOPIC, 1)?;
    any.reassign(TOPIC, 0, &[FULL, OTHER])?;
    await_that("the partition is where it should be", PATIENCE, || {
        let has_come = any.reassignments()? == 0 && any.in_sync(TOPIC)? == [2];
        Ok::<_, ClientError>(has_come)
    })?;
    await_leader(&mut any, OTHER)?;
    any.elect_preferred_leaders()?;
    write(&producer)?;
    await_leader(&mut any, OTHER)?;
    if any.in_sync(TOPIC)? != [2] {
        return Err("who is short of space does not follow".into());
    }

    // What is committed for groups is a partition like others.
    let topic = any.topic(TOPIC)?;
    await_that("offsets are committed", PATIENCE, || {
        let coordinator = any.find_coordinator(GROUP)?;
        let at = usize::try_from(coordinator - 1).unwrap_or_default();
        let mut connection = connect(&cluster.node(at).bootstrap())?;
        connection.commit_offsets(GROUP, &topic, &BTreeMap::from([(0, 1)]))?;
        Ok::<_, ClientError>(coordinator != FULL)
    })?;

    // Nobody else is left; and then somebody is again.
    let other = usize::try_from(OTHER - 1)?;
    cluster.node(other).kill9();
    await_leader(&mut any, FULL)?;
    cluster.node(other).restart()?;
    await_leader(&mut any, OTHER)?;
    write(&producer)?;

    // There is space again: it leads when it is asked to, or when leaders are balanced.
    let settings = &mut cluster.node(0).config_mut().settings;
    settings.retain(|(name, _)| name != WATERMARK);
    cluster.node(0).restart()?;
    await_that("the preferred leader leads again", PATIENCE, || {
        any.elect_preferred_leaders()?;
        Ok::<_, ClientError>(leader(&mut any)? == Some(FULL))
    })?;
    write(&producer)
}

fn connect(address: &str) -> Result<Connection, ClientError> {
    Connection::connect(address, "space", PATIENCE)
}

fn leader(connection: &mut Connection) -> Result<Option<i32>, ClientError> {
    let metadata = connection.metadata(Some(&[TOPIC]))?;
    let partitions = metadata.topics.iter().flat_map(|it| &it.partitions);
    Ok(partitions.filter_map(|it| it.leader).next())
}

fn await_leader(connection: &mut Connection, id: i32) -> Result<(), Failed> {
    let what = match id {
        FULL => "the broker that is short of space leads",
        _ => "a broker that has space leads",
    };
    let is_so = || leader(connection).map(|leader| leader == Some(id));
    Ok(await_that(what, PATIENCE, is_so)?)
}

/// Done means: they are acknowledged by all in sync.
fn write(producer: &BaseProducer) -> Result<(), Failed> {
    for _ in 0..RECORDS {
        let record = BaseRecord::<(), str>::to(TOPIC).partition(0).payload("x");
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(PATIENCE)?;
    match producer.in_flight_count() {
        0 => Ok(()),
        left => Err(format!("{left} records are not acknowledged").into()),
    }
}
