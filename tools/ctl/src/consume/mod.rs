//! Records, read by hand: from where one likes, of any partitions, printed as one likes.

mod output;
mod template;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    thread,
    time::{Duration, Instant},
};

use client::{ClientError, Connection, FetchAt, FetchLimits, FetchedPartition, OffsetSpec, Topic};
use protocol::{
    ErrorCode,
    batch::{BatchError, BatchHeader, batches, records_in, verify_crc},
    model::Offset,
};

pub use output::Output;
pub use template::{Template, TemplateError};

use crate::{CtlError, Seeds, leaders::Leaders, seeds::CLIENT_ID};

/// A broker that takes longer for an answer is left.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// For so long nobody has to be able to read anything before it is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// After an error so long.
const BACKOFF: Duration = Duration::from_millis(100);
/// For so long a broker waits for more, where it is the only one that is asked; several are asked in turn.
const WAIT_ALONE: Duration = Duration::from_millis(500);
const WAIT_IN_TURN: Duration = Duration::from_millis(50);
const PARTITION_BYTES: i32 = 1 << 20;
const FETCH_BYTES: i32 = 16 << 20;
/// A batch that comes to more bytes is not unpacked.
const DECOMPRESSED_BYTES_MAX: usize = 256 << 20;

/// What is read.
#[derive(Clone, Debug)]
pub struct ConsumeConfig {
    /// Where to ask.
    pub seeds: Seeds,
    /// The topic's name.
    pub topic: String,
    /// Some of its partitions; all, if empty.
    pub partitions: Vec<i32>,
    /// Where to begin.
    pub from: Start,
    /// How many records.
    pub count: Option<u64>,
    /// Whether to wait for more at the end.
    pub follow: bool,
}

/// Where to begin in each partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first record that is kept.
    First,
    /// With the next one that is written.
    End,
    /// At an offset.
    At(i64),
    /// So many before the end.
    Last(i64),
}

impl Start {
    /// Reads `start`, `end`, an offset, or `-N` for N before the end.
    pub fn parse(text: &str) -> Result<Start, String> {
        match text {
            "start" => Ok(Start::First),
            "end" => Ok(Start::End),
            _ => match text.parse::<i64>() {
                Ok(offset @ 0..) => Ok(Start::At(offset)),
                Ok(before) => Ok(Start::Last(before.saturating_neg())),
                Err(_) => Err("start, end, an offset, or -N for N before the end".to_owned()),
            },
        }
    }
}

/// A record, for those that print it.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition's number.
    pub partition: i32,
    /// The record.
    pub record: &'a protocol::batch::Record<'a>,
}

/// Reads, and prints each record to `out`. Done means: so many were printed, or all there was when it began. Returns how many.
pub fn consume(
    config: &ConsumeConfig,
    output: &Output,
    out: &mut dyn Write,
) -> Result<u64, CtlError> {
    let (_, topic) = config
        .seeds
        .ask(SILENCE_MAX, |it| it.topic(&config.topic))?;
    let leaders = Leaders::new(&config.seeds, &topic);
    leaders.refresh(0)?;
    let mut consumer = Consumer {
        topic: &topic,
        leaders: &leaders,
        connections: BTreeMap::new(),
        well: Instant::now(),
    };
    let mut positions = BTreeMap::new();
    for partition in wanted(config, &topic)? {
        let position = consumer.position(partition, config.from, config.follow)?;
        positions.insert(partition, position);
    }
    let mut printer = Printer {
        topic: &topic.name,
        output,
        out,
        printed: 0,
        count: config.count.unwrap_or(u64::MAX),
    };
    output.begin(printer.out).map_err(written)?;
    while printer.printed < printer.count {
        positions.retain(|_, it| it.end.is_none_or(|end| it.next < end));
        if positions.is_empty() {
            break;
        }
        consumer.round(&mut positions, &mut printer)?;
        printer.flush()?;
    }
    printer.flush()?;
    Ok(printer.printed)
}

fn wanted(config: &ConsumeConfig, topic: &Topic) -> Result<BTreeSet<i32>, CtlError> {
    let beyond = |it: &&i32| !(0..topic.partitions).contains(*it);
    if let Some(partition) = config.partitions.iter().find(beyond) {
        return Err(CtlError::Refused(format!(
            "{} has {} partitions, and no {partition}",
            topic.name, topic.partitions
        )));
    }
    Ok(match config.partitions.is_empty() {
        true => (0..topic.partitions).collect(),
        false => config.partitions.iter().copied().collect(),
    })
}

/// Where a partition is read.
#[derive(Clone, Copy, Debug)]
struct Position {
    next: i64,
    /// Where it is enough.
    end: Option<i64>,
}

struct Consumer<'a> {
    topic: &'a Topic,
    leaders: &'a Leaders,
    connections: BTreeMap<String, Connection>,
    /// When a broker last answered as it should.
    well: Instant,
}

impl Consumer<'_> {
    fn position(
        &mut self,
        partition: i32,
        from: Start,
        follow: bool,
    ) -> Result<Position, CtlError> {
        let start = self.offset(partition, OffsetSpec::Earliest)?;
        let end = self.offset(partition, OffsetSpec::Latest)?;
        let next = match from {
            Start::First => start,
            Start::End => end,
            Start::At(offset) => offset.max(start),
            Start::Last(count) => end.saturating_sub(count).max(start),
        };
        let end = (!follow).then_some(end);
        Ok(Position { next, end })
    }

    fn offset(&mut self, partition: i32, spec: OffsetSpec) -> Result<i64, CtlError> {
        let topic = self.topic;
        self.ask_leader(partition, |it| it.list_offset(topic, partition, spec))
            .map(Offset::get)
    }

    /// Asks who leads a partition, until it answers.
    fn ask_leader<T>(
        &mut self,
        partition: i32,
        question: impl Fn(&mut Connection) -> Result<T, ClientError>,
    ) -> Result<T, CtlError> {
        loop {
            let (generation, leader) = self.leaders.of(partition);
            let answer = match leader {
                Some(leader) => self.ask(&leader.address, &question),
                None => Err(ClientError::Refused {
                    doing: "ask a leader",
                    code: ErrorCode::LeaderNotAvailable,
                }),
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => self.failed(error, generation)?,
            }
        }
    }

    fn ask<T>(
        &mut self,
        address: &str,
        question: impl Fn(&mut Connection) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut connection = match self.connections.remove(address) {
            Some(connection) => connection,
            None => Connection::connect(address, CLIENT_ID, SILENCE_MAX)?,
        };
        let answer = question(&mut connection);
        // One that has an answer outstanding is of no use.
        if connection.in_flight() == 0 {
            self.connections.insert(address.to_owned(), connection);
        }
        if answer.is_ok() {
            self.well = Instant::now();
        }
        answer
    }

    /// Who leads may have changed. What does not pass ends it, and what does not for too long.
    fn failed(&mut self, error: ClientError, generation: u64) -> Result<(), CtlError> {
        let may_pass = matches!(error, ClientError::Io { .. }) || error.is_retriable();
        if !may_pass || self.well.elapsed() > PATIENCE {
            return Err(error.into());
        }
        thread::sleep(BACKOFF);
        // Who cannot be asked now is asked again at the next attempt.
        let _ = self.leaders.refresh(generation);
        Ok(())
    }

    /// Fetches once from each leader.
    fn round(
        &mut self,
        positions: &mut BTreeMap<i32, Position>,
        printer: &mut Printer<'_>,
    ) -> Result<(), CtlError> {
        let mut by_leader: BTreeMap<String, Vec<FetchAt>> = BTreeMap::new();
        let mut generation = 0;
        for (partition, position) in &*positions {
            let (known, leader) = self.leaders.of(*partition);
            generation = known;
            let Some(leader) = leader else {
                continue;
            };
            by_leader.entry(leader.address).or_default().push(FetchAt {
                partition: *partition,
                offset: Offset::new(position.next),
                leader_epoch: leader.epoch,
            });
        }
        if by_leader.is_empty() {
            let error = ClientError::Refused {
                doing: "fetch",
                code: ErrorCode::LeaderNotAvailable,
            };
            return self.failed(error, generation);
        }
        let limits = FetchLimits {
            wait_max: match by_leader.len() {
                1 => WAIT_ALONE,
                _ => WAIT_IN_TURN,
            },
            partition_bytes_max: PARTITION_BYTES,
            bytes_max: FETCH_BYTES,
        };
        let topic = self.topic;
        for (address, at) in by_leader {
            let fetched = self.ask(&address, |connection| {
                connection.send_fetch(topic, &at, limits)?;
                connection.receive_fetched(&at)
            });
            match fetched {
                Ok(fetched) => {
                    for it in fetched {
                        self.take(&it, positions, printer, generation)?;
                    }
                }
                Err(error) => self.failed(error, generation)?,
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        fetched: &FetchedPartition,
        positions: &mut BTreeMap<i32, Position>,
        printer: &mut Printer<'_>,
        generation: u64,
    ) -> Result<(), CtlError> {
        let partition = fetched.partition;
        let Some(position) = positions.get_mut(&partition) else {
            return Ok(());
        };
        match fetched.error {
            ErrorCode::None => printer.print_all(partition, position, &fetched.records),
            // What was to be read is deleted meanwhile.
            ErrorCode::OffsetOutOfRange => {
                let start = self.offset(partition, OffsetSpec::Earliest)?;
                if start <= position.next {
                    return Err(CtlError::Refused(format!(
                        "{}-{partition} does not go as far as {}",
                        self.topic.name, position.next
                    )));
                }
                position.next = start;
                Ok(())
            }
            code => self.failed(
                ClientError::Refused {
                    doing: "fetch a partition",
                    code,
                },
                generation,
            ),
        }
    }
}

struct Printer<'a> {
    topic: &'a str,
    output: &'a Output,
    out: &'a mut dyn Write,
    printed: u64,
    count: u64,
}

impl Printer<'_> {
    fn print_all(
        &mut self,
        partition: i32,
        position: &mut Position,
        bytes: &[u8],
    ) -> Result<(), CtlError> {
        let topic = self.topic;
        let damaged =
            |error: BatchError| CtlError::Refused(format!("{topic}-{partition}: {error}"));
        let mut scratch = Vec::new();
        for batch in batches(bytes) {
            let (header, batch) = match batch {
                Ok(batch) => batch,
                // The end of what was asked for.
                Err(BatchError::Incomplete { .. }) => break,
                Err(error) => return Err(damaged(error)),
            };
            if self.is_enough(position) {
                break;
            }
            if header.end_offset().get() <= position.next {
                continue;
            }
            if !header.is_control() {
                self.print_batch(partition, position, (&header, batch), &mut scratch)?;
            }
            // What compaction took away has no records.
            if !self.is_enough(position) {
                position.next = header.end_offset().get();
            }
        }
        Ok(())
    }

    fn is_enough(&self, position: &Position) -> bool {
        self.printed >= self.count || position.end.is_some_and(|end| position.next >= end)
    }

    fn print_batch(
        &mut self,
        partition: i32,
        position: &mut Position,
        (header, batch): (&BatchHeader, &[u8]),
        scratch: &mut Vec<u8>,
    ) -> Result<(), CtlError> {
        let (topic, base) = (self.topic, header.base_offset);
        let damaged = |what: String| {
            CtlError::Refused(format!("{topic}-{partition}: the batch at {base}: {what}"))
        };
        if !verify_crc(batch) {
            return Err(damaged("its checksum is wrong".to_owned()));
        }
        let records = records_in(batch, DECOMPRESSED_BYTES_MAX, scratch);
        for record in records.map_err(|error| damaged(error.to_string()))? {
            let record = record.map_err(|error| damaged(error.to_string()))?;
            if record.offset.get() < position.next {
                continue;
            }
            if self.is_enough(position) {
                return Ok(());
            }
            let shown = Shown {
                topic: self.topic,
                partition,
                record: &record,
            };
            self.output.print(&shown, self.out).map_err(written)?;
            self.printed += 1;
            position.next = record.offset.get() + 1;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), CtlError> {
        self.out.flush().map_err(written)
    }
}

/// Whoever stops reading has seen enough.
pub fn is_closed(error: &CtlError) -> bool {
    matches!(error, CtlError::File { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
}

fn written(source: io::Error) -> CtlError {
    CtlError::File {
        doing: "cannot write to",
        path: "standard output".into(),
        source,
    }
}
