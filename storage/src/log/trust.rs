//! What of a segment's file need not be verified again before it is served: what this process has written there, or verified, as long as it has not left
//! the page cache since. Between the two it cannot have rotted on the disk.

use std::ops::Range;

/// One range of a file; of two that do not touch the larger is remembered. Consumers read upwards, and writers append: there are rarely more.
#[derive(Debug, Default)]
pub(super) struct Trust(Range<u64>);

impl Trust {
    /// `range` is sound, and in the page cache.
    pub(super) fn add(&mut self, range: Range<u64>) {
        let touches = range.start <= self.0.end && self.0.start <= range.end;
        if self.0.is_empty() || !touches {
            if range.end - range.start > self.0.end - self.0.start {
                self.0 = range;
            }
            return;
        }
        self.0 = self.0.start.min(range.start)..self.0.end.max(range.end);
    }

    /// The file has been cut at `bytes`.
    pub(super) fn cut_to(&mut self, bytes: u64) {
        self.0.end = self.0.end.min(bytes);
        self.0.start = self.0.start.min(self.0.end);
    }

    /// Something before `position` is not in the page cache any more; what is read from the disk next has to be verified. Nothing is said of what lies behind,
    /// where readers will look next.
    pub(super) fn forget_before(&mut self, position: u64) {
        self.0.start = self.0.start.max(position).min(self.0.end);
    }

    /// Where what is trusted ends, if that includes the byte at `position`.
    pub(super) fn end_from(&self, position: u64) -> Option<u64> {
        self.0.contains(&position).then_some(self.0.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(ranges: impl IntoIterator<Item = Range<u64>>) -> Trust {
        let mut trust = Trust::default();
        ranges.into_iter().for_each(|range| trust.add(range));
        trust
    }

    fn one() -> Trust {
        trust(Some(10..20))
    }

    #[test]
    fn what_touches_is_one_range_and_otherwise_the_larger_is_kept() {
        assert_eq!(trust([10..20, 20..30]).0, 10..30);
        assert_eq!(trust([20..30, 10..20]).0, 10..30);
        assert_eq!(trust([10..20, 5..40]).0, 5..40);
        assert_eq!(trust([10..20, 30..35]).0, 10..20);
        assert_eq!(trust([10..20, 30..45]).0, 30..45);
        assert_eq!(trust([10..20, 30..30]).0, 10..20);
    }

    #[test]
    fn a_cut_takes_what_lies_behind_it() {
        for (bytes, left) in [(5, 5..5), (10, 10..10), (15, 10..15), (25, 10..20)] {
            let mut trust = one();
            trust.cut_to(bytes);
            assert_eq!(trust.0, left);
        }
    }

    #[test]
    fn it_ends_where_the_range_does_and_nowhere_for_what_is_outside() {
        let mut trust = one();
        assert_eq!(trust.end_from(9), None);
        assert_eq!(trust.end_from(10), Some(20));
        assert_eq!(trust.end_from(19), Some(20));
        assert_eq!(trust.end_from(20), None);
        trust.forget_before(15);
        assert_eq!(trust.end_from(14), None);
        assert_eq!(trust.end_from(15), Some(20));
        trust.forget_before(30);
        assert_eq!(trust.end_from(19), None);
    }
}
