mod machines;

use std::{collections::BTreeMap, net::IpAddr};

use protocol::wire::VersionRange;

use super::*;
use crate::{
    cluster::{
        BrokerFacts, DirectoryFacts, Facts, PartitionFacts, PartitionName, QuorumFacts,
        QuorumMember, Unanswered,
    },
    doctor::{AdminLook, BrokerLook, Clock, Diagnosis, GroupsLook, SeedLook, TopicLook, report},
};

const DESCRIBE_QUORUM: i16 = 55;
const NONE: [(&str, Severity); 0] = [];

fn ip(text: &str) -> Vec<IpAddr> {
    vec![text.parse().expect("an address")]
}

fn broker(id: i32) -> BrokerFacts {
    BrokerFacts {
        id,
        address: format!("10.0.0.{id}:9092"),
        rack: Some(format!("rack-{id}")),
        is_fenced: Some(false),
        answers: true,
        problems: Vec::new(),
        directories: vec![DirectoryFacts {
            path: "/data".to_owned(),
            error: None,
            usable_bytes: Some(500),
            total_bytes: Some(1_000),
        }],
    }
}

fn partition(number: i32, replicas: &[i32]) -> PartitionFacts {
    PartitionFacts {
        name: PartitionName {
            topic: "orders".to_owned(),
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

/// Three brokers in three racks, that were asked over a network.
fn well() -> Snapshot {
    let facts = Facts {
        controller: Some(1),
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
    };
    let look = |id: i32| BrokerLook {
        addresses: ip(&format!("10.0.0.{id}")),
        unresolved: None,
        versions: BTreeMap::from([(0, VersionRange::new(0, 13))]),
    };
    Snapshot {
        seeds: vec![SeedLook {
            address: "10.0.0.1:9092".to_owned(),
            addresses: ip("10.0.0.1"),
            error: None,
        }],
        facts: Some(facts),
        brokers: (1..=3).map(|id| (id, look(id))).collect(),
        topics: BTreeMap::from([(
            "orders".to_owned(),
            TopicLook {
                durability: Some("fsync".to_owned()),
                is_unclean: false,
            },
        )]),
        groups: Some(GroupsLook::default()),
        admins: vec![AdminLook {
            address: "10.0.0.1:9644".to_owned(),
            metrics: "holdfast_io_engine{engine=\"uring\",fallback_reason=\"\"} 1\n".to_owned(),
            ..AdminLook::default()
        }],
        clocks: vec![Clock {
            of: "broker 1".to_owned(),
            ahead_ms: 20,
        }],
        unanswered: Vec::new(),
    }
}

/// What is not well, and how bad it is.
fn found(snapshot: &Snapshot) -> Vec<(&'static str, Severity)> {
    let found = findings(snapshot).into_iter();
    let found = found.filter(|it| it.severity != Severity::Ok);
    found.map(|it| (it.check, it.severity)).collect()
}

fn facts(snapshot: &mut Snapshot) -> &mut Facts {
    snapshot.facts.as_mut().expect("facts")
}

fn with(change: impl FnOnce(&mut Snapshot)) -> Vec<(&'static str, Severity)> {
    let mut snapshot = well();
    change(&mut snapshot);
    found(&snapshot)
}

fn with_facts(change: impl FnOnce(&mut Facts)) -> Vec<(&'static str, Severity)> {
    with(|it| change(facts(it)))
}

#[test]
fn where_all_is_well_everything_is_ok() {
    let diagnosis = Diagnosis::of(&well());
    assert_eq!(found(&well()), NONE);
    assert_eq!(
        (diagnosis.errors, diagnosis.warnings, diagnosis.notes),
        (0, 0, 0)
    );
    let checks: Vec<&str> = diagnosis.findings.iter().map(|it| it.check).collect();
    for check in [
        "bootstrap",
        "advertised",
        "brokers",
        "controller",
        "partitions",
        "replication",
        "groups",
        "clocks",
        "admin",
    ] {
        assert!(checks.contains(&check), "{checks:?}");
    }
    let text = report::diagnosis(&diagnosis);
    assert!(text.starts_with("0 errors, 0 warnings, 0 notes\n\nok "));
    assert!(!text.contains("why:"), "{text}");
}

#[test]
fn nobody_who_answers_is_an_error_and_one_who_does_not_is_a_warning() {
    let silent = |address: &str| SeedLook {
        address: address.to_owned(),
        error: Some("connect: refused".to_owned()),
        ..SeedLook::default()
    };
    let alone = Snapshot {
        seeds: vec![silent("a:1")],
        ..Snapshot::default()
    };
    assert_eq!(found(&alone), [("bootstrap", Severity::Error)]);
    let one_more = with(|it| it.seeds.push(silent("b:1")));
    assert_eq!(one_more, [("bootstrap", Severity::Warning)]);
}

#[test]
fn an_address_that_clients_cannot_use_is_an_error() {
    let advertised = |id: i32, address: &str| {
        with(|snapshot| {
            if let Some(look) = snapshot.brokers.get_mut(&id) {
                look.addresses = ip(address);
            }
        })
    };
    let loopback = [("advertised-loopback", Severity::Error)];
    assert_eq!(advertised(2, "127.0.0.1"), loopback);
    assert_eq!(advertised(2, "::1"), loopback);
    let unspecified = [("advertised-unspecified", Severity::Error)];
    assert_eq!(advertised(2, "0.0.0.0"), unspecified);
    let local = with(|snapshot| {
        snapshot.seeds[0].addresses = ip("127.0.0.1");
        for look in snapshot.brokers.values_mut() {
            look.addresses = ip("127.0.0.1");
        }
    });
    assert_eq!(local, NONE, "all on one machine");
    let unresolved = with(|snapshot| {
        if let Some(look) = snapshot.brokers.get_mut(&3) {
            look.unresolved = Some("no such name".to_owned());
        }
        facts(snapshot).brokers[2].answers = false;
    });
    assert!(unresolved.contains(&("advertised-unresolved", Severity::Error)));
    assert!(!unresolved.iter().any(|it| it.0 == "advertised-unreachable"));
    let same = with_facts(|facts| facts.brokers[1].address = facts.brokers[0].address.clone());
    assert_eq!(same, [("advertised-same", Severity::Error)]);
}

#[test]
fn a_broker_that_others_reach_has_another_mistake_than_one_that_is_gone() {
    let unreachable = with_facts(|facts| facts.brokers[2].answers = false);
    assert_eq!(unreachable, [("advertised-unreachable", Severity::Error)]);
    let gone = with_facts(|facts| {
        facts.brokers[2].answers = false;
        facts.brokers[2].is_fenced = Some(true);
    });
    assert_eq!(gone, [("broker-gone", Severity::Error)]);
    let fenced = with_facts(|facts| facts.brokers[2].is_fenced = Some(true));
    assert_eq!(fenced, [("broker-fenced", Severity::Error)]);
    let forgotten = with_facts(|facts| {
        facts.brokers.pop();
    });
    assert_eq!(forgotten, [("broker-gone", Severity::Error)]);
}

#[test]
fn the_quorum_has_a_leader_and_an_odd_number_of_voters() {
    let no_quorum = |facts: &mut Facts| {
        facts.quorum = None;
        facts.unanswered.push(Unanswered {
            what: Unanswered::QUORUM,
            why: "describe the quorum: LEADER_NOT_AVAILABLE".to_owned(),
        });
    };
    let nobody = with(|snapshot| {
        no_quorum(facts(snapshot));
        for look in snapshot.brokers.values_mut() {
            look.versions
                .insert(DESCRIBE_QUORUM, VersionRange::new(0, 2));
        }
    });
    assert_eq!(nobody, [("no-controller", Severity::Error)]);
    // Brokers that know of no quorum have a controller.
    assert_eq!(with_facts(no_quorum), NONE);
    let voters = |count: usize| {
        with_facts(move |facts| {
            let quorum = facts.quorum.as_mut().expect("a quorum");
            quorum.voters.truncate(count);
        })
    };
    assert_eq!(voters(2), [("voters-even", Severity::Warning)]);
    assert_eq!(voters(1), [("voter-alone", Severity::Warning)]);
    let behind = with_facts(|facts| {
        let quorum = facts.quorum.as_mut().expect("a quorum");
        quorum.voters[2].is_caught_up = false;
    });
    assert_eq!(behind, [("voter-behind", Severity::Warning)]);
}

#[test]
fn partitions_are_led_and_replicated() {
    let no_leader = with_facts(|facts| facts.partitions[0].leader = None);
    assert_eq!(no_leader, [("partition-offline", Severity::Error)]);
    let behind = with_facts(|facts| facts.partitions[0].isr = vec![1, 2]);
    assert_eq!(behind, [("under-replicated", Severity::Warning)]);
    let few = with_facts(|facts| facts.partitions[0].isr = vec![1]);
    let expected = [
        ("under-min-isr", Severity::Error),
        ("under-replicated", Severity::Warning),
    ];
    assert_eq!(few, expected);
}

#[test]
fn leaders_are_spread_or_will_be() {
    let many = |preferred: fn(i32) -> [i32; 3], leader: fn(i32) -> i32| {
        with_facts(|facts| {
            let partitions = (0..30).map(|number| PartitionFacts {
                leader: Some(leader(number)),
                ..partition(number, &preferred(number))
            });
            facts.partitions = partitions.collect();
        })
    };
    let in_turn = |number: i32| match number % 3 {
        0 => [1, 2, 3],
        1 => [2, 3, 1],
        _ => [3, 1, 2],
    };
    assert_eq!(many(in_turn, |number| number % 3 + 1), NONE);
    let after_a_restart = many(in_turn, |_| 1);
    assert_eq!(after_a_restart, [("leaders-uneven", Severity::Note)]);
    let as_it_was_placed = many(|_| [1, 2, 3], |_| 1);
    assert_eq!(as_it_was_placed, [("leaders-uneven", Severity::Warning)]);
}

#[test]
fn racks_are_used_where_there_are_any() {
    let none = with_facts(|facts| {
        for broker in &mut facts.brokers {
            broker.rack = None;
        }
    });
    assert_eq!(none, NONE);
    let some = with_facts(|facts| facts.brokers[0].rack = None);
    assert_eq!(some, [("rack-missing", Severity::Warning)]);
    let crowded = with_facts(|facts| {
        for (broker, rack) in facts.brokers.iter_mut().zip(["a", "a", "b"]) {
            broker.rack = Some(rack.to_owned());
        }
        facts.partitions[0] = partition(0, &[1, 2]);
        facts.partitions[0].min_insync_replicas = Some(1);
    });
    assert_eq!(crowded, [("rack-alone", Severity::Warning)]);
}

#[test]
fn replicas_go_together_with_those_that_have_to_be_in_sync() {
    let with_replicas = |replicas: &[i32], min_isr: usize| {
        with_facts(|facts| {
            facts.partitions = vec![PartitionFacts {
                min_insync_replicas: Some(min_isr),
                ..partition(0, replicas)
            }];
        })
    };
    let warning = |check| [(check, Severity::Warning)];
    assert_eq!(with_replicas(&[1], 1), warning("replication-factor"));
    assert_eq!(with_replicas(&[1, 2, 3], 3), warning("min-isr-all"));
    assert_eq!(with_replicas(&[1, 2], 2), warning("min-isr-all"));
    assert_eq!(with_replicas(&[1, 2, 3], 1), warning("min-isr-one"));
    assert_eq!(with_replicas(&[1, 2], 1), NONE);
}

#[test]
fn topics_that_promise_less_are_named() {
    let changed = |change: fn(&mut TopicLook)| {
        with(|snapshot| {
            let topic = snapshot.topics.get_mut("orders").expect("a topic");
            change(topic);
        })
    };
    let os = changed(|it| it.durability = Some("os".to_owned()));
    assert_eq!(os, [("durability", Severity::Note)]);
    let unclean = changed(|it| it.is_unclean = true);
    assert_eq!(unclean, [("unclean-election", Severity::Warning)]);
    assert_eq!(changed(|it| it.durability = None), NONE);
}

#[test]
fn what_could_not_be_asked_for_is_a_note() {
    let unanswered = with(|snapshot| {
        snapshot.unanswered.push(Unanswered {
            what: "groups",
            why: "refused".to_owned(),
        });
    });
    assert_eq!(unanswered, [("unanswered", Severity::Note)]);
    let nothing = with(|snapshot| {
        snapshot.facts = None;
        snapshot.unanswered.push(Unanswered {
            what: "the cluster",
            why: "refused".to_owned(),
        });
    });
    assert_eq!(nothing, [("unanswered", Severity::Error)]);
}

#[test]
fn the_worst_comes_first_and_says_what_to_do() {
    let mut snapshot = well();
    facts(&mut snapshot).partitions[0].leader = None;
    snapshot.topics.insert(
        "scratch".to_owned(),
        TopicLook {
            durability: Some("os".to_owned()),
            is_unclean: false,
        },
    );
    let diagnosis = Diagnosis::of(&snapshot);
    let text = report::diagnosis(&diagnosis);
    let expected = "1 errors, 0 warnings, 1 notes\n\n\
        error    partition-offline: 1 partitions have no leader: orders-0\n         why: ";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("\n\nnote     durability: 1 topics without"));
    let not_well = diagnosis
        .findings
        .iter()
        .filter(|it| it.severity != Severity::Ok);
    for finding in not_well {
        assert!(
            !finding.why.is_empty() && !finding.remedy.is_empty(),
            "{finding:?}"
        );
    }
}

#[test]
fn long_lists_are_cut() {
    assert_eq!(some_of(1..=3), "1, 2, 3");
    assert_eq!(some_of(1..=12), "1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more");
    assert_eq!(some_of(Vec::<String>::new()), "");
}
