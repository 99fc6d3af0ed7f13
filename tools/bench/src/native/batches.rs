//! Batches and requests, made before the run, so that a load generator costs little beside the broker.
//!
//! Without keys all partitions are sent the same few batches: a request is a head of its own, a batch that it shares, and a tail. So ten
//! thousand partitions need no more memory than ten.

use bytes::Bytes;
use client::Topic;
use protocol::batch::{BatchBuilder, Compression as BatchCompression, NewRecord, compress};
use protocol::codec::StrBytes;
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{ApiKey, ProduceRequest, TopicName};
use protocol::wire::encode_request_frame;
use protocol::wire::request::request_header_version;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

use crate::BenchError;
use crate::workload::keys::{self, PartitionKeys};
use crate::workload::{Compression, Workload};

/// Different batches without keys. More would need more of the processor's cache than a client has.
const SHARED: usize = 4;
/// With keys each partition has batches of its own, which take at most so much memory.
const KEYED_BYTES_MAX: u64 = 1 << 30;
/// How long a broker may wait for replicas.
const TIMEOUT_MS: i32 = 30_000;
/// Where a request has its correlation id: behind size, API key and version.
const CORRELATION_ID_AT: usize = 8;

/// The batches of a run.
#[derive(Debug)]
pub(crate) struct Batches {
    /// One after the other, or one for each partition.
    pool: Vec<Bytes>,
    /// Each partition's share of all requests; empty if it is equal.
    shares: Vec<f64>,
}

/// A request to one partition, which is sent again and again.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Which of the run's topics.
    pub(crate) topic: usize,
    pub(crate) partition: i32,
    head: Vec<u8>,
    batch: Bytes,
    tail: Vec<u8>,
}

impl Batches {
    pub(crate) fn build(workload: &Workload) -> Result<Batches, BenchError> {
        let mut random = SmallRng::seed_from_u64(workload.seed);
        let keys = keys::by_partition(workload.keys, workload.partitions);
        if keys.is_empty() {
            let pool = (0..SHARED).map(|_| batch(workload, None, &mut random));
            return Ok(Batches {
                pool: pool.collect::<Result<_, _>>()?,
                shares: Vec::new(),
            });
        }
        let bytes = workload
            .batch_bytes()
            .saturating_mul(workload.partitions.unsigned_abs().into());
        if bytes > KEYED_BYTES_MAX {
            return Err(BenchError::Workload {
                what: "with keys, a batch for each partition has to fit into 1 GiB".to_owned(),
            });
        }
        let pool = keys.iter().map(|keys| match keys {
            Some(keys) => batch(workload, Some(keys), &mut random),
            // Nothing is ever sent there.
            None => Ok(Bytes::new()),
        });
        let pool = pool.collect::<Result<_, _>>()?;
        let shares = keys.iter();
        let shares = shares.map(|keys| keys.as_ref().map_or(0.0, |keys| keys.share));
        Ok(Batches {
            pool,
            shares: shares.collect(),
        })
    }

    /// The share of a partition in what is sent to its topic.
    pub(crate) fn share(&self, partition: i32, partitions: i32) -> f64 {
        let own = self.shares.get(partition as usize).copied();
        own.unwrap_or_else(|| 1.0 / f64::from(partitions.max(1)))
    }

    /// Whether partitions are sent as much as each other, so that a producer goes from one to the next.
    pub(crate) fn are_even(&self) -> bool {
        self.shares.is_empty()
    }

    pub(crate) fn request(
        &self,
        (at, topic): (usize, &Topic),
        partition: i32,
        workload: &Workload,
        version: i16,
    ) -> Result<Request, BenchError> {
        let batch = self.pool[partition as usize % self.pool.len()].clone();
        let data = PartitionProduceData::default()
            .with_index(partition)
            .with_records(Some(batch.clone()));
        let data = TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_string(topic.name.clone())))
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_acks(workload.acks.on_the_wire())
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_data(vec![data]);
        let frame = encode_request_frame(version, 0, Some("holdfast-bench"), &request)?;
        // Behind the records a flexible request has the tagged fields of partition, topic and request: none of each.
        let tail_bytes = match request_header_version(ApiKey::Produce, version) {
            2.. => 3,
            _ => 0,
        };
        let batch_end = frame.len() - tail_bytes;
        let head = frame[..batch_end - batch.len()].to_vec();
        debug_assert_eq!(frame[head.len()..batch_end], batch);
        Ok(Request {
            topic: at,
            partition,
            head,
            batch,
            tail: frame[batch_end..].to_vec(),
        })
    }
}

impl Request {
    /// Bytes as they are sent.
    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.batch.len() + self.tail.len()
    }

    /// Appends the head with a correlation id of its own.
    pub(crate) fn put_head(&self, correlation_id: i32, heads: &mut Vec<u8>) {
        let at = heads.len() + CORRELATION_ID_AT;
        heads.extend_from_slice(&self.head);
        heads[at..at + 4].copy_from_slice(&correlation_id.to_be_bytes());
    }

    pub(crate) fn head_bytes(&self) -> usize {
        self.head.len()
    }

    /// What follows the head.
    pub(crate) fn rest(&self) -> [&[u8]; 2] {
        [&self.batch, &self.tail]
    }
}

fn batch(
    workload: &Workload,
    keys: Option<&PartitionKeys>,
    random: &mut SmallRng,
) -> Result<Bytes, BenchError> {
    let size = usize::try_from(workload.size.0).unwrap_or(usize::MAX);
    let random_bytes = (size as f64 * workload.random_share) as usize;
    let timestamp = now_ms();
    let mut batch = BatchBuilder::new();
    let mut value = vec![0; size];
    for _ in 0..workload.batch_records {
        random.fill_bytes(&mut value[..random_bytes.min(size)]);
        let key = keys.map(|keys| keys::key(keys.draw(random)));
        batch.push(&NewRecord {
            timestamp,
            key: key.as_ref().map(String::as_bytes),
            value: Some(&value),
            ..NewRecord::default()
        });
    }
    let batch = batch.build();
    let compression = match workload.compression {
        Compression::None => return Ok(batch.freeze()),
        Compression::Gzip => BatchCompression::Gzip,
        Compression::Snappy => BatchCompression::Snappy,
        Compression::Lz4 => BatchCompression::Lz4,
        Compression::Zstd => BatchCompression::Zstd,
    };
    let compressed = compress(&batch, compression, usize::MAX);
    let compressed = compressed.map_err(|_| BenchError::Unexpected("a batch is not compressed"))?;
    Ok(compressed.freeze())
}

pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use protocol::batch::batches;
    use protocol::model::Uuid;
    use protocol::wire::{RequestHeader, split_frame};

    use super::*;
    use crate::workload::keys::Keys;
    use crate::workload::quantity::Size;

    fn topic() -> Topic {
        Topic {
            name: "it".to_owned(),
            id: Uuid::nil(),
            partitions: 3,
        }
    }

    fn sent(request: &Request, correlation_id: i32) -> BytesMut {
        let mut bytes = Vec::new();
        request.put_head(correlation_id, &mut bytes);
        assert_eq!(bytes.len(), request.head_bytes());
        for piece in request.rest() {
            bytes.extend_from_slice(piece);
        }
        assert_eq!(bytes.len(), request.len());
        BytesMut::from(bytes.as_slice())
    }

    #[test]
    fn what_is_sent_is_a_request_with_its_batch() {
        let workload = Workload {
            batch_records: 3,
            size: Size(50),
            partitions: 3,
            ..Workload::default()
        };
        let batches_made = Batches::build(&workload).unwrap();
        for version in [3, 8, 9, 12] {
            let request = batches_made.request((0, &topic()), 2, &workload, version);
            let mut bytes = sent(&request.unwrap(), 77);
            let mut frame = split_frame(&mut bytes, 1 << 20).unwrap().unwrap();
            assert!(bytes.is_empty());
            let header = RequestHeader::decode_mut(&mut frame).unwrap();
            assert_eq!((header.correlation_id, header.api_version), (77, version));
            let request = protocol::wire::produce::ProduceRequest::decode(frame, version).unwrap();
            let partition = &request.topics[0].partitions[0];
            assert_eq!(partition.partition_index, 2);
            let records = partition.records.as_ref().unwrap();
            let (header, batch) = batches(records).next().unwrap().unwrap();
            assert_eq!((header.record_count, batch.len()), (3, records.len()));
        }
    }

    #[test]
    fn with_keys_partitions_have_their_shares() {
        let workload = Workload {
            partitions: 3,
            keys: Keys::Zipf {
                count: 100,
                exponent: 1.0,
            },
            ..Workload::default()
        };
        let batches = Batches::build(&workload).unwrap();
        assert!(!batches.are_even());
        let shares = (0..3).map(|partition| batches.share(partition, 3));
        assert!((shares.sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn zeros_become_small_and_random_bytes_do_not() {
        let batch_bytes = |random_share| {
            let workload = Workload {
                size: Size(10_000),
                random_share,
                compression: Compression::Lz4,
                ..Workload::default()
            };
            Batches::build(&workload).unwrap().pool[0].len()
        };
        assert!(batch_bytes(0.0) < 1_000);
        assert!((5_000..6_000).contains(&batch_bytes(0.5)));
        assert!(batch_bytes(1.0) > 10_000);
    }
}
