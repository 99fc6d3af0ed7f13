use std::fmt;

use super::NUMBER_MAX;

/// The length of every value.
pub const VALUE_BYTES: usize = 100;

/// A number that no two runs share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Which value it is: the `number`th of `writer`, in any partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value {
    /// Who wrote it.
    pub writer: u32,
    /// How many values of the writer came before it.
    pub number: u64,
}

/// Why bytes are no value of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignValue {
    /// There is none.
    #[error("no value")]
    Missing,
    /// It does not begin like one.
    #[error("a value that is not of this run")]
    NotOurs,
    /// It begins like one.
    #[error("{0} with other bytes than were sent")]
    Damaged(Value),
}

impl Value {
    /// The value itself: the run, the writer and the number as text, and then a filler that follows from them, so that a
    /// reader knows every byte of it, and a person sees what it is.
    pub fn encode(self, run: RunId) -> Vec<u8> {
        let mut value = format!("{run} {} {} ", self.writer, self.number).into_bytes();
        let mut state = run.0 ^ self.number.rotate_left(32) ^ u64::from(self.writer);
        while value.len() < VALUE_BYTES {
            // One step of an xorshift; its sequence is as good as any, and never changes.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            value.push(b'a' + u8::try_from(state % 26).unwrap_or(0));
        }
        value
    }

    /// Reads what [`encode`](Self::encode) made of the same run.
    pub fn decode(run: RunId, value: Option<&[u8]>) -> Result<Value, ForeignValue> {
        let value = value.ok_or(ForeignValue::Missing)?;
        let read = Value::read(run, value).ok_or(ForeignValue::NotOurs)?;
        match read.encode(run) == value {
            true => Ok(read),
            false => Err(ForeignValue::Damaged(read)),
        }
    }

    fn read(run: RunId, value: &[u8]) -> Option<Value> {
        let text = std::str::from_utf8(value.get(..VALUE_BYTES)?).ok()?;
        let mut words = text.split(' ');
        let is_of_run = words.next()? == run.to_string();
        let value = Value {
            writer: words.next()?.parse().ok()?,
            number: words.next()?.parse().ok()?,
        };
        (is_of_run && value.number <= NUMBER_MAX).then_some(value)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "value {} of writer {}", self.number, self.writer)
    }
}
