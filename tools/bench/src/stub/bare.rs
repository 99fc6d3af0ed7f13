//! The least that a broker has to do: receive into a buffer that is used again and again, perhaps checksum and write each batch, acknowledge.
//!
//! A thread for each connection, and no other. Batches are neither copied nor kept: of each byte there is one copy from the socket, and one
//! into the page cache if it is written.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::batch::{BatchHeader, batches, verify_crc};
use protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use protocol::messages::{ApiKey, ProduceResponse};
use protocol::wire::{FRAME_SIZE_BYTES, RequestPrefix, encode_frame, frame_size};

use super::produced::{Produced, produced};
use super::{Failure, REQUEST_BYTES_MAX, Server, topic_name};

/// Of the buffer, which grows for a request that is larger.
const BUFFER_BYTES: usize = 256 << 10;

/// Serves a connection until the client ends it.
pub(super) fn serve(server: &Server, mut stream: TcpStream) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut received = Received::default();
    let mut answers = BytesMut::new();
    loop {
        while let Some(frame) = received.next_frame()? {
            let prefix = RequestPrefix::peek(frame)?;
            if prefix.api_key == ApiKey::Produce as i16 {
                let body = acknowledge(server, &produced(frame, prefix.api_version)?);
                let (version, id) = (prefix.api_version, prefix.correlation_id);
                answers.unsplit(encode_frame(ApiKey::Produce, version, id, &body)?);
            } else {
                let (_, answer) = server.answer(BytesMut::from(frame))?;
                answers.unsplit(answer);
            }
        }
        if !answers.is_empty() {
            stream.write_all(&answers)?;
            answers.clear();
        }
        if !received.read(&mut stream)? {
            return Ok(());
        }
    }
}

fn acknowledge(server: &Server, produced: &[Produced<'_>]) -> ProduceResponse {
    let topics = produced.chunk_by(|one, next| one.topic == next.topic);
    let topics = topics.map(|of_topic| {
        let partitions = of_topic.iter().map(|sent| {
            let answer = PartitionProduceResponse::default().with_index(sent.partition);
            match take(server, sent) {
                Ok(base_offset) => answer.with_base_offset(base_offset),
                Err(code) => answer.with_error_code(code.code()),
            }
        });
        TopicProduceResponse::default()
            .with_name(topic_name(of_topic[0].topic))
            .with_partition_responses(partitions.collect())
    });
    ProduceResponse::default().with_responses(topics.collect())
}

/// The offset of the first of its records.
fn take(server: &Server, sent: &Produced<'_>) -> Result<i64, ErrorCode> {
    let records = sent.records.unwrap_or_default();
    if let Some(file) = &server.file {
        if !is_intact(records) {
            return Err(ErrorCode::CorruptMessage);
        }
        file.append(records).map_err(|error| {
            eprintln!("a batch is not written: {error}");
            ErrorCode::KafkaStorageError
        })?;
    }
    let count = BatchHeader::parse(records).map_or(0, |header| header.record_count);
    let mut state = server.state.lock();
    match state.partition(sent.topic, sent.partition) {
        Some(partition) => Ok(partition.advance(count)),
        None => Err(ErrorCode::UnknownTopicOrPartition),
    }
}

fn is_intact(records: &[u8]) -> bool {
    !records.is_empty()
        && batches(records).all(|batch| batch.is_ok_and(|(_, batch)| verify_crc(batch)))
}

/// What was read and not looked at yet. Its memory is cleared once, and then used again.
#[derive(Default)]
struct Received {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Received {
    /// Without its size; `None` while it is not complete.
    fn next_frame(&mut self) -> Result<Option<&[u8]>, Failure> {
        let there = &self.buffer[self.start..self.end];
        let Some(size) = frame_size(there, REQUEST_BYTES_MAX)? else {
            return Ok(None);
        };
        let begin = self.start + FRAME_SIZE_BYTES;
        if self.end < begin + size {
            return Ok(None);
        }
        self.start = begin + size;
        Ok(Some(&self.buffer[begin..begin + size]))
    }

    /// More, as much as there is and has room. False at the end.
    fn read(&mut self, stream: &mut TcpStream) -> Result<bool, Failure> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let next = frame_size(&self.buffer[..self.end], REQUEST_BYTES_MAX)?;
        let wanted = next.map_or(0, |size| FRAME_SIZE_BYTES + size);
        if self.buffer.len() < wanted.max(BUFFER_BYTES) {
            self.buffer.resize(wanted.max(BUFFER_BYTES), 0);
        }
        loop {
            match stream.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => {
                    let read = read?;
                    self.end += read;
                    return Ok(read > 0);
                }
            }
        }
    }
}
