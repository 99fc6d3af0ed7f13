//! What a record says of itself: which one it is, and when it was due.
//!
//! | bytes | |
//! |---|---|
//! | 0-3 | producer, big-endian |
//! | 4-11 | number of the record, of its producer, from 0 |
//! | 12-19 | nanoseconds from the begin of the run to when it was due |

use std::time::Duration;

use crate::BenchError;
use crate::fault::Fault;
use crate::workload::{Client, Workload};

/// No record is smaller.
pub(super) const BYTES_MIN: usize = 20;

/// A record of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) producer: u32,
    pub(super) number: u64,
    pub(super) due: Duration,
}

impl Stamp {
    pub(super) fn put(self, value: &mut [u8]) {
        let nanos = u64::try_from(self.due.as_nanos()).unwrap_or(u64::MAX);
        value[..4].copy_from_slice(&self.producer.to_be_bytes());
        value[4..12].copy_from_slice(&self.number.to_be_bytes());
        value[12..20].copy_from_slice(&nanos.to_be_bytes());
    }

    /// `None` of a value that is too short to be of this tool.
    pub(super) fn of(value: &[u8]) -> Option<Stamp> {
        let (producer, rest) = value.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let nanos = rest.first_chunk()?;
        Some(Stamp {
            producer: u32::from_be_bytes(*producer),
            number: u64::from_be_bytes(*number),
            due: Duration::from_nanos(u64::from_be_bytes(*nanos)),
        })
    }
}

/// Says what cannot be done with this client.
pub(super) fn check(workload: &Workload) -> Result<(), BenchError> {
    debug_assert_eq!(workload.client, Client::Librdkafka);
    workload.fault.as_ref().map_or(Ok(()), Fault::check)?;
    match workload.size.0 < BYTES_MIN as u64 {
        true => Err(BenchError::Workload {
            what: format!("with librdkafka a record has at least {BYTES_MIN} bytes"),
        }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_read_again() {
        let stamp = Stamp {
            producer: 3,
            number: 1 << 40,
            due: Duration::from_micros(1_500),
        };
        let mut value = [7; 25];
        stamp.put(&mut value);
        assert_eq!(Stamp::of(&value), Some(stamp));
        assert_eq!(value[20..], [7; 5]);
        assert_eq!(Stamp::of(&value[..19]), None);
    }
}
