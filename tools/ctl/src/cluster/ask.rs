//! Asks for the facts: one broker for what all should know, and each for its own directories.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, Instant},
};

use client::{
    ClientError, ClusterMetadata, Connection, DescribedBroker, LogDir, Quorum, QuorumReplica,
    TopicMetadata,
};
use protocol::ErrorCode;

use super::facts::{
    BrokerFacts, DirectoryFacts, Facts, PartitionFacts, PartitionName, QuorumFacts, QuorumMember,
    Unanswered,
};
use crate::{CtlError, Seeds, seeds::CLIENT_ID};

/// A broker that takes longer for an answer is not waited for.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// After an answer that says that it is too early.
const BACKOFF: Duration = Duration::from_millis(100);
/// So many brokers are asked at once.
const BROKERS_AT_ONCE: usize = 16;
/// A member of the quorum that has not had everything for longer is taken for gone: it asks for more at least twice a second.
const BEHIND_MS_MAX: i64 = 5_000;

/// Asks a cluster. What one question has no answer for is among the facts; an error means that there is nobody to ask.
pub fn ask(seeds: &Seeds) -> Result<Facts, CtlError> {
    let asked = seeds.ask(SILENCE_MAX, |it| it.metadata(None));
    let (mut connection, metadata) = asked?;
    let mut facts = Facts {
        cluster_id: metadata.cluster_id.clone(),
        controller: metadata.controller,
        topics: metadata.topics.len(),
        ..Facts::default()
    };
    facts.brokers = brokers(&mut connection, &metadata, &mut facts.unanswered);
    let log_dirs = log_dirs(&mut facts.brokers);
    facts.partitions = partitions(&mut connection, &metadata, &mut facts.unanswered);
    add_lags(&mut facts.partitions, &log_dirs);
    let quorum = patient_quorum(&mut connection);
    let quorum = answered(Unanswered::QUORUM, quorum, &mut facts.unanswered);
    facts.quorum = quorum.map(|quorum| quorum_facts(&quorum, &facts.brokers));
    Ok(facts)
}

fn answered<T>(
    what: &'static str,
    answer: Result<T, ClientError>,
    unanswered: &mut Vec<Unanswered>,
) -> Option<T> {
    answer
        .map_err(|error| {
            let why = error.to_string();
            unanswered.push(Unanswered { what, why });
        })
        .ok()
}

/// Those that are registered, and those that clients are told of, in case that a broker does not tell of others.
fn brokers(
    connection: &mut Connection,
    metadata: &ClusterMetadata,
    unanswered: &mut Vec<Unanswered>,
) -> Vec<BrokerFacts> {
    let described = connection.describe_brokers();
    let described = answered("fenced brokers", described, unanswered).unwrap_or_default();
    let told = metadata.brokers.iter().map(|it| DescribedBroker {
        id: it.id,
        address: it.address.clone(),
        rack: it.rack.clone(),
        is_fenced: None,
    });
    let mut brokers = BTreeMap::new();
    for it in described.into_iter().chain(told) {
        brokers.entry(it.id).or_insert_with(|| BrokerFacts {
            id: it.id,
            address: it.address,
            rack: it.rack,
            is_fenced: it.is_fenced,
            ..BrokerFacts::default()
        });
    }
    brokers.into_values().collect()
}

/// Asks each broker for its directories, by id; which also says whether it answers.
fn log_dirs(brokers: &mut [BrokerFacts]) -> BTreeMap<i32, Vec<LogDir>> {
    let ask = |address: &str| {
        Connection::connect(address, CLIENT_ID, SILENCE_MAX)
            .and_then(|mut connection| connection.log_dirs())
    };
    let mut all = BTreeMap::new();
    for brokers in brokers.chunks_mut(BROKERS_AT_ONCE) {
        thread::scope(|scope| {
            let asked = brokers.iter_mut().map(|broker| {
                scope.spawn(move || {
                    let answer = ask(&broker.address);
                    (broker, answer)
                })
            });
            // All are asked before the first is waited for.
            let asked: Vec<_> = asked.collect();
            for (broker, answer) in asked.into_iter().filter_map(|it| it.join().ok()) {
                let dirs = of_broker(broker, answer);
                all.insert(broker.id, dirs);
            }
        });
    }
    all
}

fn of_broker(broker: &mut BrokerFacts, answer: Result<Vec<LogDir>, ClientError>) -> Vec<LogDir> {
    broker.answers = !matches!(answer, Err(ClientError::Io { .. }));
    match answer {
        Ok(dirs) => {
            let failed = dirs.iter().filter(|it| it.error != ErrorCode::None);
            let failed = failed.map(|it| format!("{}: {}", it.path, it.error.name()));
            broker.problems.extend(failed);
            broker.directories = dirs.iter().map(directory).collect();
            dirs
        }
        Err(error) => {
            broker.problems.push(error.to_string());
            Vec::new()
        }
    }
}

fn directory(dir: &LogDir) -> DirectoryFacts {
    DirectoryFacts {
        path: dir.path.clone(),
        error: (dir.error != ErrorCode::None).then(|| dir.error.name().to_owned()),
        usable_bytes: dir.usable_bytes,
        total_bytes: dir.total_bytes,
    }
}

fn partitions(
    connection: &mut Connection,
    metadata: &ClusterMetadata,
    unanswered: &mut Vec<Unanswered>,
) -> Vec<PartitionFacts> {
    let names: BTreeSet<&str> = metadata.topics.iter().map(|it| it.name.as_str()).collect();
    let list: Vec<&str> = names.iter().copied().collect();
    let configs = connection.topic_config(&list, "min.insync.replicas");
    let configs = answered("min.insync.replicas", configs, unanswered).unwrap_or_default();
    let mut partitions: BTreeMap<PartitionName, PartitionFacts> = BTreeMap::new();
    for topic in &metadata.topics {
        let min_isr = configs.get(&topic.name).and_then(|it| it.parse().ok());
        let of_topic = partitions_of(topic, min_isr);
        partitions.extend(of_topic.map(|it| (it.name.clone(), it)));
    }
    let described = match names.is_empty() {
        true => Ok(Vec::new()),
        false => connection.describe_partitions(&names),
    };
    let described = answered("eligible leader replicas", described, unanswered);
    for it in described.unwrap_or_default() {
        let (topic, partition) = (it.topic, it.partition);
        if let Some(facts) = partitions.get_mut(&PartitionName { topic, partition }) {
            facts.eligible_leader_replicas = it.eligible_leader_replicas;
            facts.offline_replicas = it.offline_replicas;
        }
    }
    let reassigning = connection.reassigning();
    let reassigning = answered("reassignments", reassigning, unanswered);
    for it in reassigning.unwrap_or_default() {
        let (topic, partition) = (it.topic, it.partition);
        if let Some(facts) = partitions.get_mut(&PartitionName { topic, partition }) {
            facts.adding = it.adding;
            facts.removing = it.removing;
        }
    }
    partitions.into_values().collect()
}

fn partitions_of(
    topic: &TopicMetadata,
    min_insync_replicas: Option<usize>,
) -> impl Iterator<Item = PartitionFacts> {
    topic.partitions.iter().map(move |it| PartitionFacts {
        name: PartitionName {
            topic: topic.name.clone(),
            partition: it.partition,
        },
        leader: it.leader,
        replicas: it.replicas.clone(),
        isr: it.isr.clone(),
        min_insync_replicas,
        ..PartitionFacts::default()
    })
}

fn add_lags(partitions: &mut [PartitionFacts], log_dirs: &BTreeMap<i32, Vec<LogDir>>) {
    for (broker, dirs) in log_dirs {
        let replicas = dirs.iter().flat_map(|dir| &dir.replicas);
        for replica in replicas.filter(|it| it.offset_lag > 0 && !it.is_future) {
            let name = (replica.topic.as_str(), replica.partition);
            let at = partitions
                .binary_search_by(|it| (it.name.topic.as_str(), it.name.partition).cmp(&name));
            if let Some(partition) = at.ok().and_then(|at| partitions.get_mut(at)) {
                partition.offset_lags.insert(*broker, replica.offset_lag);
            }
        }
    }
}

/// An election is over in a moment.
fn patient_quorum(connection: &mut Connection) -> Result<Quorum, ClientError> {
    let deadline = Instant::now() + SILENCE_MAX;
    loop {
        match connection.quorum() {
            Err(error) if error.is_retriable() && Instant::now() < deadline => {
                thread::sleep(BACKOFF);
            }
            answer => return answer,
        }
    }
}

fn quorum_facts(quorum: &Quorum, brokers: &[BrokerFacts]) -> QuorumFacts {
    let mut voters = quorum.voters.iter();
    let leader = voters.find(|it| it.id == quorum.leader);
    let member = |it: &QuorumReplica| {
        let end = leader.map_or(quorum.high_watermark, |leader| leader.log_end_offset);
        let now_ms = leader.and_then(|leader| leader.last_caught_up_ms);
        let behind_ms = now_ms.zip(it.last_caught_up_ms);
        let behind_ms = behind_ms.map(|(now, then)| (now - then).max(0));
        // Where voters are brokers, one that is gone does not vote, however far it was; controllers of their own are not among them.
        let is_gone = brokers
            .iter()
            .any(|broker| broker.id == it.id && !broker.is_up());
        QuorumMember {
            id: it.id,
            lag: (end - it.log_end_offset).max(0),
            behind_ms,
            is_caught_up: it.log_end_offset >= quorum.high_watermark
                && behind_ms.is_none_or(|ms| ms <= BEHIND_MS_MAX)
                && !is_gone,
        }
    };
    let members = |members: &[QuorumReplica]| {
        let mut members: Vec<QuorumMember> = members.iter().map(member).collect();
        members.sort_by_key(|it| it.id);
        members
    };
    QuorumFacts {
        leader: quorum.leader,
        voters: members(&quorum.voters),
        observers: members(&quorum.observers),
    }
}
