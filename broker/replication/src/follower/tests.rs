use super::*;

/// Epochs and where each ends; and what is committed.
struct Own(Vec<(i32, i64)>, i64);

impl OwnLog for Own {
    fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let mut not_greater = self.0.iter().rev().filter(|(own, _)| *own <= epoch.get());
        let (own, end) = not_greater.next()?;
        Some((LeaderEpoch::new(*own), Offset::new(*end)))
    }

    fn end(&self) -> Offset {
        Offset::new(self.0.last().map_or(0, |(_, end)| *end))
    }

    fn high_watermark(&self) -> Offset {
        Offset::new(self.1)
    }
}

fn cut(log: &Own, epoch: i32, end: i64) -> Truncation {
    truncation(log, (LeaderEpoch::new(epoch), Offset::new(end)), false)
}

#[test]
fn a_log_is_cut_to_what_both_have() {
    let to = |offset| Truncation::To(Offset::new(offset));
    let log = Own(vec![(1, 10), (3, 20)], 5);
    assert_eq!(cut(&log, 3, 15), to(15), "the leader has less of the epoch");
    assert_eq!(cut(&log, 3, 25), to(20), "the leader has more");
    assert_eq!(cut(&log, 2, 12), to(10), "the leader has an epoch between");
    assert_eq!(cut(&log, 2, 8), to(8), "and of the one before less");
    assert_eq!(
        cut(&Own(vec![(3, 20)], 0), 1, 7),
        to(0),
        "nothing is common"
    );
}

#[test]
fn what_is_committed_is_not_cut_unless_an_unclean_leader_says_so() {
    let log = Own(vec![(1, 10), (3, 20)], 12);
    let alarm = Truncation::BelowHighWatermark {
        to: Offset::new(10),
        high_watermark: Offset::new(12),
    };
    assert_eq!(cut(&log, 2, 30), alarm);
    assert_eq!(cut(&log, 3, 12), Truncation::To(Offset::new(12)));
    let unclean = truncation(&log, (LeaderEpoch::new(2), Offset::new(30)), true);
    assert_eq!(unclean, Truncation::To(Offset::new(10)));
}
