//! The queue of the simulated disk: operations complete in an order that the seed chooses.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::state::{InFlight, State};
use super::{PowerLoss, SimDisk, SimFile};
use crate::io::{IoCompletion, IoFile, IoOp, IoOpKind, IoQueue};

pub(super) struct SimQueue {
    disk: SimDisk,
    depth: usize,
    boot: u64,
    /// By the number they have on the disk, where the bytes of durable writes wait as well.
    ops: BTreeMap<u64, IoOp>,
}

impl SimQueue {
    pub(super) fn new(disk: &SimDisk, depth: usize) -> io::Result<SimQueue> {
        assert!(depth > 0, "a queue needs a depth");
        let state = disk.state.lock();
        state.check_power()?;
        let boot = state.boot;
        drop(state);
        Ok(SimQueue {
            disk: disk.clone(),
            depth,
            boot,
            ops: BTreeMap::new(),
        })
    }

    fn is_dead(&self, state: &State) -> bool {
        state.down || state.boot != self.boot
    }

    /// Completes between `min` and all of the operations. The files of the completed go to `ended`,
    /// since a file locks the disk when it is dropped.
    fn complete(
        &mut self,
        min: usize,
        completions: &mut Vec<IoCompletion>,
        ended: &mut Vec<Arc<dyn IoFile>>,
    ) {
        let disk = self.disk.clone();
        let mut state = disk.state.lock();
        let mut left = if self.is_dead(&state) {
            0
        } else {
            min + state.rng.below((self.ops.len() - min) as u64 + 1) as usize
        };
        while !self.ops.is_empty() {
            let dead = self.is_dead(&state);
            if left == 0 && !dead {
                return;
            }
            left = left.saturating_sub(1);
            let chosen = if dead {
                0
            } else {
                state.rng.below(self.ops.len() as u64) as usize
            };
            let id = *self.ops.keys().nth(chosen).expect("chosen among them");
            let mut op = self.ops.remove(&id).expect("chosen among them");
            let result = if dead {
                Err(PowerLoss.into())
            } else {
                perform(&mut state, id, &mut op)
            };
            ended.push(op.file);
            completions.push(IoCompletion {
                token: op.token,
                result,
                buf: op.buf,
            });
        }
    }
}

fn perform(state: &mut State, id: u64, op: &mut IoOp) -> io::Result<()> {
    let file = SimFile::of(&op.file);
    match op.kind {
        IoOpKind::Read => {
            op.buf.set_len(op.buf.capacity());
            let read = state.read(file.handle, &file.path, op.buf.as_mut_slice(), op.offset);
            op.buf.set_len(*read.as_ref().unwrap_or(&0));
            read.map(drop)
        }
        IoOpKind::WriteDurable => {
            if !file.handle.writable {
                return Err(rustix::io::Errno::BADF.into());
            }
            state.check_power()?;
            if !state.in_flight.contains_key(&id) {
                // Submitted through a handle from before the crash.
                return Err(PowerLoss.into());
            }
            // Cut now, it stays in flight, for the crash to tear.
            state
                .mutate("durable write completes", &file.path)?
                .outcome()?;
            let write = state.in_flight.remove(&id).expect("looked up above");
            finish_write(state, file, &write)
        }
    }
}

fn finish_write(state: &mut State, file: &SimFile, write: &InFlight) -> io::Result<()> {
    let InFlight {
        inode: id,
        offset,
        direct,
        ref data,
    } = *write;
    let (fits, outcome) = state.admit_write(id, &file.path, data, offset);
    let through = direct && !state.lying && outcome.is_ok();
    let inode = state.inode_mut(id);
    if through {
        inode.write_through(offset, data);
    } else {
        inode.write(offset, &data[..fits]);
    }
    outcome?;
    if direct {
        Ok(())
    } else {
        state.sync_inode(id, &file.path)
    }
}

impl IoQueue for SimQueue {
    fn submit(&mut self, op: IoOp) {
        op.assert_valid();
        assert!(
            self.ops.len() < self.depth,
            "more than {} operations in flight",
            self.depth
        );
        let file = SimFile::of(&op.file);
        let mut state = self.disk.state.lock();
        let id = state.next_id();
        if op.kind == IoOpKind::WriteDurable
            && state.boot == self.boot
            && file.handle.writable
            && state.file(file.handle).is_ok()
            && state.mutate("durable write", &file.path).is_ok()
        {
            let (inode, offset) = (file.handle.inode, op.offset);
            let direct = file.handle.durable && state.config.direct;
            let data = op.buf.as_slice().to_vec();
            state.in_flight.insert(
                id,
                InFlight {
                    inode,
                    offset,
                    direct,
                    data,
                },
            );
        }
        drop(state);
        self.ops.insert(id, op);
    }

    fn in_flight(&self) -> usize {
        self.ops.len()
    }

    fn wait(&mut self, min: usize, completions: &mut Vec<IoCompletion>) -> io::Result<()> {
        assert!(
            min <= self.ops.len(),
            "waiting for {min} of {}",
            self.ops.len()
        );
        let mut ended = Vec::new();
        self.complete(min, completions, &mut ended);
        Ok(())
    }

    fn share(&mut self) -> io::Result<Option<OwnedFd>> {
        Ok(None)
    }
}

impl Drop for SimQueue {
    fn drop(&mut self) {
        let all = self.ops.len();
        let mut ended = Vec::new();
        self.complete(all, &mut Vec::new(), &mut ended);
    }
}
