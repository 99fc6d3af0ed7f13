//! Groups while their coordinator cannot commit, because too few replicas are in sync: who is a member stays one, and finds what was committed.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use client::{ClientError, Connection, Topic};
use libtest_mimic::{Arguments, Failed, Trial};
use peer::{Cluster, HoldfastCluster, HoldfastConfig, await_that};
use protocol::{
    ErrorCode,
    codec::StrBytes,
    messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse},
};

const TOPIC: &str = "read";
const OFFSETS: &str = "__consumer_offsets";
const GROUP: &str = "readers";
/// Has no members.
const OTHERS: &str = "others";
const NODES: usize = 3;
const COMMITTED: i64 = 7;
/// No step takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let trials = vec![Trial::test(
        "groups::members_stay_while_nothing_can_be_committed",
        members_stay,
    )];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn members_stay() -> Result<(), Failed> {
    let config = HoldfastConfig::default()
        .set("offsets.topic.num.partitions", "1")
        .set("default.replication.factor", "3");
    let mut cluster = HoldfastCluster::start(NODES, &config)?;
    let outcome = stay(&mut cluster);
    outcome.map_err(|error| {
        let message = error.message().unwrap_or_default();
        format!("{message}\n{}", cluster.log_tail()).into()
    })
}

fn stay(cluster: &mut HoldfastCluster) -> Result<(), Failed> {
    let mut any = connect(&cluster.node(0).bootstrap())?;
    any.create_topic(TOPIC, 1)?;
    let topic = any.topic(TOPIC)?;
    await_that("the group has a coordinator", PATIENCE, || {
        any.find_coordinator(GROUP).map(|_| true)
    })?;
    let coordinator = usize::try_from(any.find_coordinator(GROUP)? - 1)?;
    any.set_topic_config(OFFSETS, "min.insync.replicas", "3")?;
    let mut connection = connect(&cluster.node(coordinator).bootstrap())?;
    await_that("offsets can be committed", PATIENCE, || {
        commit(&mut connection, GROUP, &topic).map(|()| true)
    })?;
    let joined = heartbeat(&mut connection, "first", 0, Some(TOPIC))?;
    expect(joined.error_code, ErrorCode::None)?;

    let other = (coordinator + 1) % NODES;
    cluster.node(other).kill9();
    await_that("the killed broker is out of sync", PATIENCE, || {
        Ok::<_, ClientError>(connection.in_sync(OFFSETS)? == [NODES - 1])
    })?;
    let epoch = joined.member_epoch;
    let alive = heartbeat(&mut connection, "first", epoch, None)?;
    expect(alive.error_code, ErrorCode::None)?;
    let found = connection.committed_offsets(GROUP, &topic)?;
    if found != BTreeMap::from([(0, COMMITTED)]) {
        return Err(format!("committed: {found:?}").into());
    }
    let refused = heartbeat(&mut connection, "second", 0, Some(TOPIC))?;
    expect(refused.error_code, ErrorCode::CoordinatorNotAvailable)?;
    if commit(&mut connection, OTHERS, &topic).is_ok() {
        return Err("an offset is committed on too few replicas".into());
    }
    // It is recorded all the same, and nothing that comes after it can be answered; but everybody is told so at once.
    let subscribes = heartbeat(&mut connection, "first", epoch, Some("another"))?;
    expect(subscribes.error_code, ErrorCode::CoordinatorNotAvailable)?;
    let waits = heartbeat(&mut connection, "first", epoch, None)?;
    expect(waits.error_code, ErrorCode::CoordinatorNotAvailable)?;

    cluster.node(other).restart()?;
    await_that("offsets can be committed again", PATIENCE, || {
        commit(&mut connection, OTHERS, &topic).map(|()| true)
    })?;
    let alive = heartbeat(&mut connection, "first", epoch, Some(TOPIC))?;
    expect(alive.error_code, ErrorCode::None)
}

fn connect(address: &str) -> Result<Connection, ClientError> {
    Connection::connect(address, "groups", PATIENCE)
}

fn expect(code: i16, expected: ErrorCode) -> Result<(), Failed> {
    match ErrorCode::from_code(code) {
        Some(found) if found == expected => Ok(()),
        found => Err(format!("{found:?} instead of {expected:?}").into()),
    }
}

/// Commits for a group without members.
fn commit(connection: &mut Connection, group: &str, topic: &Topic) -> Result<(), ClientError> {
    connection.commit_offsets(group, topic, &BTreeMap::from([(0, COMMITTED)]))
}

/// A member joins with the epoch 0, and with its own says that it is there; perhaps that it is subscribed to a topic.
fn heartbeat(
    connection: &mut Connection,
    member: &'static str,
    epoch: i32,
    topic: Option<&'static str>,
) -> Result<ConsumerGroupHeartbeatResponse, ClientError> {
    let request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(StrBytes::from_static_str(GROUP).into())
        .with_member_id(StrBytes::from_static_str(member))
        .with_member_epoch(epoch)
        .with_subscribed_topic_names(topic.map(|it| vec![StrBytes::from_static_str(it).into()]))
        .with_topic_partitions(topic.map(|_| Vec::new()));
    let request = match epoch {
        0 => request.with_rebalance_timeout_ms(60_000),
        _ => request.with_rebalance_timeout_ms(-1),
    };
    connection.call(&request)
}
