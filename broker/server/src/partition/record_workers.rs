//! Looking into batches where it takes long: on blocking threads, a bounded number of them, in
//! bounded memory.
//!
//! The memory is a budget of its own, and not the one of requests: whoever waits for it holds a
//! request's share of that one, so that two who wait for one another's would wait for ever. Here
//! everybody who holds a share either runs, or is in the tail of a log, which is written behind
//! whatever else happens.

use std::sync::Arc;

use protocol::ErrorCode;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::{Incoming, Looked, Refusal};
use crate::net::{MemoryBudget, MemoryPermit};

/// The threads, and their memory.
#[derive(Debug)]
pub struct RecordWorkers {
    threads: Arc<Semaphore>,
    memory: MemoryBudget,
}

impl RecordWorkers {
    /// At most so many threads at once, and so many bytes in the work and of what comes of it, as
    /// long as that is in the tail of a log. What a codec keeps for itself is not counted: it is a
    /// megabyte or two in each thread, and 40 at the highest levels.
    pub fn new(threads: usize, memory_bytes: usize) -> RecordWorkers {
        RecordWorkers {
            threads: Arc::new(Semaphore::new(threads)),
            memory: MemoryBudget::new(memory_bytes),
        }
    }

    /// The bytes to take from.
    pub fn memory(&self) -> &MemoryBudget {
        &self.memory
    }

    /// Looks into a batch here and now, if that does not take long, and if there is memory. Done
    /// means that it may be appended.
    pub fn look_here(
        &self,
        incoming: &mut Incoming,
        refused_max: usize,
    ) -> Result<Looked, Refusal> {
        let Some(room) = incoming.room_here() else {
            return Ok(Looked::NeedsRoom);
        };
        let Some(permit) = self.memory.try_acquire(Incoming::memory_for(room)) else {
            return Ok(Looked::NeedsRoom);
        };
        let looked = incoming.look(room, refused_max)?;
        self.keep(permit, incoming);
        Ok(looked)
    }

    /// The same by another thread, whatever it takes.
    ///
    /// May be dropped before: a thread that is under way then still counts, and what it works on.
    pub async fn look(
        &self,
        mut incoming: Incoming,
        refused_max: usize,
    ) -> Result<Incoming, Refusal> {
        let mut room = incoming.first_room();
        loop {
            let threads = Arc::clone(&self.threads);
            let thread = threads.acquire_owned().await.expect("never closed");
            let permit = self.memory.acquire(Incoming::memory_for(room)).await;
            let work = spawn_blocking(move || {
                let _thread = thread;
                let looked = incoming.look(room, refused_max);
                (incoming, looked, permit)
            });
            let Ok((back, looked, permit)) = work.await else {
                // Only a process that is about to end does not run it.
                return Err(ErrorCode::UnknownServerError.into());
            };
            incoming = back;
            match looked? {
                Looked::NeedsRoom => room = incoming.next_room(room),
                Looked::Done => {
                    self.keep(permit, &mut incoming);
                    return Ok(incoming);
                }
            }
        }
    }

    /// Keeps what the batch takes, if it is another than came, as long as its bytes are there.
    fn keep(&self, mut permit: MemoryPermit, incoming: &mut Incoming) {
        let Some(bytes) = incoming.anew() else {
            return;
        };
        let kept = match permit.is_overdrawn() {
            false => permit.split(bytes),
            // There is one at a time, and the tail may hold on to it for a while.
            true => self.memory.try_acquire(bytes).unwrap_or(permit),
        };
        incoming.hold(Arc::new(kept));
    }
}
