use super::*;

const LAG_MS: i64 = 2_000;

fn broker(id: i32) -> BrokerId {
    BrokerId::new(id)
}

fn view(partition_epoch: i32, isr: &[i32]) -> PartitionView {
    let live = (1..=3).map(|id| (broker(id), BrokerEpoch::new(10 + i64::from(id))));
    PartitionView {
        leader_epoch: LeaderEpoch::new(4),
        partition_epoch: PartitionEpoch::new(partition_epoch),
        isr: isr.iter().copied().map(broker).collect(),
        live: live.collect(),
        min_insync_replicas: 2,
        has_elr: false,
        has_others: true,
        short_of_space: BTreeSet::new(),
    }
}

/// A leader, 1 of three, and what it wanted done last.
struct Rig {
    leader: Leader,
    effects: Vec<Effect>,
}

impl Rig {
    /// With a log that ends at 10, all of it durable here, and 5 committed.
    fn new(isr: &[i32]) -> Rig {
        let ends = LogEnds {
            high_watermark: Offset::new(5),
            durable_end: Offset::new(10),
            end: Offset::new(10),
        };
        let mut effects = Vec::new();
        let leader = Leader::new(broker(1), LAG_MS, 0, view(0, isr), ends, &mut effects);
        Rig { leader, effects }
    }

    fn report(&mut self, now_ms: i64, id: i32, durable_end: i64) -> Result<(), ReportError> {
        let report = FollowerReport {
            broker_id: broker(id),
            broker_epoch: BrokerEpoch::new(10 + i64::from(id)),
            durable_end: Offset::new(durable_end),
        };
        self.leader.on_report(now_ms, report, &mut self.effects)
    }

    fn write(&mut self, end: i64) {
        self.leader.on_append(Offset::new(end));
        let durable_end = Offset::new(end);
        self.leader.on_durable(durable_end, &mut self.effects);
    }

    fn tick(&mut self, now_ms: i64) {
        self.leader.on_tick(now_ms, &mut self.effects);
    }

    fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    fn proposed(&mut self) -> Option<Vec<i32>> {
        let effects = self.take();
        let proposals = effects.into_iter().filter_map(|effect| match effect {
            Effect::Propose(proposal) => Some(proposal),
            Effect::HighWatermark(_) => None,
        });
        let ids = |it: ProposedIsr| it.isr.iter().map(|(id, _)| id.get()).collect();
        proposals.map(ids).next_back()
    }

    fn committed(&self) -> i64 {
        self.leader.high_watermark().get()
    }
}

#[test]
fn what_the_whole_isr_has_on_its_disks_is_committed() {
    let mut rig = Rig::new(&[1, 2, 3]);
    assert_eq!(rig.committed(), 5, "nobody has spoken");
    rig.report(0, 2, 10).expect("a replica");
    assert_eq!(rig.committed(), 5);
    rig.report(0, 3, 7).expect("a replica");
    assert_eq!(rig.take(), [Effect::HighWatermark(Offset::new(7))]);
    rig.report(0, 3, 10).expect("a replica");
    // Its own disk counts as any other.
    rig.leader.on_append(Offset::new(20));
    rig.report(1, 2, 20).expect("a replica");
    rig.report(1, 3, 20).expect("a replica");
    assert_eq!(rig.committed(), 10);
    let durable_end = Offset::new(15);
    rig.leader.on_durable(durable_end, &mut rig.effects);
    assert_eq!(rig.committed(), 15);
}

#[test]
fn reports_of_others_and_of_more_than_there_is_do_not_count() {
    let mut rig = Rig::new(&[1, 2]);
    assert_eq!(rig.report(0, 4, 5), Err(ReportError::UnknownReplica));
    assert_eq!(rig.report(0, 2, 11), Err(ReportError::BeyondEnd));
    let other_life = FollowerReport {
        broker_id: broker(2),
        broker_epoch: BrokerEpoch::new(1),
        durable_end: Offset::new(10),
    };
    let refused = rig.leader.on_report(0, other_life, &mut rig.effects);
    assert_eq!(refused, Err(ReportError::OtherLife));
    assert_eq!(rig.committed(), 5);
    // Of two that were overtaken by each other, the greater.
    rig.report(0, 2, 9).expect("a replica");
    rig.report(0, 2, 8).expect("a replica");
    assert_eq!(rig.committed(), 9);
}

#[test]
fn an_isr_that_is_too_small_commits_nothing() {
    let mut rig = Rig::new(&[1]);
    rig.write(30);
    assert_eq!((rig.committed(), rig.leader.can_commit()), (5, false));
    rig.report(0, 2, 10).expect("a replica");
    assert_eq!(rig.proposed(), Some(vec![1, 2]));
    assert_eq!(rig.committed(), 5, "it is proposed, and not committed");
    rig.leader.on_view(view(1, &[1, 2]), &mut rig.effects);
    assert_eq!(rig.committed(), 10);
}

#[test]
fn whom_a_proposal_would_add_counts_already() {
    let mut rig = Rig::new(&[1, 2]);
    rig.report(0, 2, 10).expect("a replica");
    assert_eq!(rig.committed(), 10);
    rig.report(0, 3, 10).expect("a replica");
    assert_eq!(rig.proposed(), Some(vec![1, 2, 3]));
    rig.write(20);
    rig.report(1, 2, 20).expect("a replica");
    assert_eq!(rig.committed(), 10, "3 may be in the ISR already");
    let refused = ProposedIsr {
        leader_epoch: LeaderEpoch::new(4),
        partition_epoch: PartitionEpoch::new(0),
        isr: (1..=3)
            .map(|id| (broker(id), BrokerEpoch::new(10 + i64::from(id))))
            .collect(),
    };
    rig.leader.on_refused(&refused);
    rig.report(2, 2, 20).expect("a replica");
    assert_eq!(rig.committed(), 20);
}

#[test]
fn who_lacks_what_is_committed_or_what_was_there_at_first_stays_out() {
    let mut rig = Rig::new(&[1, 2]);
    rig.report(0, 3, 9).expect("a replica");
    assert_eq!(rig.proposed(), None, "the leadership began at 10");
    rig.report(0, 2, 10).expect("a replica");
    rig.write(30);
    rig.report(0, 2, 25).expect("a replica");
    rig.report(0, 3, 20).expect("a replica");
    assert_eq!(rig.proposed(), None, "25 are committed");
    rig.report(0, 3, 25).expect("a replica");
    assert_eq!(rig.proposed(), Some(vec![1, 2, 3]));
}

#[test]
fn who_has_not_followed_for_too_long_leaves_and_who_follows_at_a_distance_stays() {
    let mut rig = Rig::new(&[1, 2, 3]);
    rig.report(0, 2, 10).expect("a replica");
    rig.report(0, 3, 10).expect("a replica");
    // 2 has each time what the leader had the time before; 3 is stuck.
    for round in 1..=5 {
        let end = 10 + round * 10;
        rig.write(end);
        rig.report(round * 1_000, 2, end - 10).expect("a replica");
        rig.report(round * 1_000, 3, 11).expect("a replica");
        if round < 3 {
            rig.tick(round * 1_000);
            assert_eq!(rig.proposed(), None);
        }
    }
    rig.tick(5_000);
    assert_eq!(rig.proposed(), Some(vec![1, 2]));
    assert_eq!(
        rig.committed(),
        11,
        "until the controller says so, it counts"
    );
    rig.tick(9_000);
    assert_eq!(rig.proposed(), None, "one proposal at a time");
    rig.leader.on_view(view(1, &[1, 2]), &mut rig.effects);
    assert_eq!(rig.committed(), 50);
}

#[test]
fn who_is_silent_while_nothing_is_written_stays() {
    let mut rig = Rig::new(&[1, 2]);
    rig.report(0, 2, 10).expect("a replica");
    rig.tick(60_000);
    assert_eq!(rig.proposed(), None);
    // And one that has not spoken at all does not.
    let mut rig = Rig::new(&[1, 2, 3]);
    rig.report(0, 2, 10).expect("a replica");
    rig.tick(LAG_MS + 1);
    assert_eq!(rig.proposed(), Some(vec![1, 2]));
}

#[test]
fn who_is_short_of_space_is_waited_for_a_quarter_as_long() {
    let mut rig = Rig::new(&[1, 2, 3]);
    let short = PartitionView {
        short_of_space: BTreeSet::from([broker(2), broker(3)]),
        ..view(0, &[1, 2, 3])
    };
    rig.leader.on_view(short, &mut rig.effects);
    for id in [2, 3] {
        rig.report(0, id, 10).expect("a replica");
    }
    rig.tick(60_000);
    assert_eq!(rig.proposed(), None, "both have all there is");
    rig.write(11);
    rig.report(60_100, 2, 11).expect("a replica");
    rig.tick(60_000 + LAG_MS / 4);
    assert_eq!(rig.proposed(), None);
    rig.tick(60_001 + LAG_MS / 4);
    assert_eq!(rig.proposed(), Some(vec![1, 2]));
}

#[test]
fn another_life_of_a_follower_begins_with_nothing() {
    let mut rig = Rig::new(&[1, 2, 3]);
    rig.report(0, 2, 10).expect("a replica");
    let mut next = view(1, &[1, 2, 3]);
    next.live.insert(broker(2), BrokerEpoch::new(99));
    rig.leader.on_view(next, &mut rig.effects);
    assert_eq!(rig.leader.durable_end_of(broker(2)), None);
    rig.report(0, 3, 10).expect("a replica");
    assert_eq!(rig.committed(), 5, "2 has to speak again");
}

/// Who would be elected has to have everything: as long as the controller has somebody in mind who need not be in sync, nothing is committed, even if
/// `min.insync.replicas` is lower by now.
#[test]
fn nothing_is_committed_while_another_may_be_elected() {
    let mut rig = Rig::new(&[1, 2]);
    assert_eq!(rig.report(0, 2, 10), Ok(()));
    assert_eq!(rig.leader.high_watermark(), Offset::new(10));
    let mut alone = PartitionView {
        min_insync_replicas: 1,
        has_elr: true,
        ..view(1, &[1])
    };
    alone.live.retain(|id, _| *id == broker(1));
    rig.leader.on_view(alone.clone(), &mut rig.effects);
    assert!(!rig.leader.can_commit());
    rig.effects.clear();
    rig.leader.on_append(Offset::new(11));
    rig.leader.on_durable(Offset::new(11), &mut rig.effects);
    assert_eq!(rig.effects, []);
    // It asks for another decision, and again when nothing has come of it.
    for now_ms in [1, 2] {
        rig.leader.on_tick(now_ms, &mut rig.effects);
        let [Effect::Propose(proposed)] = &rig.effects[..] else {
            panic!("{:?}", rig.effects);
        };
        assert_eq!(proposed.isr, [(broker(1), BrokerEpoch::new(11))]);
        let proposed = proposed.clone();
        rig.leader.on_refused(&proposed);
        rig.effects.clear();
    }
    let decided = PartitionView {
        partition_epoch: PartitionEpoch::new(2),
        has_elr: false,
        ..alone
    };
    rig.leader.on_view(decided, &mut rig.effects);
    assert_eq!(rig.leader.high_watermark(), Offset::new(11));
}

#[test]
fn who_had_all_there_was_for_long_is_not_behind_at_once() {
    let mut rig = Rig::new(&[1, 2]);
    rig.report(0, 2, 10).expect("a replica");
    for at_ms in (0..60_000).step_by(500) {
        rig.tick(at_ms);
    }
    rig.write(11);
    rig.tick(60_010);
    assert_eq!(rig.proposed(), None, "it has had 10 ms");
    rig.tick(61_400);
    assert_eq!(rig.proposed(), None);
    rig.tick(61_600);
    assert_eq!(rig.proposed(), Some(vec![1]));
}

#[test]
fn a_leader_is_abandoned_once_it_hears_neither_the_controller_nor_its_isr() {
    let mut rig = Rig::new(&[1, 2]);
    rig.report(0, 2, 10).expect("a replica");
    rig.tick(1_000);
    rig.write(11);
    let is_abandoned =
        |rig: &Rig, now_ms, answered_ms| rig.leader.is_abandoned(now_ms, answered_ms, 1_500);
    assert!(
        !is_abandoned(&rig, 2_000, 0),
        "the ISR was there a second ago"
    );
    assert!(is_abandoned(&rig, 2_600, 0));
    assert!(
        !is_abandoned(&rig, 2_600, 2_000),
        "the controller would have said so"
    );
    rig.report(2_600, 2, 11).expect("a replica");
    assert!(
        !is_abandoned(&rig, 2_600, 0),
        "nobody else leads what the ISR follows"
    );
    let alone = Rig::new(&[1]);
    assert!(is_abandoned(&alone, 2_600, 0), "it can commit nothing");
}

#[test]
fn who_follows_another_leader_is_its_successor_for_a_while() {
    let rig = Rig::new(&[1, 2]);
    assert!(rig.leader.is_successor(0) && rig.leader.is_successor(59_999));
    assert!(!rig.leader.is_successor(60_000));
    for (leader_epoch, has_others) in [(0, true), (4, false)] {
        let view = PartitionView {
            leader_epoch: LeaderEpoch::new(leader_epoch),
            has_others,
            ..view(0, &[1])
        };
        let ends = LogEnds {
            high_watermark: Offset::ZERO,
            durable_end: Offset::ZERO,
            end: Offset::ZERO,
        };
        let first = Leader::new(broker(1), LAG_MS, 0, view, ends, &mut Vec::new());
        assert!(!first.is_successor(0), "nobody led before");
    }
}
