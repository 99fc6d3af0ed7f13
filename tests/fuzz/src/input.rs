//! An input as a sequence of decisions.

/// Takes decisions off the front of an input; zeros once it is used up, so that every input means
/// something, and a shorter one something simpler.
#[derive(Clone, Debug)]
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Input<'a> {
        Input(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// At most so many bytes.
    pub(crate) fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let taken = self.take(N);
        let mut array = [0; N];
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    pub(crate) fn u8(&mut self) -> u8 {
        u8::from_be_bytes(self.array())
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub(crate) fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    /// Yes for one byte in so many, and when it is used up.
    pub(crate) fn one_in(&mut self, count: u8) -> bool {
        self.u8().is_multiple_of(count)
    }

    /// A number before `end`, by one byte where that suffices.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        if end <= 256 {
            usize::from(self.u8()) % end.max(1)
        } else {
            usize::from(self.u16()) % end
        }
    }

    /// A place in something of `length` bytes: the same share of it, whatever its length.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        (usize::from(self.u16()) * length) >> 16
    }

    /// What a field that is `before` may be made: near to it, a limit of some type, or anything.
    pub(crate) fn forged(&mut self, before: u64) -> u64 {
        match self.u8() % 10 {
            0 => before.wrapping_add(1),
            1 => before.wrapping_sub(1),
            2 => 0,
            3 => u64::from(self.u8()),
            4 => before.wrapping_add(u64::from(self.u8())),
            5 => before.wrapping_sub(u64::from(self.u8())),
            6 => i64::MAX.cast_unsigned().wrapping_sub(u64::from(self.u8())),
            7 => u64::MAX.wrapping_sub(u64::from(self.u8())),
            8 => i32::MAX
                .cast_unsigned()
                .wrapping_sub(u32::from(self.u8()))
                .into(),
            _ => self.u64(),
        }
    }
}
