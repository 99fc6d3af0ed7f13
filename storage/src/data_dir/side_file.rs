//! Small files beside the logs that are replaced whole, with a checksum behind their bytes.

use std::io;

use super::DataDir;
use super::meta::{read_small, write_durably};

/// The checksum, CRC-32C, big-endian.
const CHECKSUM_BYTES: usize = 4;

impl DataDir {
    /// Replaces a file of the directory. Blocks on the disk. Done means: durable; a crash before leaves the one before.
    ///
    /// Where the disk is full the reserve is given up for it. If that is not enough ([`is_disk_full`](crate::log::is_disk_full)) it may be tried again later; any other error takes
    /// the directory offline.
    pub fn write_side_file(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut all = bytes.to_vec();
        all.extend(crc32c::crc32c(bytes).to_be_bytes());
        let path = self.path.join(name);
        let written = self.with_reserve(|| write_durably(self.io.as_ref(), &path, &all));
        if written.is_ok() {
            self.space.on_written();
        }
        self.settle("replacing a file", written)
    }

    /// What was written last; `None` if nothing ever was. Blocks on the disk. A checksum that does not fit is an error.
    pub fn read_side_file(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let path = self.path.join(name);
        if !self.io.exists(&path)? {
            return Ok(None);
        }
        let mut bytes = read_small(self.io.as_ref(), &path)?;
        let damaged = || {
            let message = format!("{} is damaged", path.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        let at = bytes
            .len()
            .checked_sub(CHECKSUM_BYTES)
            .ok_or_else(damaged)?;
        let checksum = bytes.split_off(at);
        match checksum == crc32c::crc32c(&bytes).to_be_bytes() {
            true => Ok(Some(bytes)),
            false => Err(damaged()),
        }
    }
}
