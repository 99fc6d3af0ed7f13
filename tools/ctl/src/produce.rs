//! Records, written by hand: a line is a record.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use client::{
    ClientError, Connection, PartitionBatch, ProducerIdAndEpoch, Topic, partition_of_key,
};
use protocol::{
    ErrorCode,
    batch::{BatchBuilder, BatchProducer, NewRecord},
    model::Sequence,
};

use crate::{CtlError, Seeds, clock::wall_clock_ms, leaders::Leaders, seeds::CLIENT_ID};

/// A broker that takes longer to acknowledge is left, and the batch sent again.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// A batch that is not acknowledged for so long is given up.
const PATIENCE: Duration = Duration::from_secs(120);
/// After an error so long.
const BACKOFF: Duration = Duration::from_millis(100);
/// So much is read at a time.
const INPUT_BYTES: usize = 256 << 10;
/// A batch has at most so many bytes before it goes, unless it is one record.
const BATCH_BYTES_MAX: usize = 256 << 10;
/// A line that is longer is no record.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// What is written, and where.
#[derive(Clone, Debug)]
pub struct ProduceConfig {
    /// Where to ask.
    pub seeds: Seeds,
    /// The topic's name.
    pub topic: String,
    /// The partition; by default that of the key, and without keys one after the other.
    pub partition: Option<i32>,
    /// What stands between a key and a value; without it lines are values.
    pub key_separator: Option<String>,
    /// Headers of all records.
    pub headers: Vec<(String, String)>,
}

/// Writes each line with acks=all, by one idempotent producer: what was sent again is there once. Done means: all of them are acknowledged. Returns how many.
pub fn produce(config: &ProduceConfig, input: impl Read) -> Result<u64, CtlError> {
    let (mut connection, topic) = config
        .seeds
        .ask(SILENCE_MAX, |it| it.topic(&config.topic))?;
    if let Some(partition) = config.partition
        && !(0..topic.partitions).contains(&partition)
    {
        return Err(CtlError::Refused(format!(
            "{} has {} partitions, and no {partition}",
            topic.name, topic.partitions
        )));
    }
    let leaders = Leaders::new(&config.seeds, &topic);
    leaders.refresh(0)?;
    let mut producer = Producer {
        topic: &topic,
        leaders: &leaders,
        id: connection.init_producer_id()?,
        sequences: BTreeMap::new(),
        connections: BTreeMap::new(),
    };
    let mut input = BufReader::with_capacity(INPUT_BYTES, input);
    let mut lines = Lines {
        config,
        partitions: topic.partitions,
        turn: 0,
        waiting: BTreeMap::new(),
    };
    let mut count = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut input)
            .take(LINE_BYTES_MAX + 1)
            .read_until(b'\n', &mut line);
        let read = read.map_err(CtlError::file("cannot read", "standard input"))?;
        if read == 0 {
            break;
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.len() as u64 > LINE_BYTES_MAX {
            return Err(CtlError::Refused(format!(
                "line {} is longer than {LINE_BYTES_MAX} bytes",
                count + 1
            )));
        }
        count += 1;
        lines.add(&line, count)?;
        // Whoever types wants to see each line go.
        if input.buffer().is_empty() || lines.bytes() >= BATCH_BYTES_MAX {
            producer.send_all(lines.take())?;
        }
    }
    producer.send_all(lines.take())?;
    Ok(count)
}

/// Records of one partition that are not sent yet.
#[derive(Default)]
struct Batch {
    builder: BatchBuilder,
    records: i32,
}

struct Lines<'a> {
    config: &'a ProduceConfig,
    partitions: i32,
    /// The partition of records without a key, until they are sent.
    turn: i32,
    waiting: BTreeMap<i32, Batch>,
}

impl Lines<'_> {
    fn add(&mut self, line: &[u8], number: u64) -> Result<(), CtlError> {
        let (key, value) = match &self.config.key_separator {
            None => (None, line),
            Some(separator) => {
                let separator = separator.as_bytes();
                let at = line.windows(separator.len()).position(|it| it == separator);
                let at = at.ok_or_else(|| {
                    CtlError::Refused(format!(
                        "line {number} has no key: there is no separator in it"
                    ))
                })?;
                (Some(&line[..at]), &line[at + separator.len()..])
            }
        };
        let partition = match (self.config.partition, key) {
            (Some(partition), _) => partition,
            (None, Some(key)) => partition_of_key(key, self.partitions),
            (None, None) => self.turn,
        };
        let headers: Vec<(&str, Option<&[u8]>)> = self
            .config
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), Some(value.as_bytes())))
            .collect();
        let batch = self.waiting.entry(partition).or_default();
        batch.builder.push(&NewRecord {
            timestamp: wall_clock_ms(),
            key,
            value: Some(value),
            headers: &headers,
        });
        batch.records += 1;
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.waiting
            .values()
            .map(|it| it.builder.size_in_bytes())
            .sum()
    }

    fn take(&mut self) -> BTreeMap<i32, Batch> {
        self.turn = (self.turn + 1) % self.partitions.max(1);
        std::mem::take(&mut self.waiting)
    }
}

struct Producer<'a> {
    topic: &'a Topic,
    leaders: &'a Leaders,
    id: ProducerIdAndEpoch,
    /// The next one of each partition.
    sequences: BTreeMap<i32, Sequence>,
    connections: BTreeMap<String, Connection>,
}

impl Producer<'_> {
    fn send_all(&mut self, batches: BTreeMap<i32, Batch>) -> Result<(), CtlError> {
        for (partition, batch) in batches {
            let sequence = self.sequences.get(&partition).copied();
            let sequence = sequence.unwrap_or_else(|| Sequence::new(0));
            let producer = BatchProducer {
                id: self.id.id,
                epoch: self.id.epoch,
                base_sequence: Some(sequence),
            };
            let bytes = batch.builder.producer(producer).build().freeze();
            self.send(partition, &bytes)?;
            self.sequences
                .insert(partition, sequence.plus(batch.records));
        }
        Ok(())
    }

    /// Sends a batch until it is acknowledged.
    fn send(&mut self, partition: i32, batch: &Bytes) -> Result<(), CtlError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (generation, leader) = self.leaders.of(partition);
            let sent = match leader {
                Some(leader) => self.attempt(&leader.address, partition, batch),
                None => Err(ClientError::Refused {
                    doing: "produce",
                    code: ErrorCode::LeaderNotAvailable,
                }),
            };
            match sent {
                Ok(()) => return Ok(()),
                Err(error) => {
                    let may_pass = matches!(error, ClientError::Io { .. }) || error.is_retriable();
                    if !may_pass || Instant::now() > deadline {
                        return Err(error.into());
                    }
                }
            }
            thread::sleep(BACKOFF);
            // Who cannot be asked now is asked again at the next attempt.
            let _ = self.leaders.refresh(generation);
        }
    }

    fn attempt(&mut self, address: &str, partition: i32, batch: &Bytes) -> Result<(), ClientError> {
        let mut connection = match self.connections.remove(address) {
            Some(connection) => connection,
            None => Connection::connect(address, CLIENT_ID, SILENCE_MAX)?,
        };
        let topic = self.topic;
        connection.send_produce(&[PartitionBatch {
            topic,
            partition,
            batch: batch.clone(),
        }])?;
        let produced = connection.receive_produced(&[(topic, partition)])?;
        self.connections.insert(address.to_owned(), connection);
        match produced.first().map(|it| it.outcome) {
            // The broker has it already: its answer was lost.
            Some(Ok(_) | Err(ErrorCode::DuplicateSequenceNumber)) => Ok(()),
            Some(Err(code)) => Err(ClientError::Refused {
                doing: "produce",
                code,
            }),
            None => Err(ClientError::Unrelated(protocol::ApiKey::Produce)),
        }
    }
}
