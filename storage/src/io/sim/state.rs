//! The whole disk: inodes, names, operations in flight, and the power.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use super::faults::{Faults, Kind};
use super::inode::Inode;
use super::names::{DirId, Names, Node, ROOT};
use super::rng::Rng;
use super::{Handle, PowerLoss, SECTOR, SimConfig};

/// A durable write between submission and completion.
#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) inode: u64,
    pub(super) offset: u64,
    /// Past the page cache, rather than through it with a sync behind.
    pub(super) direct: bool,
    pub(super) data: Vec<u8>,
}

/// Whether the power lasts through an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Power {
    On,
    /// It goes during this operation, whose effect is as uncertain as any unsynced one.
    Cut,
}

impl Power {
    /// The operation's answer, once its effect is pending.
    pub(super) fn outcome(self) -> io::Result<()> {
        match self {
            Power::On => Ok(()),
            Power::Cut => Err(PowerLoss.into()),
        }
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) config: SimConfig,
    pub(super) rng: Rng,
    /// Goes up with every end of a machine or process.
    pub(super) boot: u64,
    pub(super) down: bool,
    pub(super) cut_after: Option<u64>,
    /// What goes is the process, not the power.
    pub(super) cut_is_kill: bool,
    pub(super) mutations: u64,
    pub(super) trace: VecDeque<String>,
    pub(super) capacity: u64,
    pub(super) faults: Faults,
    pub(super) lying: bool,
    /// Every call fails.
    pub(super) broken: bool,
    pub(super) names: Names,
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) in_flight: BTreeMap<u64, InFlight>,
    /// Whether some inode may have lost its name.
    pub(super) unnamed: bool,
    next_id: u64,
}

impl State {
    pub(super) fn new(seed: u64, config: SimConfig) -> State {
        State {
            config,
            rng: Rng::new(seed),
            boot: 0,
            down: false,
            cut_after: None,
            cut_is_kill: false,
            mutations: 0,
            trace: VecDeque::new(),
            capacity: u64::MAX,
            faults: Faults::default(),
            lying: false,
            broken: false,
            names: Names::new(),
            inodes: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            unnamed: false,
            next_id: 1,
        }
    }

    /// A number for an inode, a handle or an operation.
    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn check_power(&self) -> io::Result<()> {
        if self.down {
            Err(PowerLoss.into())
        } else if self.broken {
            Err(rustix::io::Errno::IO.into())
        } else {
            Ok(())
        }
    }

    /// Counts a mutating operation, and may cut the power during it.
    pub(super) fn mutate(&mut self, what: &str, path: &Path) -> io::Result<Power> {
        self.check_power()?;
        self.mutations += 1;
        if self.config.trace_len_max > 0 {
            if self.trace.len() == self.config.trace_len_max {
                self.trace.pop_front();
            }
            self.trace
                .push_back(format!("{} {what} {}", self.mutations, path.display()));
        }
        match &mut self.cut_after {
            Some(0) => {
                self.cut_after = None;
                self.down = true;
                Ok(Power::Cut)
            }
            Some(left) => {
                *left -= 1;
                Ok(Power::On)
            }
            None => Ok(Power::On),
        }
    }

    /// A failure that was asked for, or one by chance.
    pub(super) fn fault(&mut self, kind: Kind, path: &Path) -> io::Result<()> {
        if let Some(error) = self.faults.take(kind, path) {
            return Err(error);
        }
        let chance = match kind {
            Kind::Read => self.config.read_errors_per_million,
            Kind::Write => self.config.write_errors_per_million,
            Kind::Sync => self.config.sync_errors_per_million,
        };
        if self.rng.per_million(chance) {
            return Err(rustix::io::Errno::IO.into());
        }
        Ok(())
    }

    /// The file of a handle, while the handle is alive.
    pub(super) fn file(&mut self, handle: Handle) -> io::Result<&mut Inode> {
        self.check_power()?;
        if handle.boot != self.boot {
            return Err(PowerLoss.into());
        }
        Ok(self.inode_mut(handle.inode))
    }

    /// An inode that has a name or is open.
    pub(super) fn inode_mut(&mut self, inode: u64) -> &mut Inode {
        self.inodes
            .get_mut(&inode)
            .expect("what is named or open has its inode")
    }

    /// Bytes in allocated sectors of files that have a name or are open.
    pub(super) fn used(&self) -> u64 {
        let named = self.names.visible_files();
        let takes_space = |(id, inode): &(&u64, &Inode)| inode.open > 0 || named.contains(id);
        let taking = self.inodes.iter().filter(takes_space);
        taking
            .map(|(_, inode)| inode.visible.allocated_bytes())
            .sum()
    }

    /// Bytes that can be allocated.
    pub(super) fn room(&self) -> u64 {
        if self.capacity == u64::MAX {
            u64::MAX
        } else {
            self.capacity.saturating_sub(self.used())
        }
    }

    /// The file system needs a sector for a new name.
    pub(super) fn check_room_for_name(&self) -> io::Result<()> {
        if self.room() < SECTOR as u64 {
            Err(no_space())
        } else {
            Ok(())
        }
    }

    pub(super) fn crash(&mut self) {
        let in_flight = std::mem::take(&mut self.in_flight);
        for op in self.shuffled(in_flight) {
            if let Some(inode) = self.inodes.get_mut(&op.inode) {
                inode.tear(op.offset, &op.data, &mut self.rng);
            }
        }
        self.names.crash(&mut self.rng);
        self.unnamed = true;
        for inode in self.inodes.values_mut() {
            inode.crash(&mut self.rng);
        }
        self.start_again();
    }

    pub(super) fn kill(&mut self) {
        if self.down && !self.cut_is_kill {
            // There is no page cache any more.
            return self.crash();
        }
        let in_flight = std::mem::take(&mut self.in_flight);
        for op in self.shuffled(in_flight) {
            let sectors = (op.data.len() / SECTOR) as u64;
            let written = match self.rng.below(3) {
                0 => 0,
                1 => sectors,
                _ => self.rng.below(sectors + 1),
            };
            let data = &op.data[..written as usize * SECTOR];
            if let Some(inode) = self.inodes.get_mut(&op.inode) {
                if op.direct && !self.lying {
                    inode.write_through(op.offset, data);
                } else {
                    inode.write(op.offset, data);
                }
            }
        }
        for inode in self.inodes.values_mut() {
            inode.open = 0;
            inode.locked_by = None;
        }
        self.start_again();
    }

    fn start_again(&mut self) {
        self.boot += 1;
        self.down = false;
        self.cut_after = None;
        self.cut_is_kill = false;
        self.collect();
    }

    fn shuffled(&mut self, ops: BTreeMap<u64, InFlight>) -> Vec<InFlight> {
        let mut ops: Vec<InFlight> = ops.into_values().collect();
        for end in (1..ops.len()).rev() {
            let other = self.rng.below(end as u64 + 1) as usize;
            ops.swap(end, other);
        }
        ops
    }

    /// Drops inodes that nothing can lead to any more.
    pub(super) fn collect(&mut self) {
        if !self.unnamed {
            return;
        }
        let possible = self.names.possible_files();
        self.inodes
            .retain(|id, inode| inode.open > 0 || possible.contains(id));
        let visible = self.names.visible_files();
        self.unnamed = self.inodes.keys().any(|id| !visible.contains(id));
    }

    pub(super) fn rot(&mut self, path: &Path, offset: u64, mask: u8) -> io::Result<()> {
        let Node::File(inode) = self.names.find(path)? else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        let inode = self.inode_mut(inode);
        if offset >= inode.visible.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        inode.durable.flip(offset, mask);
        inode.visible.flip(offset, mask);
        inode.evicted = true;
        Ok(())
    }

    pub(super) fn image(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        self.image_of(ROOT, Path::new("/"), &mut files);
        files
    }

    fn image_of(&self, dir: DirId, path: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for (name, node) in self.names.entries(dir) {
            let path = path.join(name);
            match node {
                Node::Dir(child) => self.image_of(*child, &path, files),
                Node::File(inode) => {
                    files.insert(path, self.inodes[inode].visible.bytes().to_vec());
                }
            }
        }
    }
}

pub(super) fn no_space() -> io::Error {
    rustix::io::Errno::NOSPC.into()
}
