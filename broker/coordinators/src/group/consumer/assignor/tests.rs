//! What assignors promise, for random groups.

use proptest::prelude::*;

use super::*;
use crate::group::cluster::TopicView;

/// Racks by partition, the same for all topics.
#[derive(Debug, Default)]
struct Racks(Vec<&'static str>);

impl Cluster for Racks {
    fn version(&self) -> usize {
        0
    }

    fn topic(&self, _: &str) -> Option<TopicView> {
        None
    }

    fn name(&self, _: Uuid) -> Option<Arc<str>> {
        None
    }

    fn names(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    fn racks(&self, (_, partition): TopicPartition) -> Vec<Arc<str>> {
        let rack = usize::try_from(partition)
            .ok()
            .and_then(|it| self.0.get(it));
        rack.into_iter().map(|rack| (*rack).into()).collect()
    }

    fn group_setting(&self, _: &str, _: &str) -> Option<i32> {
        None
    }
}

fn topic(number: u128) -> Uuid {
    Uuid::from_u128(number + 1)
}

fn member(id: usize, topics: &[u128]) -> MemberSpec {
    MemberSpec {
        id: format!("m{id:03}").into(),
        instance: None,
        rack: None,
        topics: Arc::new(topics.iter().map(|number| topic(*number)).collect()),
        target: Arc::default(),
    }
}

fn run(
    assignor: Assignor,
    topics: &BTreeMap<Uuid, i32>,
    members: &[MemberSpec],
    cluster: &dyn Cluster,
) -> Vec<BTreeSet<TopicPartition>> {
    assignor.assign(&Spec {
        topics,
        members,
        cluster,
    })
}

/// Takes a target over.
fn adopt(members: &mut [MemberSpec], targets: &[BTreeSet<TopicPartition>]) {
    for (member, target) in members.iter_mut().zip(targets) {
        member.target = Arc::new(target.clone());
    }
}

fn numbers(target: &BTreeSet<TopicPartition>) -> Vec<i32> {
    target.iter().map(|(_, partition)| *partition).collect()
}

/// Everything that somebody is subscribed to is somebody's who is, and nobody else's.
fn check(
    topics: &BTreeMap<Uuid, i32>,
    members: &[MemberSpec],
    targets: &[BTreeSet<TopicPartition>],
) {
    assert_eq!(members.len(), targets.len());
    let mut seen = BTreeSet::new();
    for (member, target) in members.iter().zip(targets) {
        for partition in target {
            assert!(member.topics.contains(&partition.0), "not subscribed");
            assert!(
                (0..topics[&partition.0]).contains(&partition.1),
                "no such partition"
            );
            assert!(seen.insert(*partition), "assigned twice");
        }
    }
    let wanted = topics.iter().filter(|(topic, _)| {
        let mut members = members.iter();
        members.any(|member| member.topics.contains(*topic))
    });
    let wanted: i32 = wanted.map(|(_, partitions)| *partitions).sum();
    assert_eq!(
        i32::try_from(seen.len()),
        Ok(wanted),
        "something is nobody's"
    );
}

#[test]
fn range_gives_rows_and_the_same_numbers_of_topics_alike() {
    let topics = [(topic(0), 7), (topic(1), 7)].into();
    let members: Vec<_> = (0..3).map(|id| member(id, &[0, 1])).collect();
    let targets = run(Assignor::Range, &topics, &members, &Racks::default());
    check(&topics, &members, &targets);
    let of_both = |row: &[i32]| [row, row].concat();
    assert_eq!(numbers(&targets[0]), of_both(&[0, 1, 2]));
    assert_eq!(numbers(&targets[1]), of_both(&[3, 4]));
    assert_eq!(numbers(&targets[2]), of_both(&[5, 6]));
}

#[test]
fn range_has_static_members_in_the_order_of_their_instances() {
    let topics = [(topic(0), 3)].into();
    let mut members: Vec<_> = (0..3).map(|id| member(id, &[0])).collect();
    members[2].instance = Some("a".into());
    members[1].instance = Some("b".into());
    let targets = run(Assignor::Range, &topics, &members, &Racks::default());
    let places: Vec<_> = targets.iter().map(numbers).collect();
    assert_eq!(places, [[2], [1], [0]]);
}

#[test]
fn both_prefer_members_near_a_replica() {
    let topics = [(topic(0), 4)].into();
    let cluster = Racks(vec!["x", "y", "x", "y"]);
    let mut members: Vec<_> = (0..2).map(|id| member(id, &[0])).collect();
    members[0].rack = Some("y".into());
    members[1].rack = Some("x".into());
    for assignor in ASSIGNORS {
        let targets = run(assignor, &topics, &members, &cluster);
        check(&topics, &members, &targets);
        assert_eq!(numbers(&targets[0]), [1, 3], "{assignor:?}");
        assert_eq!(numbers(&targets[1]), [0, 2], "{assignor:?}");
    }
    // Also where subscriptions differ.
    members.push(member(2, &[]));
    let targets = run(Assignor::Uniform, &topics, &members, &cluster);
    check(&topics, &members, &targets);
    assert_eq!(numbers(&targets[0]), [1, 3]);
}

#[test]
fn uniform_moves_no_more_than_it_has_to() {
    let topics = [(topic(0), 6)].into();
    let mut members: Vec<_> = (0..2).map(|id| member(id, &[0])).collect();
    let before = run(Assignor::Uniform, &topics, &members, &Racks::default());
    adopt(&mut members, &before);
    members.push(member(2, &[0]));
    let after = run(Assignor::Uniform, &topics, &members, &Racks::default());
    check(&topics, &members, &after);
    for at in 0..2 {
        assert_eq!(after[at].len(), 2);
        assert!(
            after[at].is_subset(&before[at]),
            "something moved for nothing"
        );
    }
    adopt(&mut members, &after);
    members.remove(0);
    let last = run(Assignor::Uniform, &topics, &members, &Racks::default());
    check(&topics, &members, &last);
    assert!(after[1].is_subset(&last[0]) && after[2].is_subset(&last[1]));
}

#[derive(Clone, Debug)]
struct Group {
    partitions: Vec<i32>,
    subscriptions: Vec<Vec<u128>>,
    later: Vec<Vec<u128>>,
}

fn group() -> impl Strategy<Value = Group> {
    let partitions = prop::collection::vec(0..9i32, 1..5);
    partitions.prop_flat_map(|partitions| {
        let count = u128::try_from(partitions.len()).expect("few");
        let subscription = || prop::collection::vec(0..count, 0..5);
        let members = || prop::collection::vec(subscription(), 1..8);
        (Just(partitions), members(), members()).prop_map(|(partitions, subscriptions, later)| {
            Group {
                partitions,
                subscriptions,
                later,
            }
        })
    })
}

fn spread(targets: &[BTreeSet<TopicPartition>]) -> usize {
    let loads = targets.iter().map(BTreeSet::len);
    loads.clone().max().unwrap_or(0) - loads.min().unwrap_or(0)
}

proptest! {
    #[test]
    fn all_is_assigned_once_to_who_wants_it(group in group()) {
        let topics: BTreeMap<Uuid, i32> = group
            .partitions
            .iter()
            .zip(0..)
            .map(|(partitions, number)| (topic(number), *partitions))
            .collect();
        let of = |subscriptions: &[Vec<u128>]| -> Vec<MemberSpec> {
            let members = subscriptions.iter().enumerate();
            members.map(|(id, topics)| member(id, topics)).collect()
        };
        for assignor in ASSIGNORS {
            let mut members = of(&group.subscriptions);
            let targets = run(assignor, &topics, &members, &Racks::default());
            check(&topics, &members, &targets);
            adopt(&mut members, &targets);
            let again = run(assignor, &topics, &members, &Racks::default());
            prop_assert_eq!(&again, &targets, "it moves without a reason");
            // Others come, and subscriptions change.
            let mut later = of(&group.later);
            for (member, before) in later.iter_mut().zip(&members) {
                member.target = Arc::clone(&before.target);
            }
            let targets = run(assignor, &topics, &later, &Racks::default());
            check(&topics, &later, &targets);
        }
        let all: Vec<u128> = (0..u128::try_from(topics.len()).expect("few")).collect();
        let alike: Vec<_> = (0..group.later.len()).map(|id| member(id, &all)).collect();
        let targets = run(Assignor::Uniform, &topics, &alike, &Racks::default());
        prop_assert!(spread(&targets) <= 1, "not balanced");
    }
}
