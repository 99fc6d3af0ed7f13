use super::{BatchError, BatchHeader};

/// The batches of a buffer, one after the other. The records are not looked at, nor the CRCs.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches {
        bytes,
        position: 0,
        failed: false,
    }
}

/// See [`batches`].
///
/// It ends at the end of the buffer, or after one error. [`BatchError::Incomplete`] is what a torn
/// tail, or a fetch cut at its size limit, ends with.
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    bytes: &'a [u8],
    position: usize,
    failed: bool,
}

impl Batches<'_> {
    /// Where the next batch begins; after an error, where the bad one does.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<(BatchHeader, &'a [u8]), BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.bytes[self.position..];
        if rest.is_empty() || self.failed {
            return None;
        }
        let batch = first(rest);
        match &batch {
            Ok((_, batch)) => self.position += batch.len(),
            Err(_) => self.failed = true,
        }
        Some(batch)
    }
}

/// The batch at the front of `bytes`, complete.
pub(super) fn first(bytes: &[u8]) -> Result<(BatchHeader, &[u8]), BatchError> {
    let header = BatchHeader::parse(bytes)?;
    match bytes.get(..header.size_in_bytes) {
        Some(batch) => Ok((header, batch)),
        None => Err(BatchError::Incomplete {
            needed: header.size_in_bytes,
            available: bytes.len(),
        }),
    }
}
