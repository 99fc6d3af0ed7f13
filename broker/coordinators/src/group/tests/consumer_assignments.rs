//! What a group's members are assigned, as far as it takes the whole coordinator.

use super::consumer::{beat, first};
use super::*;

#[test]
fn the_assignor_is_the_one_that_most_members_prefer() {
    let mut rig = rig();
    rig.topic("t", 4);
    let with = |member: &str, assignor: Option<&str>| ConsumerHeartbeat {
        assignor: assignor.map(Into::into),
        ..first(member)
    };
    rig.told(with("a", None));
    assert_eq!(rig.described().assignor, "uniform");
    rig.told(with("b", Some("range")));
    assert_eq!(rig.described().assignor, "range");
    rig.told(with("c", Some("uniform")));
    rig.told(with("d", Some("uniform")));
    assert_eq!(rig.described().assignor, "uniform");
}

#[test]
fn members_near_a_replica_are_preferred() {
    let mut rig = rig();
    rig.topic("t", 4);
    let in_rack = |member: &str, rack: &str| ConsumerHeartbeat {
        rack: Some(rack.into()),
        ..first(member)
    };
    rig.set("consumer.assignment.interval.ms", 1_000);
    // Somebody joins and leaves, so that the two are assigned at once.
    rig.told(first("x"));
    rig.told(in_rack("a", "r1"));
    rig.told(in_rack("b", "r0"));
    rig.told(beat("x", -1));
    rig.pass(1_000);
    let described = rig.described();
    let targets: Vec<_> = described
        .members
        .iter()
        .map(|member| (&*member.member, member.target[0].partitions.clone()))
        .collect();
    assert_eq!(targets, [("b", vec![0, 2]), ("a", vec![1, 3])]);
}

/// A group of 5,000 members and 10,000 partitions holds up others for as long as one of its heartbeats takes: what has to be done again for
/// each is little, and what is much is done once in an interval.
#[test]
fn a_large_group_is_assigned_in_little_work() {
    let mut rig = rig_with(GroupConfig {
        member_bytes_max: 64 << 20,
        ..GroupConfig::default()
    });
    rig.topic("t", 10_000);
    for number in 0..5_000 {
        rig.told(first(&format!("m{number}")));
    }
    let records = rig.log.len();
    assert!(
        records < 5_000 * 5,
        "each join wrote {} records",
        records / 5_000
    );
    rig.pass(1_000);
    let described = rig.described();
    assert!(
        described
            .members
            .iter()
            .all(|member| member.target[0].partitions.len() == 2)
    );
    assert!(
        rig.log.len() - records <= 5_001,
        "one record a member, and one for all"
    );
}
