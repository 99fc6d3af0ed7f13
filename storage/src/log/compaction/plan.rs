//! What of a log is dirty, and what may be compacted.

use std::io;
use std::sync::Arc;

use protocol::model::Offset;

use super::super::read::ReadError;
use super::super::retention::segment_facts;
use super::super::segment::Segment;
use super::super::{Log, disk};
use super::Compaction;
use crate::data_dir::read_small;

/// The file in which a log keeps up to where it is compacted. Without it everything counts as dirty, which costs a pass and nothing else.
pub(in crate::log) const CHECKPOINT_FILE: &str = "compaction-checkpoint";

/// How dirty a log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dirtiness {
    /// Bytes of the segments that are compacted.
    pub clean_bytes: u64,
    /// Bytes of those that could be.
    pub dirty_bytes: u64,
    /// Bytes of those that cannot be yet: they still change, are not committed, or are too young.
    pub uncleanable_bytes: u64,
    /// Of these, bytes of segments that only wait for a checkpoint.
    pub uncovered_bytes: u64,
    /// The oldest dirty record is older than `max.compaction.lag.ms`.
    pub is_overdue: bool,
}

impl Dirtiness {
    /// The dirty share of what can be compacted, in millionths.
    pub fn ppm(&self) -> u32 {
        self.ppm_with(0)
    }

    /// The same after a checkpoint.
    pub fn covered_ppm(&self) -> u32 {
        self.ppm_with(self.uncovered_bytes)
    }

    fn ppm_with(&self, more: u64) -> u32 {
        let dirty = u128::from(self.dirty_bytes) + u128::from(more);
        let all = u128::from(self.clean_bytes) + dirty;
        u32::try_from(dirty * 1_000_000 / all.max(1)).unwrap_or(1_000_000)
    }
}

/// A segment that may be written again.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) segment: Arc<Segment>,
    /// The offset after its last record.
    pub(super) end: Offset,
    pub(super) bytes: u64,
}

/// What a pass works on.
pub(super) struct Plan {
    /// From the one with the log's start on, none left out.
    pub(super) sources: Vec<Source>,
    /// Bytes of the segments behind them.
    pub(super) uncleanable_bytes: u64,
    /// Of these, bytes of segments that only wait for a checkpoint.
    pub(super) uncovered_bytes: u64,
    /// What lies before is compacted.
    pub(super) first_dirty: Offset,
}

impl Log {
    /// How dirty the log is; `None` if it is not to be compacted, or cannot be. Blocks on the disk.
    pub fn dirtiness(&self, now_ms: Option<i64>) -> Result<Option<Dirtiness>, ReadError> {
        let Some(compaction) = self.config.lock().compaction else {
            return Ok(None);
        };
        let Some(plan) = self.plan_compaction(compaction, now_ms)? else {
            return Ok(None);
        };
        let mut dirtiness = Dirtiness {
            uncleanable_bytes: plan.uncleanable_bytes,
            uncovered_bytes: plan.uncovered_bytes,
            ..Dirtiness::default()
        };
        let mut oldest_dirty = None;
        for source in &plan.sources {
            if source.end > plan.first_dirty {
                dirtiness.dirty_bytes += source.bytes;
                oldest_dirty = oldest_dirty.or(Some(source));
            } else {
                dirtiness.clean_bytes += source.bytes;
            }
        }
        if let (Some(now_ms), Some(oldest)) = (now_ms, oldest_dirty)
            && compaction.max_lag_ms < i64::MAX
        {
            let first_ms = self.first_time(&oldest.segment)?;
            dirtiness.is_overdue =
                first_ms.is_some_and(|ms| now_ms.saturating_sub(ms) > compaction.max_lag_ms);
        }
        Ok(Some(dirtiness))
    }

    pub(super) fn plan_compaction(
        &self,
        compaction: Compaction,
        now_ms: Option<i64>,
    ) -> Result<Option<Plan>, ReadError> {
        self.ensure_segments_are_open()?;
        let (covered, compacted_to) = {
            let mut disk = self.disk.lock();
            if disk.dropped || disk.cut.is_some() {
                return Ok(None);
            }
            let covered = disk.covered_base(&self.environment.checkpoints);
            (covered, self.compacted_to(&mut disk)?)
        };
        let (facts, high_watermark) = {
            let state = self.state();
            // Damage stays what it is, to be looked at.
            if !state.damaged.is_empty() {
                return Ok(None);
            }
            let high_watermark = self.high_watermark().min(state.offsets.written_end);
            // What lies before the start is about to go, and something may be missing there.
            let mut facts = segment_facts(&state);
            facts.retain(|facts| facts.end > state.offsets.start);
            (facts, high_watermark)
        };
        // What the wall clock says is needed, and not known.
        if compaction.min_lag_ms > 0 && now_ms.is_none() {
            return Ok(None);
        }
        let young_ms = now_ms
            .map(|now_ms| now_ms.saturating_sub(compaction.min_lag_ms))
            .filter(|_| compaction.min_lag_ms > 0);
        let mut plan = Plan {
            sources: Vec::new(),
            uncleanable_bytes: 0,
            uncovered_bytes: 0,
            first_dirty: compacted_to,
        };
        let mut may_be = true;
        for facts in &facts {
            may_be &= !facts.is_last && facts.end <= high_watermark;
            if let (true, Some(young_ms)) = (may_be, young_ms) {
                may_be = self
                    .newest_time(facts)?
                    .is_none_or(|newest| newest <= young_ms);
            }
            let is_covered = facts.end <= covered;
            plan.uncovered_bytes += if may_be && !is_covered {
                facts.bytes
            } else {
                0
            };
            match may_be && is_covered {
                true => plan.sources.push(Source {
                    segment: Arc::clone(&facts.segment),
                    end: facts.end,
                    bytes: facts.bytes,
                }),
                false => plan.uncleanable_bytes += facts.bytes,
            }
        }
        let last = plan
            .sources
            .last()
            .map_or(Offset::ZERO, |source| source.end);
        // Beyond, it is of a log that has been cut, or had to be recovered otherwise.
        if plan.first_dirty > last && plan.first_dirty > self.offsets().durable_end {
            plan.first_dirty = Offset::ZERO;
        }
        Ok(Some(plan))
    }

    /// The timestamp of a segment's first batch, if it has one.
    fn first_time(&self, segment: &Segment) -> Result<Option<i64>, ReadError> {
        let mut first = None;
        let gap = |from, to| self.is_known_gap(from, to);
        segment
            .scan_headers(0, &gap, &mut |_, header| {
                first = (header.max_timestamp >= 0).then_some(header.max_timestamp);
                first.is_none()
            })
            .map_err(ReadError::from)?;
        Ok(first)
    }

    /// Up to where the log is compacted.
    fn compacted_to(&self, disk: &mut disk::Disk) -> io::Result<Offset> {
        if let Some(known) = disk.compacted_to {
            return Ok(known);
        }
        let io = self.environment.files.io();
        let path = self.dir.join(CHECKPOINT_FILE);
        let text = match io.exists(&path)? {
            true => read_small(io.as_ref(), &path)?,
            false => Vec::new(),
        };
        let noted = parse(&String::from_utf8_lossy(&text)).unwrap_or(Offset::ZERO);
        disk.compacted_to = Some(noted);
        Ok(noted)
    }

    /// Notes up to where it is compacted now.
    pub(super) fn set_compacted_to(&self, to: Offset) -> io::Result<()> {
        let mut disk = self.disk.lock();
        if disk.dropped {
            return Ok(());
        }
        disk.compacted_to = Some(to);
        let text = format!("version: 0\nfirst_dirty_offset: {to}\n");
        let io = self.environment.files.io();
        disk::write_note(
            io.as_ref(),
            &self.dir.join(CHECKPOINT_FILE),
            text.as_bytes(),
        )
    }

    /// The files were cut: what was compacted beyond may be written again, and is dirty then.
    pub(in crate::log) fn forget_compaction_from(
        &self,
        disk: &mut disk::Disk,
        to: Offset,
    ) -> io::Result<()> {
        if self.compacted_to(disk)? <= to {
            return Ok(());
        }
        disk.compacted_to = Some(Offset::ZERO);
        // Durable before the journal's entry of the cut can be given up: with the next checkpoint.
        disk.names_changed = true;
        disk.names_unflushed = true;
        match self
            .environment
            .files
            .io()
            .remove_file(&self.dir.join(CHECKPOINT_FILE))
        {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn parse(text: &str) -> Option<Offset> {
    let mut lines = text.lines();
    if lines.next()? != "version: 0" {
        return None;
    }
    let offset = lines.next()?.strip_prefix("first_dirty_offset: ")?;
    Offset::from_wire(offset.parse().ok()?)
}
