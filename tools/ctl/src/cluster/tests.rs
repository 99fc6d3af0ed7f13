use super::*;

fn broker(id: i32) -> BrokerFacts {
    BrokerFacts {
        id,
        address: format!("host:{id}"),
        is_fenced: Some(false),
        answers: true,
        ..BrokerFacts::default()
    }
}

fn partition(number: i32, replicas: &[i32]) -> PartitionFacts {
    PartitionFacts {
        name: PartitionName {
            topic: "t".to_owned(),
            partition: number,
        },
        leader: replicas.first().copied(),
        replicas: replicas.to_vec(),
        isr: replicas.to_vec(),
        min_insync_replicas: Some(2),
        ..PartitionFacts::default()
    }
}

fn voter(id: i32) -> QuorumMember {
    QuorumMember {
        id,
        is_caught_up: true,
        ..QuorumMember::default()
    }
}

/// Three brokers that vote, three partitions with three replicas each.
fn well() -> Facts {
    Facts {
        brokers: [1, 2, 3].map(broker).to_vec(),
        quorum: Some(QuorumFacts {
            leader: 1,
            voters: [1, 2, 3].map(voter).to_vec(),
            observers: Vec::new(),
        }),
        topics: 1,
        partitions: vec![
            partition(0, &[1, 2, 3]),
            partition(1, &[2, 3, 1]),
            partition(2, &[3, 1, 2]),
        ],
        ..Facts::default()
    }
}

/// Broker 3 is gone, and everybody knows.
fn without_3() -> Facts {
    let mut facts = well();
    facts.brokers[2].answers = false;
    facts.brokers[2].is_fenced = Some(true);
    for partition in &mut facts.partitions {
        partition.isr.retain(|id| *id != 3);
        partition.leader = partition.isr.first().copied();
        partition.offline_replicas = vec![3];
    }
    if let Some(quorum) = &mut facts.quorum {
        quorum.voters[2].is_caught_up = false;
    }
    facts
}

fn of_first(change: impl FnOnce(&mut PartitionFacts)) -> Status {
    let mut facts = well();
    change(&mut facts.partitions[0]);
    status(&facts, 10)
}

#[test]
fn where_all_is_well_there_is_nothing_to_say() {
    let status = status(&well(), 10);
    assert!(status.is_healthy);
    assert!(status.problems.is_empty() && status.unhealthy_partitions.is_empty());
    let text = report::status(&status, false);
    assert!(
        text.starts_with("healthy: 3 brokers, 1 topics, 3 partitions"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 7, "{text}");
}

#[test]
fn each_problem_of_a_partition_is_named() {
    use PartitionProblem as Is;
    let problems = |status: &Status| {
        let first = status.unhealthy_partitions.first();
        first.map_or_else(Vec::new, |it| it.problems.clone())
    };
    let no_leader = of_first(|it| it.leader = None);
    assert_eq!(problems(&no_leader), [Is::NoLeader]);
    let behind = of_first(|it| it.isr = vec![1, 2]);
    assert_eq!(problems(&behind), [Is::UnderReplicated]);
    let few = of_first(|it| {
        it.isr = vec![1];
        it.eligible_leader_replicas = vec![2];
        it.offline_replicas = vec![3];
    });
    let all = [
        Is::UnderMinIsr,
        Is::HasElr,
        Is::OfflineReplica,
        Is::UnderReplicated,
    ];
    assert_eq!(problems(&few), all);
    assert!(![no_leader, behind, few].iter().any(|it| it.is_healthy));
    // What is on its way or led by another is listed, and well.
    let moving = of_first(|it| {
        it.replicas.push(4);
        it.adding = vec![4];
    });
    assert_eq!(problems(&moving), [Is::Reassigning]);
    let other = of_first(|it| it.leader = Some(2));
    assert_eq!(problems(&other), [Is::NotPreferredLeader]);
    assert!(other.is_healthy);
}

#[test]
fn a_partition_never_needs_more_in_sync_than_it_has_replicas() {
    let alone = of_first(|it| {
        it.replicas = vec![1];
        it.isr = vec![1];
    });
    assert!(alone.is_healthy, "{alone:#?}");
}

#[test]
fn a_broker_that_is_gone_is_a_problem() {
    let status = status(&without_3(), 2);
    assert!(!status.is_healthy);
    assert_eq!(
        status.problems,
        [
            "broker 3 (host:3) is fenced",
            "broker 3 (host:3) does not answer",
            "voter 3 of the metadata quorum is gone or behind (lag 0)",
        ]
    );
    assert_eq!(status.unhealthy_partitions.len(), 2);
    assert_eq!(status.partitions_left_out, 1);
    let under = PartitionProblem::UnderReplicated;
    assert_eq!(status.partition_problems[&under], 3);
    let text = report::status(&status, false);
    assert!(text.contains("... and 1 more (--all)"), "{text}");
    let mut facts = well();
    facts.brokers.pop();
    let unknown = super::status(&facts, 10);
    let gone = "broker 3 is not there, and should have replicas of 3 partitions";
    assert_eq!(unknown.problems, [gone]);
}

#[test]
fn one_of_three_may_be_stopped_and_then_none() {
    for id in 1..=3 {
        let verdict = safe_to_stop(&well(), id, 10).expect("a broker");
        assert!(verdict.is_safe, "{verdict:#?}");
    }
    let verdict = safe_to_stop(&without_3(), 1, 2).expect("a broker");
    assert!(!verdict.is_safe);
    assert!(verdict.offline.is_empty());
    assert_eq!(verdict.under_min_isr.len(), 2);
    assert_eq!(verdict.under_min_isr_left_out, 1);
    let text = report::safe_to_stop(&verdict);
    assert!(
        text.contains("  t: 0-1\n  ... and 1 more (--all)\n"),
        "{text}"
    );
    assert!(verdict.quorum.is_some(), "{verdict:#?}");
    // The one that is gone takes nothing with it.
    let verdict = safe_to_stop(&without_3(), 3, 2).expect("a broker");
    assert!(verdict.is_safe && !verdict.is_up, "{verdict:#?}");
    assert!(safe_to_stop(&well(), 4, 10).is_err());
}

#[test]
fn a_broker_that_does_not_answer_counts_for_nothing_though_nobody_else_has_noticed() {
    let mut facts = well();
    facts.brokers[2].answers = false;
    let verdict = safe_to_stop(&facts, 1, 10).expect("a broker");
    assert_eq!(verdict.under_min_isr.len(), 3);
}

#[test]
fn the_only_one_in_sync_is_never_stopped() {
    let mut facts = well();
    facts.partitions[1].isr = vec![2];
    facts.partitions[1].min_insync_replicas = Some(1);
    let verdict = safe_to_stop(&facts, 2, 10).expect("a broker");
    assert_eq!(verdict.offline, [facts.partitions[1].name.clone()]);
    let text = report::safe_to_stop(&verdict);
    assert!(
        text.contains("nobody could lead: 1 partitions\n  t: 1\n"),
        "{text}"
    );
    assert!(safe_to_stop(&facts, 1, 10).expect("a broker").is_safe);
}

#[test]
fn what_is_not_known_is_not_safe() {
    let mut facts = well();
    facts.quorum = None;
    assert!(!safe_to_stop(&facts, 1, 10).expect("a broker").is_safe);
    let mut facts = well();
    facts.partitions[0].min_insync_replicas = None;
    let verdict = safe_to_stop(&facts, 1, 10).expect("a broker");
    assert_eq!(verdict.unknown, ["min.insync.replicas of t"]);
    assert!(!verdict.is_safe);
}

#[test]
fn a_broker_without_a_vote_is_none_of_the_quorum() {
    let mut facts = without_3();
    facts.brokers.push(broker(4));
    let verdict = safe_to_stop(&facts, 4, 10).expect("a broker");
    assert!(verdict.is_safe, "{verdict:#?}");
}
