use std::fmt;

use rand::{RngCore, SeedableRng, rngs::SmallRng};

const MAGIC: [u8; 4] = *b"HFv1";
/// So many keys a writer has.
const KEYS: u64 = 61;
/// The length of a value with no filler.
pub const VALUE_BYTES_MIN: usize = 16;

/// Which value it is: the `number`th of `writer`.
///
/// A value is the magic bytes, the writer (u32) and the number (u64), big-endian, and then filler
/// that follows from the two, so that a reader knows every byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId {
    /// Who wrote it.
    pub writer: u32,
    /// How many values came before it.
    pub number: u64,
}

/// Why bytes are no value of any writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignValue {
    /// It does not begin like one.
    #[error("no value of ours")]
    NotOurs,
    /// It begins like one.
    #[error("{0} with other bytes than were sent")]
    Filler(ValueId),
}

impl ValueId {
    /// The key of its record: one writer's come back in turn.
    pub fn key(self) -> [u8; 12] {
        let mut key = [0; 12];
        key[..4].copy_from_slice(&self.writer.to_be_bytes());
        key[4..].copy_from_slice(&(self.number % KEYS).to_be_bytes());
        key
    }

    /// The value itself, of `len` bytes, at least [`VALUE_BYTES_MIN`].
    pub fn encode(self, len: usize) -> Vec<u8> {
        let mut value = vec![0; len.max(VALUE_BYTES_MIN)];
        let (head, filler) = value.split_at_mut(VALUE_BYTES_MIN);
        head[..4].copy_from_slice(&MAGIC);
        head[4..8].copy_from_slice(&self.writer.to_be_bytes());
        head[8..].copy_from_slice(&self.number.to_be_bytes());
        self.filler().fill_bytes(filler);
        value
    }

    /// Reads what [`encode`](Self::encode) made.
    pub fn decode(value: &[u8]) -> Result<ValueId, ForeignValue> {
        let id = ValueId::read(value).ok_or(ForeignValue::NotOurs)?;
        if id.encode(value.len()) == value {
            Ok(id)
        } else {
            Err(ForeignValue::Filler(id))
        }
    }

    fn read(value: &[u8]) -> Option<ValueId> {
        let (magic, rest) = value.split_first_chunk::<4>()?;
        let (writer, rest) = rest.split_first_chunk::<4>()?;
        let (number, _) = rest.split_first_chunk::<8>()?;
        (*magic == MAGIC).then_some(ValueId {
            writer: u32::from_be_bytes(*writer),
            number: u64::from_be_bytes(*number),
        })
    }

    fn filler(self) -> SmallRng {
        SmallRng::seed_from_u64(u64::from(self.writer).rotate_right(24) ^ self.number)
    }
}

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "value {} of writer {}", self.number, self.writer)
    }
}
