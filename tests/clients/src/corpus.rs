//! The records that clients are made to send.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{NUM_PARTITIONS, Record};

/// What a producer is given; partition and offset are the broker's to tell.
#[derive(Clone, Debug)]
pub struct Content {
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Content {
    /// The record it must become.
    pub fn at(&self, partition: i32, offset: i64) -> Record {
        let Content {
            timestamp,
            key,
            value,
            headers,
        } = self.clone();
        Record {
            partition,
            offset,
            timestamp,
            key,
            value,
            headers,
        }
    }
}

/// One of each shape that a codec, a parser or a helpful cache may get wrong.
pub fn edge_cases() -> Vec<Content> {
    let some = |text: &str| Some(text.as_bytes().to_vec());
    let every_byte: Vec<u8> = (0..=255).collect();
    let header = |name: &str, value: Option<Vec<u8>>| (name.to_owned(), value);
    let shapes = vec![
        (some("key"), some("value"), vec![]),
        (None, some("null key"), vec![]),
        (some(""), some("empty key"), vec![]),
        (some("null value"), None, vec![]),
        (some("empty value"), some(""), vec![]),
        (None, None, vec![]),
        (some(""), some(""), vec![header("", some(""))]),
        (Some(every_byte.clone()), Some(every_byte.clone()), vec![]),
        (
            some("repeated headers"),
            some("v"),
            vec![
                header("same", some("1")),
                header("other", some("2")),
                header("same", some("3")),
                header("same", some("1")),
            ],
        ),
        (
            some("header values"),
            some("v"),
            vec![
                header("null", None),
                header("empty", some("")),
                header("bytes", Some(every_byte)),
                header("größe", some("ключ")),
            ],
        ),
        (some("many headers"), some("v"), {
            (0..200)
                .map(|i| header(&format!("h{}", i % 7), some(&i.to_string())))
                .collect()
        }),
        (some("large"), Some(noise(1, 300_000)), vec![]),
        (
            Some(noise(2, 70_000)),
            some("large key"),
            vec![header("large", Some(noise(3, 70_000)))],
        ),
    ];
    let base = recent();
    let content = |(i, (key, value, headers))| Content {
        timestamp: base + 10 * i as i64,
        key,
        value,
        headers,
    };
    shapes.into_iter().enumerate().map(content).collect()
}

/// Many small records that compress about as well as real ones do.
pub fn bulk(count: usize) -> Vec<Content> {
    let base = recent();
    let content = |i: usize| {
        let mut value = format!("{{\"sequence\":{i},\"payload\":\"").into_bytes();
        value.extend(
            noise(i as u64, i * 7 % 300)
                .iter()
                .map(|byte| b'a' + byte % 16),
        );
        value.extend(b"\"}");
        Content {
            timestamp: base + i as i64,
            key: (!i.is_multiple_of(3)).then(|| format!("key-{}", i % 100).into_bytes()),
            value: Some(value),
            headers: Vec::from_iter(
                i.is_multiple_of(5)
                    .then(|| ("i".to_owned(), Some(vec![i as u8]))),
            ),
        }
    };
    (0..count).map(content).collect()
}

/// The partition that the record at `index` goes to when records go to the partitions in turn.
pub fn partition_of(index: usize) -> i32 {
    (index % NUM_PARTITIONS as usize) as i32
}

/// The records that `contents` become when they go to the partitions in turn, each of which ends at
/// the given offset before.
pub fn in_turn(contents: &[Content], ends: [i64; NUM_PARTITIONS as usize]) -> Vec<Record> {
    let place = |(i, content): (usize, &Content)| {
        let partition = partition_of(i);
        content.at(
            partition,
            ends[partition as usize] + (i / ends.len()) as i64,
        )
    };
    contents.iter().enumerate().map(place).collect()
}

/// A minute ago: old enough to be no clock's reading, young enough to be kept by any retention.
fn recent() -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    now.as_millis() as i64 - 60_000
}

/// Bytes that do not compress, the same for the same seed (xorshift64*).
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}
