//! Opening a journal file: both copies of its header, one after the other.

use std::sync::Arc;

use super::{Active, JournalWriter};
use crate::io::{AlignedBuf, BLOCK, IoCompletion, IoOp, IoOpKind};
use crate::journal::files::{FreeFile, LiveFile};
use crate::journal::format::{FIRST_COMMIT, FileHeader};

/// Of the writes of headers. No commit has that sequence.
pub(super) const TOKEN: u64 = u64::MAX;

/// Copies of a header.
const COPIES: u64 = 2;

/// A file whose header is being written. Nothing else is in flight meanwhile.
pub(super) struct Opening {
    free: FreeFile,
    header: FileHeader,
    copies_written: u64,
    /// It is opened for a seal.
    seals: bool,
}

impl JournalWriter {
    /// Begins to write the header of a file that becomes the active one with it. Where it `seals`, a seal follows, unless there is something to commit.
    pub(super) fn open_file(&mut self, free: FreeFile, seals: bool) {
        let header = FileHeader {
            directory_id: self.directory_id,
            generation: self.next_generation,
            run: self.run,
            salt: (self.config.salt)(),
            first_sequence: self.next_sequence,
            first_position: self.next_position.0,
            previous_header_crc: self.previous_header_crc,
        };
        let mut block = AlignedBuf::with_capacity(BLOCK);
        block.set_len(BLOCK);
        header.encode(block.as_mut_slice());
        self.opening = Some(Opening {
            free,
            header,
            copies_written: 0,
            seals,
        });
        self.write_header(block);
    }

    fn write_header(&mut self, block: AlignedBuf) {
        let Some(opening) = &self.opening else { return };
        self.io.submit(IoOp {
            token: TOKEN,
            kind: IoOpKind::WriteDurable,
            file: Arc::clone(&opening.free.file),
            offset: opening.copies_written * BLOCK as u64,
            buf: block,
        });
    }

    pub(super) fn on_header_written(&mut self, completion: IoCompletion) {
        let Some(mut opening) = self.opening.take() else {
            return;
        };
        if let Err(error) = completion.result {
            self.fail("opening a journal file", error);
            return;
        }
        if self.failed {
            return;
        }
        opening.copies_written += 1;
        if opening.copies_written < COPIES {
            self.opening = Some(opening);
            self.write_header(completion.buf);
            return;
        }
        let Opening {
            free,
            header,
            seals,
            ..
        } = opening;
        self.files.push_live(LiveFile {
            index: free.index,
            file: Arc::clone(&free.file),
            capacity: free.capacity,
            generation: header.generation,
            first_position: self.next_position,
        });
        self.files.set_active_end(FIRST_COMMIT);
        self.next_generation += 1;
        self.active = Some(Active {
            file: free.file,
            capacity: free.capacity,
            salt: header.salt,
            end: FIRST_COMMIT,
        });
        if seals && self.waiting.is_empty() {
            self.submit(0, true);
        }
    }
}
