//! One file: what is durable, what reads see, and the changes between the two.

use super::SECTOR;
use super::content::Content;
use super::rng::Rng;

/// A change that reads see. `sure` ones are durable, and wait here only because of earlier ones
/// that are not.
#[derive(Debug)]
enum Change {
    Len {
        len: u64,
        sure: bool,
    },
    /// Whole sectors, the last one perhaps cut by the end of the file.
    Write {
        offset: u64,
        sectors: Vec<u8>,
        sure: bool,
    },
}

#[derive(Debug, Default)]
pub(super) struct Inode {
    pub(super) durable: Content,
    pub(super) visible: Content,
    pending: Vec<Change>,
    /// It is on the medium only.
    pub(super) evicted: bool,
    /// Open handles.
    pub(super) open: u64,
    /// The handle that holds the lock.
    pub(super) locked_by: Option<u64>,
}

impl Inode {
    /// Sets the length that reads see.
    pub(super) fn set_len(&mut self, len: u64) {
        if len != self.visible.len() {
            self.visible.set_len(len);
            self.pending.push(Change::Len { len, sure: false });
        }
    }

    /// Writes to the page cache.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) {
        self.change(offset, data, false);
    }

    /// Writes past the page cache, to the medium.
    pub(super) fn write_through(&mut self, offset: u64, data: &[u8]) {
        if !self.pending.is_empty() {
            self.change(offset, data, true);
            return;
        }
        let len = self.visible.len().max(offset + data.len() as u64);
        for content in [&mut self.durable, &mut self.visible] {
            content.set_len(len);
            content.write(offset, data);
        }
    }

    fn change(&mut self, offset: u64, data: &[u8], sure: bool) {
        if data.is_empty() {
            return;
        }
        let end = offset + data.len() as u64;
        let grows = end > self.visible.len();
        if grows {
            self.visible.set_len(end);
        }
        // A durable write inside a length that is not durable yet takes the length along.
        if grows || sure {
            self.pending.push(Change::Len {
                len: self.visible.len(),
                sure,
            });
        }
        self.visible.write(offset, data);
        let sector = SECTOR as u64;
        let start = offset - offset % sector;
        let span = (end.next_multiple_of(sector) - start) as usize;
        let sectors = self.visible.slice(start, span).to_vec();
        self.pending.push(Change::Write {
            offset: start,
            sectors,
            sure,
        });
    }

    /// Makes all changes durable.
    pub(super) fn sync(&mut self) {
        let lens = self.pending.len();
        self.replay(lens, || true);
    }

    /// A sync that failed: some of the changes are lost, and nobody will write them again. The
    /// length survives, since it is in the file system's journal.
    pub(super) fn lose_sync(&mut self, rng: &mut Rng) {
        let lens = self.pending.len();
        let survival = rng.survival();
        self.replay(lens, || survival.draw(rng));
    }

    /// What the medium holds after a power loss.
    pub(super) fn crash(&mut self, rng: &mut Rng) {
        if !self.pending.is_empty() {
            let survival = rng.survival();
            let lens = self
                .pending
                .iter()
                .filter(|c| matches!(c, Change::Len { .. }))
                .count();
            let lens_kept = match rng.below(3) {
                0 => 0,
                1 => lens,
                _ => rng.below(lens as u64 + 1) as usize,
            };
            self.replay(lens_kept, || survival.draw(rng));
        }
        self.visible = self.durable.clone();
        self.open = 0;
        self.locked_by = None;
    }

    /// The sectors of a write that was in flight at a power loss: any subset.
    pub(super) fn tear(&mut self, offset: u64, data: &[u8], rng: &mut Rng) {
        let survival = rng.survival();
        let extended = rng.below(2) == 0;
        let end = offset + data.len() as u64;
        if extended && end > self.visible.len() {
            self.visible.set_len(end);
            self.pending.push(Change::Len {
                len: end,
                sure: true,
            });
        }
        for (index, sector) in data.chunks(SECTOR).enumerate() {
            if survival.draw(rng) {
                let offset = offset + (index * SECTOR) as u64;
                self.visible.write(offset, sector);
                let sectors = sector.to_vec();
                self.pending.push(Change::Write {
                    offset,
                    sectors,
                    sure: true,
                });
            }
        }
    }

    /// Applies the changes to the durable content in their order: the first `lens_kept` lengths and
    /// those before a sure one, and the sectors that are sure or that `keep` chooses.
    fn replay(&mut self, lens_kept: usize, mut keep: impl FnMut() -> bool) {
        let mut lens_sure = 0;
        let mut lens = 0;
        for change in &self.pending {
            if let Change::Len { sure, .. } = change {
                lens += 1;
                if *sure {
                    lens_sure = lens;
                }
            }
        }
        let lens_kept = lens_kept.max(lens_sure);
        let mut lens = 0;
        for change in self.pending.drain(..) {
            match change {
                Change::Len { len, .. } => {
                    if lens < lens_kept {
                        self.durable.set_len(len);
                    }
                    lens += 1;
                }
                Change::Write {
                    offset,
                    sectors,
                    sure,
                } => {
                    for (index, sector) in sectors.chunks(SECTOR).enumerate() {
                        let offset = offset + (index * SECTOR) as u64;
                        if sure || keep() {
                            self.durable.write(offset, sector);
                        }
                    }
                }
            }
        }
    }
}
