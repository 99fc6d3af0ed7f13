//! What each broker says of the topic, and whether it takes a write: for the report of a run that failed.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use client::{ClientError, Connection, PartitionBatch};
use peer::{Cluster, HoldfastCluster};
use protocol::{
    batch::{BatchBuilder, NewRecord},
    codec::StrBytes,
    messages::{
        ApiKey, DescribeTopicPartitionsRequest, TopicName, describe_topic_partitions_request,
    },
};

use crate::{PARTITIONS, TOPIC};

const PATIENCE: Duration = Duration::from_secs(5);

/// A line per broker and partition. The writes that are tried are no numbers.
pub fn of(cluster: &mut HoldfastCluster) -> String {
    let mut text = String::new();
    for at in 0..cluster.len() {
        let address = cluster.node(at).bootstrap();
        let of_broker = partitions(&address);
        let of_broker = of_broker.unwrap_or_else(|error| format!("  {error}\n"));
        let _ = write!(text, "as broker {} knows it:\n{of_broker}", at + 1);
        for partition in 0..PARTITIONS {
            let began = Instant::now();
            let outcome = write(&address, partition);
            let outcome = outcome.unwrap_or_else(|error| error.to_string());
            let _ = writeln!(
                text,
                "  a write to {partition}: {outcome}, after {:?}",
                began.elapsed()
            );
        }
    }
    text
}

fn write(address: &str, partition: i32) -> Result<String, ClientError> {
    let mut connection = Connection::connect(address, "faults", PATIENCE)?;
    let topic = connection.topic(TOPIC)?;
    let mut batch = BatchBuilder::new();
    batch.push(&NewRecord {
        value: Some(b"a try"),
        ..NewRecord::default()
    });
    connection.send_produce(&[PartitionBatch {
        topic: &topic,
        partition,
        batch: batch.build().freeze(),
    }])?;
    let produced = connection.receive_produced(&[(&topic, partition)])?;
    Ok(format!("{:?}", produced[0].outcome))
}

fn partitions(address: &str) -> Result<String, ClientError> {
    let mut connection = Connection::connect(address, "faults", PATIENCE)?;
    let name = TopicName(StrBytes::from_static_str(TOPIC));
    let topic = describe_topic_partitions_request::TopicRequest::default().with_name(name);
    let request = DescribeTopicPartitionsRequest::default()
        .with_topics(vec![topic])
        .with_response_partition_limit(i32::MAX);
    let answer = connection.call(&request)?;
    let topic = answer.topics.first();
    let topic = topic.ok_or(ClientError::Unrelated(ApiKey::DescribeTopicPartitions))?;
    let mut text = String::new();
    for it in &topic.partitions {
        let _ = writeln!(
            text,
            "  {TOPIC}-{} leader {:?} epoch {} isr {:?} elr {:?} last known elr {:?} offline {:?} error {}",
            it.partition_index,
            it.leader_id.0,
            it.leader_epoch,
            it.isr_nodes,
            it.eligible_leader_replicas,
            it.last_known_elr,
            it.offline_replicas,
            it.error_code,
        );
    }
    Ok(text)
}
