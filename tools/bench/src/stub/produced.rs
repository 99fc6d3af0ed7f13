//! Produce requests, versions 3-12, read where they lie: what a loop needs that copies nothing.

use std::ops::RangeInclusive;

use protocol::messages::ApiKey;
use protocol::wire::WireError;
use protocol::wire::request::request_header_version;

/// Those that name topics.
const VERSIONS: RangeInclusive<i16> = 3..=12;
/// The first version with compact lengths and tagged fields.
const FLEXIBLE_MIN: i16 = 9;
/// API key, version and correlation id.
const PREFIX_BYTES: usize = 8;

/// What a request has for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Produced<'a> {
    pub(super) topic: &'a str,
    pub(super) partition: i32,
    /// What should be batches. Nothing has been checked.
    pub(super) records: Option<&'a [u8]>,
}

/// Of a whole frame, in the order in which it has them: those of a topic stand together.
pub(super) fn produced(frame: &[u8], version: i16) -> Result<Vec<Produced<'_>>, WireError> {
    if !VERSIONS.contains(&version) {
        let api = ApiKey::Produce;
        return Err(WireError::UnknownVersion { api, version });
    }
    let is_flexible = version >= FLEXIBLE_MIN;
    let mut fields = Fields(frame);
    fields.take(PREFIX_BYTES)?;
    // The client id is not compact, even in header version 2.
    fields.string(false)?;
    if request_header_version(ApiKey::Produce, version) >= 2 {
        fields.skip_tagged()?;
    }
    // The transactional id; acks and the timeout.
    fields.string(is_flexible)?;
    fields.take(2 + 4)?;
    let mut found = Vec::new();
    for _ in 0..fields.array_length(is_flexible)? {
        let topic = fields.string(is_flexible)?.unwrap_or_default();
        let topic = std::str::from_utf8(topic)
            .map_err(|_| WireError::Malformed("a topic's name is not UTF-8"))?;
        for _ in 0..fields.array_length(is_flexible)? {
            found.push(Produced {
                topic,
                partition: fields.i32()?,
                records: fields.bytes(is_flexible)?,
            });
            if is_flexible {
                fields.skip_tagged()?;
            }
        }
        if is_flexible {
            fields.skip_tagged()?;
        }
    }
    Ok(found)
}

/// What of a message is not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let beyond = WireError::Malformed("a field reaches beyond the end");
        let (taken, rest) = self.0.split_at_checked(count).ok_or(beyond)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn i32(&mut self) -> Result<i32, WireError> {
        self.array().map(i32::from_be_bytes)
    }

    fn varint(&mut self) -> Result<usize, WireError> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let [byte] = self.array()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(WireError::Malformed("a varint of more than five bytes"))
    }

    /// A compact length is one more than it says, and zero is null; any other is null if it is negative.
    fn compact_length(&mut self) -> Result<Option<usize>, WireError> {
        Ok(self.varint()?.checked_sub(1))
    }

    fn string(&mut self, is_compact: bool) -> Result<Option<&'a [u8]>, WireError> {
        let length = match is_compact {
            true => self.compact_length()?,
            false => usize::try_from(self.array().map(i16::from_be_bytes)?).ok(),
        };
        length.map(|length| self.take(length)).transpose()
    }

    fn bytes(&mut self, is_compact: bool) -> Result<Option<&'a [u8]>, WireError> {
        let length = match is_compact {
            true => self.compact_length()?,
            false => usize::try_from(self.i32()?).ok(),
        };
        length.map(|length| self.take(length)).transpose()
    }

    fn array_length(&mut self, is_compact: bool) -> Result<usize, WireError> {
        let length = match is_compact {
            true => self.compact_length()?,
            false => usize::try_from(self.i32()?).ok(),
        };
        Ok(length.unwrap_or(0))
    }

    fn skip_tagged(&mut self) -> Result<(), WireError> {
        for _ in 0..self.varint()? {
            self.varint()?;
            let length = self.varint()?;
            self.take(length)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use protocol::codec::StrBytes;
    use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
    use protocol::messages::{ProduceRequest, TopicName};
    use protocol::wire::{FRAME_SIZE_BYTES, encode_request_frame};

    use super::*;

    fn frame(version: i16) -> Vec<u8> {
        let partition = |index: i32, records: Option<&'static [u8]>| {
            PartitionProduceData::default()
                .with_index(index)
                .with_records(records.map(Bytes::from_static))
        };
        let topic = |name: &str, partitions| {
            TopicProduceData::default()
                .with_name(TopicName(StrBytes::from_string(name.to_owned())))
                .with_partition_data(partitions)
        };
        let both = vec![partition(0, Some(b"abc")), partition(7, None)];
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_topic_data(vec![
                topic("one", both),
                topic("other", vec![partition(1, Some(b""))]),
            ]);
        encode_request_frame(version, 5, Some("it"), &request).unwrap()[FRAME_SIZE_BYTES..].to_vec()
    }

    #[test]
    fn what_each_partition_is_sent_is_found() {
        for version in VERSIONS {
            let frame = frame(version);
            let found = produced(&frame, version).unwrap();
            let of = |topic, partition, records| Produced {
                topic,
                partition,
                records,
            };
            let expected = [
                of("one", 0, Some(&b"abc"[..])),
                of("one", 7, None),
                of("other", 1, Some(b"")),
            ];
            assert_eq!(found, expected, "version {version}");
        }
    }

    #[test]
    fn other_versions_are_not_guessed() {
        for version in [2, 13] {
            assert!(produced(&frame(12), version).is_err());
        }
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        for version in [3, 9, 12] {
            let frame = frame(version);
            for end in 0..frame.len() {
                // Only the tagged fields of the request itself are not looked at.
                let is_whole = version >= FLEXIBLE_MIN && end == frame.len() - 1;
                assert_eq!(produced(&frame[..end], version).is_ok(), is_whole, "{end}");
            }
        }
    }
}
