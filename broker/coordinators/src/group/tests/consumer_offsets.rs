//! Offsets of groups of the consumer protocol.

use super::consumer::{beat, first, owning};
use super::*;

#[test]
fn commits_and_reads_are_those_of_members_in_their_epoch() {
    let mut rig = rig();
    let topic = rig.topic("t", 2);
    rig.told(first("a"));
    let commit = |member: Option<&str>, epoch, partition, knows_epochs| CommitOffsets {
        group: "g".into(),
        member: member.map(Into::into),
        instance: None,
        generation: epoch,
        knows_epochs,
        retention_ms: None,
        topics: vec![CommitTopic {
            topic: "t".into(),
            partitions: vec![CommitPartition {
                partition,
                offset: 7,
                leader_epoch: None,
                metadata: "".into(),
            }],
        }],
    };
    let by = |epoch, partition| commit(Some("a"), Some(epoch), partition, true);
    assert_eq!(rig.ask(by(2, 0)), Ok(vec![ErrorCode::None]));
    assert_eq!(rig.ask(by(3, 0)), Err(ErrorCode::StaleMemberEpoch));
    assert_eq!(rig.ask(by(1, 0)), Ok(vec![ErrorCode::StaleMemberEpoch]));
    assert_eq!(
        rig.ask(commit(Some("a"), Some(2), 0, false)),
        Err(ErrorCode::UnsupportedVersion)
    );
    assert_eq!(
        rig.ask(commit(Some("x"), Some(2), 0, true)),
        Err(ErrorCode::UnknownMemberId)
    );
    assert_eq!(
        rig.ask(commit(None, None, 0, true)),
        Err(ErrorCode::UnknownMemberId)
    );

    rig.pass(1_000);
    rig.told(first("b"));
    rig.told(beat("a", 2));
    assert_eq!(
        rig.ask(by(2, 1)),
        Ok(vec![ErrorCode::None]),
        "it still has it"
    );
    rig.told(owning("a", 2, topic, &[0]));
    rig.told(beat("b", 3));
    // In an epoch before: where it has it still, and not where somebody else may.
    assert_eq!(rig.ask(by(2, 0)), Ok(vec![ErrorCode::None]));
    assert_eq!(rig.ask(by(2, 1)), Ok(vec![ErrorCode::StaleMemberEpoch]));
    rig.reload();
    assert_eq!(rig.ask(by(2, 0)), Ok(vec![ErrorCode::None]));

    let fetch = |member: Option<(&str, i32)>| FetchOffsets {
        group: "g".into(),
        member: member.map(|(member, epoch)| (member.into(), epoch)),
        topics: None,
    };
    assert!(rig.ask(fetch(None)).is_ok());
    assert!(rig.ask(fetch(Some(("a", 3)))).is_ok());
    assert_eq!(
        rig.ask(fetch(Some(("a", 2)))),
        Err(ErrorCode::StaleMemberEpoch)
    );
    assert_eq!(
        rig.ask(fetch(Some(("x", 3)))),
        Err(ErrorCode::UnknownMemberId)
    );

    let delete = DeleteOffsets {
        group: "g".into(),
        topics: vec![("t".into(), vec![0]), ("other".into(), vec![0])],
    };
    let outcomes = [ErrorCode::GroupSubscribedToTopic, ErrorCode::None];
    assert_eq!(rig.ask(delete), Ok(outcomes.to_vec()));
    assert_eq!(
        rig.ask(DeleteGroup { group: "g".into() }),
        ErrorCode::NonEmptyGroup
    );
}

#[test]
fn offsets_of_topics_that_nobody_is_subscribed_to_expire_and_the_group_with_the_last() {
    let mut rig = rig();
    rig.topic("t", 1);
    rig.told(first("a"));
    let commit = CommitOffsets {
        group: "g".into(),
        member: Some("a".into()),
        instance: None,
        generation: Some(2),
        knows_epochs: true,
        retention_ms: None,
        topics: vec![CommitTopic {
            topic: "t".into(),
            partitions: vec![CommitPartition {
                partition: 0,
                offset: 7,
                leader_epoch: None,
                metadata: "".into(),
            }],
        }],
    };
    assert_eq!(rig.ask(commit), Ok(vec![ErrorCode::None]));
    let day = 24 * 3_600_000;
    for _ in 0..8 * 24 * 120 {
        rig.pass(30_000);
        rig.told(beat("a", 2));
    }
    let offsets = |rig: &Rig| {
        rig.coordinator
            .groups()
            .next()
            .map(|group| group.offsets().count())
    };
    assert_eq!(offsets(&rig), Some(1), "it is read");
    rig.told(beat("a", -1));
    rig.pass(day);
    assert_eq!(
        rig.state(),
        None,
        "it was committed a week ago, and nobody reads it"
    );
    rig.reload();
    assert_eq!(rig.state(), None);
}
