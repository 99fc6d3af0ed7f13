//! DescribeLogDirs (key 35), versions 1-5 (KIP-113, KIP-827, KIP-1066).
//!
//! The data directories, with the size of each partition in them, what their file systems hold, and what is free there. A size is
//! that of the segments and of the log's tail, which is in the journal until it is in a segment. A directory that is offline has
//! KAFKA_STORAGE_ERROR and no partitions. Partitions are answered once, in order; those that are not here are left out.
//!
//! Not supported: cordoned directories, moves between directories: no partition lags or is a future one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use protocol::messages::{ApiKey, DescribeLogDirsRequest, DescribeLogDirsResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::controller::first_error;
use super::topics::text;
use super::{Answer, Api, Call, decode};
use crate::broker::is_private;
use crate::data_dirs::Directory;

/// The handler.
pub const API: Api = Api {
    key: ApiKey::DescribeLogDirs,
    name: "DescribeLogDirs",
    versions: VersionRange::new(1, 5),
    handle,
};

/// The partitions asked for, by topic; `None` for all.
type Wanted = Option<BTreeMap<String, BTreeSet<i32>>>;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: DescribeLogDirsRequest = decode(body, call.head.version)?;
    let wanted = wanted(&request);
    let directories = call.broker.data_dirs.directories().iter();
    let directories: Vec<_> = directories
        .filter(|directory| directory.takes_partitions())
        .map(Arc::clone)
        .collect();
    let head = call.head;
    // The file system is asked, and every log.
    Ok(Answer::later(async move {
        let failed = head.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let results: Vec<_> = directories
                .iter()
                .map(|directory| describe(directory, &wanted))
                .collect();
            let error = first_error(results.iter().map(|result| result.error_code));
            let body = DescribeLogDirsResponse {
                results,
                ..DescribeLogDirsResponse::default()
            };
            head.respond(&body, error)
        });
        answer.await.unwrap_or_else(|_| {
            failed.unanswerable(&WireError::Malformed("the broker is stopping"))
        })
    }))
}

fn wanted(request: &DescribeLogDirsRequest) -> Wanted {
    let topics = request.topics.as_ref()?;
    let mut wanted: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for topic in topics {
        wanted
            .entry(topic.topic.to_string())
            .or_default()
            .extend(&topic.partitions);
    }
    Some(wanted)
}

fn describe(directory: &Directory, wanted: &Wanted) -> DescribeLogDirsResult {
    let path = directory.path();
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let result = DescribeLogDirsResult {
        log_dir: text(path.to_string_lossy()),
        ..DescribeLogDirsResult::default()
    };
    let Some(data_dir) = directory.online() else {
        return DescribeLogDirsResult {
            error_code: ErrorCode::KafkaStorageError.code(),
            ..result
        };
    };
    let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let space = data_dir.disk_space();
    let (total_bytes, usable_bytes) = space.map_or((-1, -1), |space| {
        (bytes(space.total), bytes(space.available))
    });
    let mut sizes: BTreeMap<String, BTreeMap<i32, u64>> = BTreeMap::new();
    for log in data_dir.logs() {
        let (topic, partition) = (log.topic(), log.partition().partition.get());
        let is_wanted = wanted.as_ref().is_none_or(|wanted| {
            let partitions = wanted.get(topic);
            partitions.is_some_and(|partitions| partitions.contains(&partition))
        });
        if is_wanted && !is_private(topic) {
            let partitions = sizes.entry(topic.to_owned()).or_default();
            partitions.insert(partition, log.size_bytes());
        }
    }
    let topics = sizes.into_iter().map(|(topic, partitions)| {
        let partitions = partitions.into_iter().map(|(partition, size)| {
            DescribeLogDirsPartition::default()
                .with_partition_index(partition)
                .with_partition_size(bytes(size))
        });
        DescribeLogDirsTopic::default()
            .with_name(text(topic).into())
            .with_partitions(partitions.collect())
    });
    DescribeLogDirsResult {
        topics: topics.collect(),
        total_bytes,
        usable_bytes,
        ..result
    }
}
