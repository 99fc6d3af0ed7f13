use super::{BatchError, BatchHeader, Compression, HEADER_BYTES, TimestampType, iter, varint};
use crate::model::Offset;

/// The records of an **uncompressed** batch, borrowed from it.
///
/// The broker reads its own topics with this (metadata, offsets, transaction state), which it
/// writes uncompressed. The CRC is not checked. For batches of clients see
/// [`records_in`](super::records_in).
pub fn records(batch: &[u8]) -> Result<Records<'_>, BatchError> {
    let (header, batch) = iter::first(batch)?;
    match header.compression() {
        Compression::None => {}
        compression => return Err(BatchError::Compression { compression }),
    }
    Ok(Records::of_section(header, &batch[HEADER_BYTES..]))
}

/// See [`records`]. It ends after one error.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    header: BatchHeader,
    rest: &'a [u8],
    index: i32,
    failed: bool,
}

/// A record, borrowed from its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: Offset,
    /// In milliseconds since the epoch. -1: none.
    pub timestamp: i64,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; none is a tombstone.
    pub value: Option<&'a [u8]>,
    /// The headers, in order. Names may repeat.
    pub headers: Headers<'a>,
}

/// The headers of a record: an iterator over names and values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    /// Seen to be well-formed.
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Records<'a> {
    /// The records of a section that has been decompressed if need be.
    pub(super) fn of_section(header: BatchHeader, section: &'a [u8]) -> Records<'a> {
        Records {
            header,
            rest: section,
            index: 0,
            failed: false,
        }
    }

    /// The header of the batch.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || (self.index == self.header.record_count && self.rest.is_empty()) {
            return None;
        }
        let record = self.read().map_err(|what| BatchError::Record {
            index: self.index,
            what,
        });
        match record {
            Ok(_) => self.index += 1,
            Err(_) => self.failed = true,
        }
        Some(record)
    }
}

impl<'a> Records<'a> {
    fn read(&mut self) -> Result<Record<'a>, &'static str> {
        if self.index == self.header.record_count {
            return Err(EXCESS);
        }
        let record = Fields::read(&mut self.rest)?;
        if record.offset_delta < 0 || record.offset_delta > self.header.last_offset_delta {
            return Err("an offset beyond those of the batch");
        }
        let offset_delta = i64::from(record.offset_delta);
        Ok(Record {
            offset: self.header.base_offset.plus(offset_delta),
            timestamp: match self.header.timestamp_type() {
                TimestampType::LogAppendTime => self.header.max_timestamp,
                TimestampType::CreateTime => self
                    .header
                    .base_timestamp
                    .wrapping_add(record.timestamp_delta),
            },
            key: record.key,
            value: record.value,
            headers: record.headers,
        })
    }
}

/// What is wrong with a section that goes on after as many records as the batch has.
pub(super) const EXCESS: &str = "bytes follow the last record";

/// A record as it lies in the section, relative to its batch.
pub(super) struct Fields<'a> {
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    /// The attributes, unused, and the timestamp delta.
    pub(super) before_offset: &'a [u8],
    /// All that follows the offset delta.
    pub(super) after_offset: &'a [u8],
    pub(super) key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Headers<'a>,
}

impl<'a> Fields<'a> {
    /// Takes the record at the front of `section`.
    pub(super) fn read(section: &mut &'a [u8]) -> Result<Fields<'a>, &'static str> {
        let length = varint::read_i32(section).ok_or("no length")?;
        let length = usize::try_from(length).map_err(|_| "a negative length")?;
        let (record, rest) = section
            .split_at_checked(length)
            .ok_or("it reaches out of the batch")?;
        *section = rest;

        let mut body = record.get(1..).ok_or("no attributes")?;
        let timestamp_delta = varint::read_i64(&mut body).ok_or("no timestamp")?;
        let before_offset = &record[..length - body.len()];
        let offset_delta = varint::read_i32(&mut body).ok_or("no offset")?;
        let after_offset = body;
        let key = read_nullable(&mut body).ok_or("a key beyond its end")?;
        let value = read_nullable(&mut body).ok_or("a value beyond its end")?;
        let headers = Headers::read(&mut body)?;
        if !body.is_empty() {
            return Err("bytes follow its last header");
        }
        Ok(Fields {
            timestamp_delta,
            offset_delta,
            before_offset,
            after_offset,
            key,
            value,
            headers,
        })
    }
}

impl<'a> Headers<'a> {
    fn read(body: &mut &'a [u8]) -> Result<Headers<'a>, &'static str> {
        let count = varint::read_i32(body).ok_or("no number of headers")?;
        let count = usize::try_from(count).map_err(|_| "a negative number of headers")?;
        let start = *body;
        for _ in 0..count {
            read_header(body).ok_or("a header beyond its end")?;
        }
        Ok(Headers {
            bytes: &start[..start.len() - body.len()],
            count,
        })
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        read_header(&mut self.bytes)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Headers<'_> {}

fn read_header<'a>(body: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let name = read_nullable(body)??;
    Some((name, read_nullable(body)?))
}

/// A length and as many bytes. Outer `None`: malformed; inner: null.
fn read_nullable<'a>(body: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = varint::read_i32(body)?;
    // Kafka's readers take every negative length for null.
    let Ok(length) = usize::try_from(length) else {
        return Some(None);
    };
    let (bytes, rest) = body.split_at_checked(length)?;
    *body = rest;
    Some(Some(bytes))
}
