//! The blocking calls of the seam, on the simulated disk.

use std::io;
use std::path::Path;

use super::Handle;
use super::faults::Kind;
use super::names::{Node, Place, ROOT, components};
use super::state::{Power, State, no_space};
use crate::io::{DirEntry, DiskSpace, OpenOptions};

impl State {
    pub(super) fn open(&mut self, path: &Path, options: OpenOptions) -> io::Result<Handle> {
        self.check_power()?;
        let create = options.create || options.create_new;
        if options.read_only && (create || options.truncate) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let place = self.names.place(path)?.ok_or(io::ErrorKind::IsADirectory)?;
        let (inode, power) = match self.names.get(&place) {
            Some(_) if options.create_new => return Err(io::ErrorKind::AlreadyExists.into()),
            Some(Node::Dir(_)) => return Err(io::ErrorKind::IsADirectory.into()),
            Some(Node::File(inode)) => {
                let cuts = options.truncate && self.inodes[&inode].visible.len() > 0;
                let power = if cuts {
                    self.mutate("truncate", path)?
                } else {
                    Power::On
                };
                if cuts {
                    self.inode_mut(inode).set_len(0);
                }
                (inode, power)
            }
            None if create => {
                self.check_room_for_name()?;
                let power = self.mutate("create", path)?;
                let inode = self.next_id();
                self.inodes.insert(inode, super::inode::Inode::default());
                self.names.create_file(place, inode);
                (inode, power)
            }
            None => return Err(io::ErrorKind::NotFound.into()),
        };
        power.outcome()?;
        self.inode_mut(inode).open += 1;
        Ok(Handle {
            id: self.next_id(),
            inode,
            boot: self.boot,
            writable: !options.read_only,
            durable: options.durable && !options.read_only,
        })
    }

    pub(super) fn close(&mut self, handle: Handle) {
        if handle.boot != self.boot {
            return;
        }
        let Some(inode) = self.inodes.get_mut(&handle.inode) else {
            return;
        };
        inode.open -= 1;
        if inode.locked_by == Some(handle.id) {
            inode.locked_by = None;
        }
        if inode.open == 0 {
            self.collect();
        }
    }

    pub(super) fn read(
        &mut self,
        handle: Handle,
        path: &Path,
        buf: &mut [u8],
        offset: u64,
    ) -> io::Result<usize> {
        self.file(handle)?;
        self.fault(Kind::Read, path)?;
        let inode = self.file(handle)?;
        inode.evicted = false;
        let bytes = inode.visible.slice(offset, buf.len());
        buf[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    pub(super) fn try_read(
        &mut self,
        handle: Handle,
        path: &Path,
        buf: &mut [u8],
        offset: u64,
    ) -> io::Result<Option<usize>> {
        self.file(handle)?;
        if self.rng.per_million(self.config.cold_reads_per_million) {
            return Ok(None);
        }
        self.read(handle, path, buf, offset).map(Some)
    }

    /// The whole file, unless it has rotted and nobody has read it since, or reads are cold by chance.
    pub(super) fn is_cached(&mut self, handle: Handle) -> bool {
        let is_cold = self.rng.per_million(self.config.cold_reads_per_million);
        !is_cold && self.file(handle).is_ok_and(|inode| !inode.evicted)
    }

    pub(super) fn write(
        &mut self,
        handle: Handle,
        path: &Path,
        data: &[u8],
        offset: u64,
    ) -> io::Result<()> {
        self.check_writable(handle)?;
        let power = self.mutate("write", path)?;
        let (fits, outcome) = self.admit_write(handle.inode, path, data, offset);
        let inode = self.inode_mut(handle.inode);
        inode.write(offset, &data[..fits]);
        power.outcome()?;
        outcome
    }

    /// How many bytes of a write happen, and what it answers.
    pub(super) fn admit_write(
        &mut self,
        inode: u64,
        path: &Path,
        data: &[u8],
        offset: u64,
    ) -> (usize, io::Result<()>) {
        if let Err(error) = self.fault(Kind::Write, path) {
            let part = self.rng.below(data.len() as u64 + 1) as usize;
            return (part, Err(error));
        }
        let room = self.room();
        let fits = self.inodes[&inode]
            .visible
            .fitting(offset, data.len(), room);
        (
            fits,
            if fits < data.len() {
                Err(no_space())
            } else {
                Ok(())
            },
        )
    }

    fn check_writable(&mut self, handle: Handle) -> io::Result<()> {
        self.file(handle)?;
        if handle.writable {
            Ok(())
        } else {
            Err(rustix::io::Errno::BADF.into())
        }
    }

    pub(super) fn sync(&mut self, handle: Handle, path: &Path) -> io::Result<()> {
        self.file(handle)?;
        self.mutate("sync", path)?.outcome()?;
        self.sync_inode(handle.inode, path)
    }

    pub(super) fn sync_inode(&mut self, inode: u64, path: &Path) -> io::Result<()> {
        let fault = self.fault(Kind::Sync, path);
        let inode = self
            .inodes
            .get_mut(&inode)
            .expect("what is open has its inode");
        if fault.is_err() {
            inode.lose_sync(&mut self.rng);
        } else if !self.lying {
            inode.sync();
        }
        fault
    }

    pub(super) fn set_len(&mut self, handle: Handle, path: &Path, len: u64) -> io::Result<()> {
        self.check_writable(handle)?;
        let power = self.mutate("set_len", path)?;
        self.fault(Kind::Write, path)?;
        self.inode_mut(handle.inode).set_len(len);
        power.outcome()
    }

    pub(super) fn try_lock(&mut self, handle: Handle) -> io::Result<bool> {
        let inode = self.file(handle)?;
        let holder = *inode.locked_by.get_or_insert(handle.id);
        Ok(holder == handle.id)
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        self.check_power()?;
        let mut dir = ROOT;
        for name in components(path)? {
            let place = Place { dir, name };
            dir = match self.names.get(&place) {
                Some(Node::Dir(child)) => child,
                Some(Node::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
                None => {
                    self.check_room_for_name()?;
                    let power = self.mutate("create_dir", path)?;
                    let child = self.names.create_dir(place);
                    power.outcome()?;
                    child
                }
            };
        }
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.check_power()?;
        let place = |path| {
            self.names
                .place(path)?
                .ok_or(io::ErrorKind::ResourceBusy.into())
        };
        let (from_place, to_place): (io::Result<Place>, io::Result<Place>) =
            (place(from), place(to));
        let (from_place, to_place) = (from_place?, to_place?);
        let node = self.names.get(&from_place).ok_or(io::ErrorKind::NotFound)?;
        if from_place == to_place {
            return Ok(());
        }
        match (node, self.names.get(&to_place)) {
            (Node::Dir(dir), _) if self.names.is_under(to_place.dir, dir) => {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            (_, None) | (Node::File(_), Some(Node::File(_))) => {}
            (Node::File(_), Some(Node::Dir(_))) => return Err(io::ErrorKind::IsADirectory.into()),
            (Node::Dir(_), Some(Node::File(_))) => return Err(io::ErrorKind::NotADirectory.into()),
            (Node::Dir(_), Some(Node::Dir(target))) => {
                if !self.names.entries(target).is_empty() {
                    return Err(io::ErrorKind::DirectoryNotEmpty.into());
                }
                self.remove_dir_all(to)?;
            }
        }
        let power = self.mutate("rename", from)?;
        self.unnamed = true;
        self.names.rename(from_place, to_place, node);
        power.outcome()
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.check_power()?;
        let place = self.names.place(path)?.ok_or(io::ErrorKind::IsADirectory)?;
        match self.names.get(&place) {
            Some(node @ Node::File(_)) => {
                let power = self.mutate("remove", path)?;
                self.unnamed = true;
                self.names.remove(place, node);
                power.outcome()
            }
            Some(Node::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn remove_dir_all(&mut self, path: &Path) -> io::Result<()> {
        self.check_power()?;
        let dir = self.names.find_dir(path)?;
        let children: Vec<(String, Node)> = self
            .names
            .entries(dir)
            .iter()
            .map(|(name, node)| (name.clone(), *node))
            .collect();
        for (name, node) in children {
            match node {
                Node::File(_) => self.remove_file(&path.join(name))?,
                Node::Dir(_) => self.remove_dir_all(&path.join(name))?,
            }
        }
        let Some(place) = self.names.place(path)? else {
            return Err(io::ErrorKind::ResourceBusy.into());
        };
        let power = self.mutate("remove_dir", path)?;
        self.names.remove(place, Node::Dir(dir));
        power.outcome()
    }

    pub(super) fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        self.check_power()?;
        let dir = self.names.find_dir(path)?;
        self.mutate("sync_dir", path)?.outcome()?;
        self.fault(Kind::Sync, path)?;
        if !self.lying {
            self.names.sync(dir);
            self.collect();
        }
        Ok(())
    }

    pub(super) fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.check_power()?;
        let dir = self.names.find_dir(path)?;
        let entry = |(name, node): (&String, &Node)| match node {
            Node::Dir(_) => DirEntry {
                name: name.clone(),
                is_dir: true,
                len: 0,
            },
            Node::File(inode) => {
                let len = self.inodes[inode].visible.len();
                DirEntry {
                    name: name.clone(),
                    is_dir: false,
                    len,
                }
            }
        };
        Ok(self.names.entries(dir).iter().map(entry).collect())
    }

    pub(super) fn exists(&self, path: &Path) -> io::Result<bool> {
        self.check_power()?;
        match self.names.find(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn disk_space(&self) -> io::Result<DiskSpace> {
        self.check_power()?;
        // A disk without a limit still has a size that can be reckoned with.
        let total = self.capacity.min(1 << 40);
        Ok(DiskSpace {
            total,
            available: total.saturating_sub(self.used()),
        })
    }
}
