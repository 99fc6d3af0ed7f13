use std::fmt;

use crate::NUM_PARTITIONS;

/// A record as a consumer hands it out.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// The partition it was read from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
    /// Null and empty are different keys.
    pub key: Option<Vec<u8>>,
    /// Null and empty are different values.
    pub value: Option<Vec<u8>>,
    /// In order; names may repeat.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record {
            partition,
            offset,
            timestamp,
            ..
        } = self;
        write!(f, "[{partition}] offset {offset} timestamp {timestamp} ")?;
        write!(
            f,
            "key {} value {} headers [",
            Bytes(&self.key),
            Bytes(&self.value)
        )?;
        for (name, value) in &self.headers {
            write!(f, " {name}={}", Bytes(value))?;
        }
        write!(f, " ]")
    }
}

/// Bytes as text, cut to what a person would read.
struct Bytes<'a>(&'a Option<Vec<u8>>);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 40;
        match self.0 {
            None => write!(f, "null"),
            Some(bytes) if bytes.len() <= SHOWN => write!(f, "\"{}\"", bytes.escape_ascii()),
            Some(bytes) => {
                write!(
                    f,
                    "\"{}...\" ({} bytes)",
                    bytes[..SHOWN].escape_ascii(),
                    bytes.len()
                )
            }
        }
    }
}

/// Panics with the first record that differs; both in order of partition and offset.
#[track_caller]
pub fn assert_same(expected: &[Record], got: &[Record]) {
    let sorted = |records: &[Record]| {
        let mut records = records.to_vec();
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    };
    let (expected, got) = (sorted(expected), sorted(got));
    for (expected, got) in expected.iter().zip(&got) {
        assert!(
            expected == got,
            "records differ\nexpected {expected:?}\n     got {got:?}"
        );
    }
    let (wanted, read) = (expected.len(), got.len());
    let surplus = expected.get(read).or(got.get(wanted));
    assert!(
        wanted == read,
        "expected {wanted} records, got {read}; the first surplus: {surplus:?}"
    );
}

/// The end offset of each partition after `records`.
pub fn ends(records: &[Record]) -> [i64; NUM_PARTITIONS as usize] {
    let mut ends = [0; NUM_PARTITIONS as usize];
    for record in records {
        let end = &mut ends[record.partition as usize];
        *end = (*end).max(record.offset + 1);
    }
    ends
}

#[cfg(test)]
mod tests;
