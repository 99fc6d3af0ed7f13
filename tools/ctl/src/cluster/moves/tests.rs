use super::super::facts::BrokerFacts;
use super::*;

fn facts(racks: &[Option<&str>], partitions: &[&[i32]]) -> Facts {
    let brokers = racks.iter().zip(1..).map(|(rack, id)| BrokerFacts {
        id,
        rack: rack.map(str::to_owned),
        answers: true,
        is_fenced: Some(false),
        ..BrokerFacts::default()
    });
    let partitions = partitions
        .iter()
        .zip(0..)
        .map(|(replicas, partition)| PartitionFacts {
            name: PartitionName {
                topic: "t".to_owned(),
                partition,
            },
            replicas: replicas.to_vec(),
            isr: replicas.to_vec(),
            ..PartitionFacts::default()
        });
    Facts {
        brokers: brokers.collect(),
        partitions: partitions.collect(),
        ..Facts::default()
    }
}

fn counts(facts: &Facts, moves: &[Move]) -> BTreeMap<i32, usize> {
    let mut counts: BTreeMap<i32, usize> = facts.brokers.iter().map(|it| (it.id, 0)).collect();
    for partition in &facts.partitions {
        let moved = moves.iter().find(|it| it.partition == partition.name);
        let replicas = moved.map_or(&partition.replicas, |it| &it.to);
        let distinct: BTreeSet<_> = replicas.iter().collect();
        assert_eq!(distinct.len(), replicas.len(), "{replicas:?}");
        for id in replicas {
            *counts.get_mut(id).expect("a broker that is there") += 1;
        }
    }
    counts
}

#[test]
fn who_leaves_has_nothing_and_the_rest_share_it() {
    let facts = facts(
        &[None; 5],
        &[&[1, 2, 3], &[4, 5, 1], &[2, 4, 5], &[5, 1, 2], &[3, 2, 1]],
    );
    let moves = drain(&facts, &BTreeSet::from([4, 5])).expect("three are left");
    let counts = counts(&facts, &moves);
    assert_eq!(
        counts,
        BTreeMap::from([(1, 5), (2, 5), (3, 5), (4, 0), (5, 0)])
    );
    // Places among the replicas stay.
    let first = &moves[0];
    assert_eq!((first.partition.partition, first.to[2]), (1, 1));
    assert!(moves.iter().all(|it| it.from != it.to));
    assert!(
        !moves
            .iter()
            .any(|it| [0, 4].contains(&it.partition.partition))
    );
}

#[test]
fn what_has_no_place_is_refused_before_anything_moves() {
    let mut facts = facts(&[None; 3], &[&[1, 2, 3]]);
    let refused = drain(&facts, &BTreeSet::from([3])).expect_err("two are left");
    assert!(
        refused.to_string().starts_with("t-0 has 3 replicas"),
        "{refused}"
    );
    let refused = drain(&facts, &BTreeSet::from([9])).expect_err("who is that");
    assert_eq!(refused.to_string(), "there is no broker 9");
    // One that is not up takes nothing.
    facts.partitions[0].replicas = vec![1, 2];
    facts.brokers[2].answers = false;
    drain(&facts, &BTreeSet::from([2])).expect_err("nobody can take it");
}

#[test]
fn replicas_go_to_racks_that_have_none() {
    let racks = [Some("a"), Some("a"), Some("b"), Some("b"), Some("c")];
    // Broker 4 has less than 2, but is in the rack of 3.
    let facts = facts(&racks, &[&[1, 3, 5], &[2, 3, 5], &[2, 3, 5]]);
    let moves = drain(&facts, &BTreeSet::from([1])).expect("there is room");
    assert_eq!(moves[0].to, [2, 3, 5]);
}

#[test]
fn new_brokers_get_their_share_with_as_few_moves_as_it_takes() {
    let all: Vec<&[i32]> = vec![&[1, 2, 3], &[2, 3, 1], &[3, 1, 2]];
    let all = [all.clone(), all.clone(), all.clone(), all].concat();
    let facts = facts(&[None; 5], &all);
    let moves = rebalance(&facts);
    let counts = counts(&facts, &moves);
    assert!(
        counts.values().all(|count| (7..=8).contains(count)),
        "{counts:?}"
    );
    let moved = |it: &Move| {
        it.to
            .iter()
            .zip(&it.from)
            .filter(|(to, from)| to != from)
            .count()
    };
    assert_eq!(moves.iter().map(moved).sum::<usize>(), 14);
    let leads = |id: i32| {
        let firsts = facts.partitions.iter().map(|partition| {
            let moved = moves.iter().find(|it| it.partition == partition.name);
            moved.map_or(partition.replicas[0], |it| it.to[0])
        });
        firsts.filter(|first| *first == id).count()
    };
    let leads: Vec<usize> = (1..=5).map(leads).collect();
    assert!(
        leads.iter().all(|count| (1..=4).contains(count)),
        "{leads:?}"
    );
    assert_eq!(
        rebalance(&facts_after(&facts, &moves)),
        [],
        "once is enough"
    );
}

fn facts_after(facts: &Facts, moves: &[Move]) -> Facts {
    let mut after = facts.clone();
    for partition in &mut after.partitions {
        let moved = moves.iter().find(|it| it.partition == partition.name);
        if let Some(moved) = moved {
            partition.replicas = moved.to.clone();
        }
    }
    after
}

#[test]
fn no_rack_gets_more_of_a_partition_for_evenness() {
    // Broker 3 has nothing, and is in the rack of 2, which has one replica of everything.
    let racks = [Some("a"), Some("b"), Some("b")];
    let facts = facts(&racks, &[&[1, 2], &[1, 2], &[1, 2], &[1, 2]]);
    let moves = rebalance(&facts);
    assert_eq!(
        counts(&facts, &moves),
        BTreeMap::from([(1, 4), (2, 2), (3, 2)])
    );
    for it in &moves {
        assert_eq!(it.to[0], 1, "{it:?}");
    }
}

#[test]
fn what_is_under_way_counts_as_done() {
    let mut facts = facts(&[None; 3], &[&[1, 2, 3]]);
    // 3 comes in the place of 2.
    facts.partitions[0].removing = vec![2];
    facts.partitions[0].adding = vec![3];
    let moves = drain(&facts, &BTreeSet::from([2])).expect("nothing to do");
    assert_eq!(moves, []);
}
