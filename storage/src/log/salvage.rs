//! Recovery of a log that is not in the journal ([`Durability::Os`](super::Durability)): what the files hold beyond the checkpoint counts as far as it is
//! whole, batch after batch, as in Kafka's `LogSegment.recover`. After the end of a process that is everything it had written; after a power
//! loss it is what the kernel happened to have written back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use protocol::batch::batches;
use protocol::model::Offset;

use super::disk::{Directory, Disk, cut_to};
use super::segment::{Segment, SegmentError, base_of};
use super::{Durability, Log, Producers};
use crate::data_dir::read_small;

impl Log {
    /// Takes up what is in the files of a log that is not in the journal; nothing where the checkpoint has all of it. Before anybody
    /// uses the log.
    pub(crate) fn salvage(&self, now_ms: i64) -> io::Result<()> {
        if self.durability != Durability::Os {
            return Ok(());
        }
        let mut disk = self.disk.lock();
        if !self.is_there(&disk)? {
            // What a checkpoint has seen in it is missed when the log is opened.
            self.begin_at_start(&mut disk);
            return Ok(());
        }
        let mut segments = Vec::new();
        for entry in self.environment.files.io().read_dir(&self.dir)? {
            if let Some(base) = base_of(&entry.name) {
                segments.push(Arc::new(self.segment(base, entry.len)));
            }
        }
        let begins_within = self.offsets().start <= disk.end;
        if disk.cut.is_none() && begins_within && is_as_checkpointed(&disk, &segments) {
            return Ok(());
        }
        self.finish_cut(&mut disk)?;
        let found = segments.len();
        let stale = |segment: &Arc<Segment>| is_stale(&disk, segment.base());
        let (stale, segments): (Vec<_>, Vec<_>) = segments.into_iter().partition(stale);
        for segment in stale {
            segment.remove()?;
        }
        let (kept, is_whole) = self.take_up(&mut disk, segments, now_ms)?;
        if kept.len() < found {
            // New records are written where the removed ones were: those must not come back behind them.
            self.environment.files.io().sync_dir(&self.dir)?;
        }
        let found_end = disk.end;
        {
            let mut state = self.state();
            state.segments.clone_from(&kept);
            state.leader_epochs = disk.leader_epochs.clone();
            state.producers = disk.producers.clone();
            let start = state.offsets.start;
            state.leader_epochs.start_at(start.min(disk.end));
        }
        self.begin_at_start(&mut disk);
        if let Some(last) = kept.last().filter(|_| is_whole && disk.end == found_end) {
            self.resume(&mut disk, last, None)?;
        }
        disk.directory = Directory::Open;
        disk.names_changed = true;
        disk.epochs_changed = true;
        self.is_open.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether there is a directory, and it is this log's.
    fn is_there(&self, disk: &Disk) -> io::Result<bool> {
        let io = self.environment.files.io();
        if !io.exists(&self.dir)? {
            return Ok(false);
        }
        let is_known = matches!(
            disk.directory,
            Directory::Unopened {
                active: Some(_),
                ..
            }
        );
        if is_known {
            return Ok(true);
        }
        // No checkpoint has seen anything in it: it may be that of a deleted log of the name.
        let path = self.dir.join("partition.metadata");
        if !io.exists(&path)? {
            return Ok(false);
        }
        let text = read_small(io.as_ref(), &path)?;
        let topic_id = format!("topic_id: {}", self.partition.topic_id);
        Ok(String::from_utf8_lossy(&text)
            .lines()
            .any(|line| line == topic_id))
    }

    /// Goes through the segments from the one on in which the trusted part ends. Returns those that stay, and whether the last of them
    /// ends where the log does.
    fn take_up(
        &self,
        disk: &mut Disk,
        segments: Vec<Arc<Segment>>,
        now_ms: i64,
    ) -> io::Result<(Vec<Arc<Segment>>, bool)> {
        let trusted_end = disk.end;
        let start = self.offsets().start;
        let nexts: Vec<Option<Offset>> = segments
            .iter()
            .skip(1)
            .map(|next| Some(next.base()))
            .chain([None])
            .collect();
        let mut kept = Vec::new();
        let (mut has_begun, mut is_whole) = (false, true);
        for (segment, next) in segments.into_iter().zip(nexts) {
            let holds_start = segment.base() <= start && next.is_none_or(|next| next > start);
            if disk.end < start && holds_start && segment.base() > disk.end {
                // What is missing is deleted; the segment's snapshot knows who wrote it.
                self.recall_producers(disk, &segment)?;
                disk.end = start;
                (has_begun, is_whole) = (false, false);
            }
            if next.is_some_and(|next| next <= trusted_end) {
                kept.push(segment);
            } else if segment.base() > disk.end {
                // Something is missing before it.
                segment.remove()?;
            } else if has_begun && segment.base() < disk.end {
                // It was removed once, and that was not durable.
                segment.remove()?;
            } else {
                has_begun = true;
                let taken = self.take_up_segment(disk, &segment, now_ms)?;
                is_whole = taken != Taken::LessThanTrusted;
                kept.push(segment);
            }
        }
        if disk.end > trusted_end {
            tracing::info!(
                topic = self.topic,
                partition = %self.partition.partition,
                from = %trusted_end,
                to = %disk.end,
                "found records in the page cache"
            );
        }
        Ok((kept, is_whole))
    }

    /// Adds what a segment's snapshot says of the producers before it.
    fn recall_producers(&self, disk: &mut Disk, segment: &Segment) -> io::Result<()> {
        let io = self.environment.files.io();
        let path = segment.path("snapshot");
        if !io.exists(&path)? {
            return Ok(());
        }
        if let Some(snapshot) = Producers::from_snapshot(&read_small(io.as_ref(), &path)?) {
            let known = std::mem::take(&mut disk.producers);
            disk.producers = known.truncated_to(segment.base(), snapshot);
        }
        Ok(())
    }

    /// Takes up the batches of a segment from the end of the log on, and cuts off what is behind them.
    fn take_up_segment(
        &self,
        disk: &mut Disk,
        segment: &Arc<Segment>,
        now_ms: i64,
    ) -> io::Result<Taken> {
        let len = segment.bytes();
        let log = Arc::clone(disk.writable(segment, &self.environment.dirty)?.log());
        let mut position = match self.position_of(segment, disk.end) {
            Ok(Some(position)) => position,
            Ok(None) | Err(SegmentError::Bad(_)) => {
                self.lose_end_of(segment, disk.end)?;
                return Ok(Taken::LessThanTrusted);
            }
            Err(SegmentError::Io(error)) => return Err(error),
        };
        while position < len {
            let chunk = match segment.verified_at(position, disk.end) {
                Ok(chunk) => chunk,
                Err(SegmentError::Bad(_)) => break,
                Err(SegmentError::Io(error)) => return Err(error),
            };
            let begun = position;
            for batch in batches(&chunk) {
                let Ok((header, bytes)) = batch else { break };
                if header.partition_leader_epoch < disk.leader_epochs.latest() {
                    break;
                }
                if let Some(epoch) = header.partition_leader_epoch {
                    disk.leader_epochs.on_append(epoch, header.base_offset);
                }
                disk.producers.on_append(&header, now_ms);
                disk.end = header.end_offset();
                position += bytes.len() as u64;
            }
            // After a sync that failed pages read back well and count as clean, though the medium does not have them: they are written again.
            let taken = usize::try_from(position - begun).unwrap_or(usize::MAX);
            log.write_all_at(&[&chunk[..taken]], begun)?;
            if position < begun + chunk.len() as u64 || chunk.is_empty() {
                break;
            }
        }
        segment.set_bytes(position);
        cut_to(log.as_ref(), position)?;
        Ok(match position == len {
            true => Taken::All,
            false => Taken::Part,
        })
    }

    /// Records before the start may have been lost with the power, though the start is durable: then the log is empty, and goes on
    /// there (Kafka's `truncateFullyAndStartAt`).
    fn begin_at_start(&self, disk: &mut Disk) {
        let mut state = self.state();
        let end = disk.end.max(state.offsets.start);
        disk.end = end;
        state.offsets.written_end = end;
        state.offsets.durable_end = end;
        state.offsets.end = end;
        state.check();
    }
}

/// What was taken up of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// All of it.
    All,
    /// Its beginning.
    Part,
    /// Not even what the checkpoint has seen.
    LessThanTrusted,
}

/// Whether a segment is one that the checkpoint knows to be gone: its removal was not durable.
fn is_stale(disk: &Disk, base: Offset) -> bool {
    let is_trusted = base < disk.end;
    match disk.directory {
        Directory::Unopened {
            active: Some(active),
            ..
        } => is_trusted && base > active.base,
        Directory::Unopened { active: None, .. } => is_trusted,
        Directory::Unmade | Directory::Open => false,
    }
}

/// Whether the files hold what the checkpoint says, by the length of the last segment.
fn is_as_checkpointed(disk: &Disk, segments: &[Arc<Segment>]) -> bool {
    let last = segments
        .last()
        .map(|segment| (segment.base(), segment.bytes()));
    match disk.directory {
        Directory::Unopened { active, .. } => {
            active.map(|active| (active.base, active.bytes)) == last
        }
        Directory::Unmade | Directory::Open => last.is_none(),
    }
}
