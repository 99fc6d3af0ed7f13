//! From received bytes to frames, each in a buffer of exactly its size.
//!
//! Small frames are copied out of what one read brought. The rest of a large one is read straight
//! into its buffer. The buffer, and with it the charge on the [`MemoryBudget`], grows with what
//! has arrived and not with what was claimed: a claim alone costs nothing, and a first byte
//! 64 KiB at most.

use bytes::buf::Limit;
use bytes::{BufMut, Bytes, BytesMut};
use protocol::wire::{FRAME_SIZE_BYTES, WireError, frame_size};

use super::memory_budget::{Arriving, Purpose};
use super::{MemoryBudget, MemoryPermit};

/// What a frame that has not fully arrived is given beyond what has, at least.
const SPARE_BYTES_MIN: usize = 64 * 1024;
/// And in its first steps at most; later it doubles, so that growing copies each byte about once.
const SPARE_BYTES_FIRST_MAX: usize = 1024 * 1024;
/// A first read that is full (64 KiB) makes room for a whole ordinary produce request (1 MiB).
const SPARE_PER_ARRIVED: usize = 16;
/// Less than this is not worth a read of its own: it is read together with what follows it.
const DIRECT_BYTES_MIN: usize = 16 * 1024;

/// What [`FrameReader::next_frame`] came to.
#[derive(Debug)]
pub(super) enum Step {
    /// A whole frame and its memory.
    Frame(BytesMut, MemoryPermit),
    /// All input is taken, and more is needed.
    NeedInput,
    /// The budget has to be waited for, and the answer handed to [`FrameReader::grant`]. The input
    /// not taken is to be offered again.
    NeedBudget { bytes: usize, purpose: Purpose },
}

/// The place in the stream of frames.
#[derive(Debug, Default)]
pub(super) struct FrameReader {
    prefix: [u8; FRAME_SIZE_BYTES],
    prefix_len: usize,
    frame: Option<PartialFrame>,
    granted: Option<MemoryPermit>,
}

#[derive(Debug)]
struct PartialFrame {
    size: usize,
    /// What has arrived.
    bytes: Vec<u8>,
    /// Up to where it may grow: paid for and allocated.
    reserved: usize,
    permit: MemoryPermit,
    arriving: Arriving,
}

impl FrameReader {
    /// Whether it holds memory for a frame that has not arrived whole.
    pub(super) fn holds_memory(&self) -> bool {
        self.frame
            .as_ref()
            .is_some_and(|frame| frame.arriving.bytes() > 0 || frame.permit.is_overdrawn())
    }

    /// Whether a frame has begun and not ended.
    pub(super) fn is_mid_frame(&self) -> bool {
        self.prefix_len > 0 || self.frame.is_some()
    }

    /// Takes bytes off `input` up to the end of a frame.
    pub(super) fn next_frame(
        &mut self,
        input: &mut &[u8],
        size_max: usize,
        budget: &MemoryBudget,
    ) -> Result<Step, WireError> {
        let frame = match &mut self.frame {
            Some(frame) => frame,
            None => {
                let missing = FRAME_SIZE_BYTES - self.prefix_len;
                let taken = input
                    .split_off(..missing.min(input.len()))
                    .unwrap_or_default();
                self.prefix[self.prefix_len..][..taken.len()].copy_from_slice(taken);
                self.prefix_len += taken.len();
                let Some(size) = frame_size(&self.prefix[..self.prefix_len], size_max)? else {
                    return Ok(Step::NeedInput);
                };
                self.prefix_len = 0;
                let permit = budget.nothing();
                self.frame.insert(PartialFrame {
                    size,
                    bytes: Vec::new(),
                    reserved: 0,
                    permit,
                    arriving: budget.arriving(),
                })
            }
        };
        let taken = input.len().min(frame.size - frame.bytes.len());
        let arrived = frame.bytes.len() + taken;
        if arrived > frame.reserved {
            let target = reserve_target(arrived, frame.size);
            let is_whole = arrived == frame.size;
            if let Err(need) = frame.charge(target, is_whole, &mut self.granted, budget) {
                return Ok(need);
            }
            frame.bytes.reserve_exact(target - frame.bytes.len());
            frame.reserved = target;
            frame.arriving.set(frame.permit.bytes());
        }
        frame.bytes.extend_from_slice(&input[..taken]);
        *input = &input[taken..];
        if arrived < frame.size {
            return Ok(Step::NeedInput);
        }
        let frame = self.frame.take().expect("it was just completed");
        // Neither step copies: the vector is full, and the `Bytes` the only one.
        let bytes = BytesMut::from(Bytes::from(frame.bytes));
        Ok(Step::Frame(bytes, frame.permit))
    }

    /// Where the rest of a large frame may be read to directly. Afterwards
    /// [`FrameReader::next_frame`] is to be called, even without input.
    pub(super) fn direct(&mut self) -> Option<Limit<&mut Vec<u8>>> {
        let frame = self.frame.as_mut()?;
        let room = frame.reserved - frame.bytes.len();
        (room >= DIRECT_BYTES_MIN).then(|| (&mut frame.bytes).limit(room))
    }

    /// Memory that was waited for.
    pub(super) fn grant(&mut self, permit: MemoryPermit) {
        match &mut self.granted {
            Some(granted) => granted.merge(permit),
            None => self.granted = Some(permit),
        }
    }
}

impl PartialFrame {
    /// Brings the permit to `target` bytes, unless it is overdrawn and need not grow.
    fn charge(
        &mut self,
        target: usize,
        is_whole: bool,
        granted: &mut Option<MemoryPermit>,
        budget: &MemoryBudget,
    ) -> Result<(), Step> {
        if let Some(granted) = granted.take() {
            self.permit.merge(granted);
        }
        if self.permit.is_overdrawn() {
            return Ok(());
        }
        let missing = target.saturating_sub(self.permit.bytes());
        let purpose = match self.permit.bytes() {
            0 if is_whole => Purpose::WholeFrame,
            0 => Purpose::Other,
            _ => Purpose::MoreOfFrame,
        };
        let acquired = match purpose {
            Purpose::WholeFrame => budget.try_acquire_for_whole(missing),
            Purpose::Other | Purpose::MoreOfFrame => budget.try_acquire(missing),
        };
        match acquired {
            Some(permit) => self.permit.merge(permit),
            None => {
                return Err(Step::NeedBudget {
                    bytes: missing,
                    purpose,
                });
            }
        }
        Ok(())
    }
}

/// The buffer's length for a frame of `size` bytes of which `arrived` are here.
fn reserve_target(arrived: usize, size: usize) -> usize {
    let spare_max = SPARE_BYTES_FIRST_MAX.max(arrived);
    let spare = arrived
        .saturating_mul(SPARE_PER_ARRIVED)
        .clamp(SPARE_BYTES_MIN, spare_max);
    arrived.saturating_add(spare).min(size)
}
