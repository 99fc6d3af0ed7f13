//! The data directories of a broker, and how far the replicas in them are behind.

use protocol::{
    ErrorCode,
    messages::{
        DescribeLogDirsRequest,
        describe_log_dirs_response::{DescribeLogDirsResult, DescribeLogDirsTopic},
    },
};

use crate::{
    ClientError, Connection,
    error::{check, error_code},
};

/// A data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDir {
    /// Its path on the broker's machine.
    pub path: String,
    /// What is wrong with it.
    pub error: ErrorCode,
    /// Bytes that are free on its volume. `None`: unknown.
    pub usable_bytes: Option<u64>,
    /// Bytes of its volume. `None`: unknown.
    pub total_bytes: Option<u64>,
    /// What is in it.
    pub replicas: Vec<LogDirReplica>,
}

/// A replica in a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirReplica {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// How many offsets its log end is behind the high watermark, as the broker itself knows it.
    pub offset_lag: i64,
    /// Whether it is on its way from another directory, and is to replace that one.
    pub is_future: bool,
}

impl Connection {
    /// Asks this broker for its data directories.
    pub fn log_dirs(&mut self) -> Result<Vec<LogDir>, ClientError> {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        let answer = self.call(&request)?;
        check("describe the data directories", answer.error_code)?;
        answer.results.iter().map(log_dir).collect()
    }
}

fn log_dir(result: &DescribeLogDirsResult) -> Result<LogDir, ClientError> {
    Ok(LogDir {
        path: result.log_dir.to_string(),
        error: error_code(result.error_code)?,
        usable_bytes: u64::try_from(result.usable_bytes).ok(),
        total_bytes: u64::try_from(result.total_bytes).ok(),
        replicas: result.topics.iter().flat_map(replicas).collect(),
    })
}

fn replicas(topic: &DescribeLogDirsTopic) -> impl Iterator<Item = LogDirReplica> {
    topic.partitions.iter().map(|it| LogDirReplica {
        topic: topic.name.as_str().to_owned(),
        partition: it.partition_index,
        offset_lag: it.offset_lag,
        is_future: it.is_future_key,
    })
}
