//! The operations in flight. A slot owns its file and buffer until the kernel has let go of them,
//! and knows the next step.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use io_uring::{opcode, squeue, types};

use crate::io::files::{CHUNK_BYTES_MAX, DiskFile, progress};
use crate::io::{IoCompletion, IoFile, IoOp, IoOpKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Transfer,
    /// Written, and waiting for a sync of its file that starts after that.
    AwaitSync,
    /// Its sync is in the ring.
    Sync,
    /// Written before the sync of another slot was submitted, whose result it shares.
    CoveredBy(usize),
}

/// One operation, of which at most one entry is in the ring at any time.
#[derive(Debug)]
pub(super) struct Slot {
    op: IoOp,
    done: usize,
    stage: Stage,
}

/// What follows a completion of the ring.
pub(super) enum Next {
    /// Another entry for the same slot: a remainder or a retry.
    Submit,
    /// The write is done and needs a sync.
    AwaitSync,
    /// The sync of this slot, and of those it covers, is done.
    Synced(Result<(), i32>),
    /// The operation ends.
    Complete(io::Result<()>),
}

impl Slot {
    pub(super) fn new(mut op: IoOp) -> Slot {
        if op.kind == IoOpKind::Read {
            op.buf.set_len(op.buf.capacity());
        }
        Slot {
            op,
            done: 0,
            stage: Stage::Transfer,
        }
    }

    /// The entry of the next step. It points into the slot's buffer and names its file's
    /// descriptor: the slot must stay in place and untouched until the entry's completion.
    pub(super) fn entry(&mut self) -> squeue::Entry {
        let file = DiskFile::of(&self.op.file);
        if self.stage == Stage::Sync {
            let fd = types::Fd(file.buffered().as_raw_fd());
            return opcode::Fsync::new(fd)
                .flags(types::FsyncFlags::DATASYNC)
                .build();
        }
        let offset = self.op.offset + self.done as u64;
        let fd = types::Fd(file.descriptor_for(offset).as_raw_fd());
        let rest = &mut self.op.buf.as_mut_slice()[self.done..];
        let len = rest.len().min(CHUNK_BYTES_MAX) as u32;
        match self.op.kind {
            IoOpKind::Read => opcode::Read::new(fd, rest.as_mut_ptr(), len)
                .offset(offset)
                .build(),
            IoOpKind::WriteDurable => opcode::Write::new(fd, rest.as_ptr(), len)
                .offset(offset)
                .build(),
        }
    }

    /// Takes the ring's result for the entry.
    pub(super) fn on_result(&mut self, result: i32) -> Next {
        if self.stage == Stage::Sync {
            return self.on_synced(result);
        }
        match (result, self.op.kind) {
            (0.., IoOpKind::Read) => self.on_read(result as usize),
            (0.., IoOpKind::WriteDurable) => self.on_written(result as usize),
            _ => self.on_transfer_error(-result),
        }
    }

    fn on_synced(&mut self, result: i32) -> Next {
        if result >= 0 {
            return Next::Synced(Ok(()));
        }
        // A failed sync is final, whatever its error says.
        DiskFile::of(&self.op.file).on_sync_failed();
        Next::Synced(Err(-result))
    }

    fn on_transfer_error(&mut self, errno: i32) -> Next {
        if matches!(errno, libc::EINTR | libc::EAGAIN) {
            return Next::Submit;
        }
        self.truncate_read();
        Next::Complete(Err(io::Error::from_raw_os_error(errno)))
    }

    fn on_read(&mut self, read: usize) -> Next {
        self.done += read;
        if read > 0 && self.done < self.op.buf.len() {
            return Next::Submit;
        }
        self.truncate_read();
        Next::Complete(Ok(()))
    }

    fn truncate_read(&mut self) {
        if self.op.kind == IoOpKind::Read {
            self.op.buf.set_len(self.done);
        }
    }

    fn on_written(&mut self, written: usize) -> Next {
        let (len, direct) = (self.op.buf.len(), self.op.file.is_direct());
        match progress(self.done, written, len, direct) {
            Ok(done) => self.done = done,
            Err(error) => return Next::Complete(Err(error)),
        }
        if self.done < len {
            return Next::Submit;
        }
        if direct {
            return Next::Complete(Ok(()));
        }
        self.stage = Stage::AwaitSync;
        Next::AwaitSync
    }

    /// Bytes transferred.
    #[cfg(test)]
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// Why its sync may not begin.
    pub(super) fn check_sync_allowed(&self) -> io::Result<()> {
        DiskFile::of(&self.op.file).check_sync_allowed()
    }

    pub(super) fn complete(self, result: io::Result<()>) -> IoCompletion {
        IoCompletion {
            token: self.op.token,
            result,
            buf: self.op.buf,
        }
    }
}

fn same(one: &Arc<dyn IoFile>, other: &Arc<dyn IoFile>) -> bool {
    Arc::ptr_eq(one, other)
}

/// A slab: an index stays valid until its slot is taken out.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    used: usize,
}

impl Slots {
    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn insert(&mut self, op: IoOp) -> usize {
        self.used += 1;
        let slot = Some(Slot::new(op));
        if let Some(index) = self.free.pop() {
            self.slots[index] = slot;
            return index;
        }
        self.slots.push(slot);
        self.slots.len() - 1
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Slot {
        self.slots[index].as_mut().expect("a slot in use")
    }

    fn in_use(&mut self) -> impl Iterator<Item = (usize, &mut Slot)> {
        let slots = self.slots.iter_mut().enumerate();
        slots.filter_map(|(index, slot)| Some((index, slot.as_mut()?)))
    }

    /// Whether slot `index` shall now sync its file, for itself and all others that wait for that.
    /// Not while a sync of the file is in the ring: the kernel reports lost pages to one of two
    /// syncs that run at once, and the other would take their loss for success.
    pub(super) fn begin_sync(&mut self, index: usize) -> bool {
        let file = Arc::clone(&self.get_mut(index).op.file);
        if self
            .in_use()
            .any(|(_, slot)| slot.stage == Stage::Sync && same(&slot.op.file, &file))
        {
            return false;
        }
        for (_, slot) in self.in_use() {
            if slot.stage == Stage::AwaitSync && same(&slot.op.file, &file) {
                slot.stage = Stage::CoveredBy(index);
            }
        }
        self.get_mut(index).stage = Stage::Sync;
        true
    }

    /// Takes out a synced slot and those it covers.
    pub(super) fn end_sync(&mut self, index: usize) -> Vec<Slot> {
        let mut ended = vec![self.take(index)];
        for index in self.find(|slot| slot.stage == Stage::CoveredBy(index)) {
            ended.push(self.take(index));
        }
        ended
    }

    /// The slots that wait for the next sync of this slot's file.
    pub(super) fn awaiting_sync(&mut self, ended: &Slot) -> Vec<usize> {
        self.find(|slot| slot.stage == Stage::AwaitSync && same(&slot.op.file, &ended.op.file))
    }

    fn find(&mut self, matches: impl Fn(&Slot) -> bool) -> Vec<usize> {
        self.in_use()
            .filter(|(_, slot)| matches(slot))
            .map(|(index, _)| index)
            .collect()
    }

    pub(super) fn take(&mut self, index: usize) -> Slot {
        let slot = self.slots[index].take().expect("a slot in use");
        self.free.push(index);
        self.used -= 1;
        slot
    }
}
