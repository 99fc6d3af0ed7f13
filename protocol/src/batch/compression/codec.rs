use super::super::{BatchError, Compression};

/// What to compress with, and how hard to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    None,
    /// gzip.
    Gzip {
        /// From 1 to 9; without one, the library's own, which is 6.
        level: Option<u32>,
    },
    /// Snappy; it has no levels.
    Snappy,
    /// LZ4, at the one level there is: the fast one, Kafka's default.
    Lz4,
    /// Zstandard.
    Zstd {
        /// From -131072 to 22.
        level: i32,
    },
}

impl Codec {
    /// A codec at the level that Kafka has as its default.
    pub fn with_default_level(compression: Compression) -> Result<Codec, BatchError> {
        Ok(match compression {
            Compression::None => Codec::None,
            Compression::Gzip => Codec::Gzip { level: None },
            Compression::Snappy => Codec::Snappy,
            Compression::Lz4 => Codec::Lz4,
            Compression::Zstd => Codec::Zstd {
                level: zstd::DEFAULT_COMPRESSION_LEVEL,
            },
            Compression::Unknown(_) => return Err(BatchError::Compression { compression }),
        })
    }

    /// What the attributes of its batches say.
    pub fn compression(self) -> Compression {
        match self {
            Codec::None => Compression::None,
            Codec::Gzip { .. } => Compression::Gzip,
            Codec::Snappy => Compression::Snappy,
            Codec::Lz4 => Compression::Lz4,
            Codec::Zstd { .. } => Compression::Zstd,
        }
    }

    /// The bits of the attributes.
    pub(in crate::batch) fn attribute(self) -> i16 {
        match self {
            Codec::None => 0,
            Codec::Gzip { .. } => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd { .. } => 4,
        }
    }
}
