//! Records on their way to a client.

use bytes::Bytes;
use protocol::wire::fetch_response::RecordBytes;
use storage::log::Region;

/// Whole batches.
#[derive(Clone, Debug)]
pub enum Records {
    /// In memory.
    Memory(Bytes),
    /// In a segment, where they need not be verified again.
    File(Region),
}

impl Records {
    /// The bytes of memory they take until they are sent.
    pub fn bytes_in_memory(&self) -> usize {
        match self {
            Records::Memory(bytes) => bytes.len(),
            Records::File(_) => 0,
        }
    }
}

impl RecordBytes for Records {
    fn size_in_bytes(&self) -> usize {
        match self {
            Records::Memory(bytes) => bytes.len(),
            Records::File(region) => usize::try_from(region.len).unwrap_or(usize::MAX),
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Records {
        Records::Memory(bytes)
    }
}
