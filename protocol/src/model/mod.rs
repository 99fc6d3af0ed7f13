//! Typed ids: a type per meaning, so that an offset is never added to an epoch.
//!
//! Sentinels such as `-1` exist on the wire only. Inside, absence is `Option`.

use std::fmt;

pub use uuid::Uuid;

/// Declares a transparent id over an integer, with the conversions and formatting every id needs.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name($int);

        impl $name {
            /// Wraps a value that is known to be no sentinel.
            pub const fn new(value: $int) -> Self {
                Self(value)
            }

            /// The plain value.
            pub const fn get(self) -> $int {
                self.0
            }

            /// From the wire, where every negative value says that there is none.
            pub const fn from_wire(value: $int) -> Option<Self> {
                if value < 0 { None } else { Some(Self(value)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// A position in a partition's log; the offset of its first record is 0.
    Offset(i64)
}
id! {
    /// The number of a partition's leadership. It never decreases.
    LeaderEpoch(i32)
}
id! {
    /// The number of changes a partition's state has seen (leader, ISR, replicas).
    PartitionEpoch(i32)
}
id! {
    /// A partition's number within its topic, from 0.
    PartitionIndex(i32)
}
id! {
    /// A broker's number within its cluster (`node.id`).
    BrokerId(i32)
}
id! {
    /// One incarnation of a broker: each registration gets a greater one.
    BrokerEpoch(i64)
}
id! {
    /// An idempotent or transactional producer (KIP-98).
    ProducerId(i64)
}
id! {
    /// An incarnation of a producer: a greater one fences the smaller.
    ProducerEpoch(i16)
}
id! {
    /// The number of a record within one producer epoch and partition. After `i32::MAX` follows 0.
    Sequence(i32)
}

impl Offset {
    /// The first offset of every log.
    pub const ZERO: Offset = Offset(0);

    /// The offset `records` further on.
    pub const fn plus(self, records: i64) -> Offset {
        Offset(self.0 + records)
    }

    /// How many offsets lie between `earlier` and this one.
    pub const fn since(self, earlier: Offset) -> i64 {
        self.0 - earlier.0
    }
}

impl Sequence {
    /// The sequence `records` further on, wrapping from `i32::MAX` to 0 (Kafka's `DefaultRecordBatch.incrementSequence`).
    pub const fn plus(self, records: i32) -> Sequence {
        if self.0 > i32::MAX - records {
            Sequence(records - (i32::MAX - self.0) - 1)
        } else {
            Sequence(self.0 + records)
        }
    }
}

/// A topic's id, unique in time: a topic made again under the same name is another topic (KIP-516).
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct TopicId(Uuid);

impl TopicId {
    /// Wraps an id; the all-zero one means "none" on the wire and is refused.
    pub fn new(id: Uuid) -> Option<TopicId> {
        if id.is_nil() { None } else { Some(TopicId(id)) }
    }

    /// The plain id.
    pub fn get(self) -> Uuid {
        self.0
    }
}

/// Kafka prints ids in URL-safe base64 without padding (`org.apache.kafka.common.Uuid`).
impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64_uuid(self.0))
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({self})")
    }
}

/// A partition of a topic, by the topic's id.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct TopicIdPartition {
    /// The topic.
    pub topic_id: TopicId,
    /// The partition's number.
    pub partition: PartitionIndex,
}

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A UUID as Kafka prints it: 22 characters of URL-safe base64.
pub fn base64_uuid(id: Uuid) -> String {
    let mut bits = id.as_u128();
    // 128 bits are 22 characters of 6 bits, the last of which carries two bits and four zeros.
    let mut text = [0u8; 22];
    text[21] = BASE64_URL[((bits & 0b11) << 4) as usize];
    bits >>= 2;
    for slot in text[..21].iter_mut().rev() {
        *slot = BASE64_URL[(bits & 0b11_1111) as usize];
        bits >>= 6;
    }
    text.iter().map(|byte| char::from(*byte)).collect()
}

/// Reads what [`base64_uuid`] prints. `None` for anything else.
pub fn parse_base64_uuid(text: &str) -> Option<Uuid> {
    let text = text.as_bytes();
    if text.len() != 22 {
        return None;
    }
    let digit = |byte: u8| {
        BASE64_URL
            .iter()
            .position(|c| *c == byte)
            .map(|at| at as u128)
    };
    let mut bits = 0u128;
    for byte in &text[..21] {
        bits = (bits << 6) | digit(*byte)?;
    }
    let last = digit(text[21])?;
    if last & 0b1111 != 0 {
        return None;
    }
    Some(Uuid::from_u128((bits << 2) | (last >> 4)))
}

#[cfg(test)]
mod tests;
