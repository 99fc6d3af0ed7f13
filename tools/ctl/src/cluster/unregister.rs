//! Brokers that are gone for good, which the cluster is to forget.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use super::{ask, facts::Facts};
use crate::{CtlError, Seeds};

/// A broker that takes longer for an answer is not waited for.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Brokers that are about to change who leads say so for a moment.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at whether they are gone. Kafka has no way to be told.
const LOOK: Duration = Duration::from_millis(500);

/// Has the cluster forget brokers. Those that are still there are waited for, for `patience`. Returns the ones that it knew.
///
/// # Errors
/// One of them has replicas, votes on the metadata, or is still there in the end: none is forgotten then.
pub fn unregister(
    seeds: &Seeds,
    ids: &BTreeSet<i32>,
    patience: Duration,
) -> Result<BTreeSet<i32>, CtlError> {
    let deadline = Instant::now() + patience;
    let known = loop {
        match look(&ask(seeds)?, ids)? {
            Look::Gone(known) => break known,
            Look::There(id) if Instant::now() >= deadline => {
                return Err(CtlError::Refused(format!(
                    "broker {id} is there: stop it before"
                )));
            }
            Look::There(_) => thread::sleep(LOOK),
        }
    };
    for id in &known {
        seeds.ask_patiently(SILENCE_MAX, PATIENCE, |it| it.unregister_broker(*id))?;
    }
    Ok(known)
}

/// What of it may be.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// These are known, and gone.
    Gone(BTreeSet<i32>),
    /// This one is not gone yet.
    There(i32),
}

fn look(facts: &Facts, ids: &BTreeSet<i32>) -> Result<Look, CtlError> {
    let known = facts.brokers.iter().filter(|it| ids.contains(&it.id));
    let is_voter = |id: i32| {
        let quorum = facts.quorum.iter();
        quorum.flat_map(|it| &it.voters).any(|it| it.id == id)
    };
    for broker in known.clone() {
        let id = broker.id;
        let replicas = facts.partitions.iter();
        let replicas = replicas.filter(|it| it.replicas.contains(&id)).count();
        if replicas > 0 {
            return Err(CtlError::Refused(format!(
                "broker {id} has {replicas} replicas: drain it before"
            )));
        }
        if is_voter(id) {
            return Err(CtlError::Refused(format!(
                "broker {id} votes on the metadata: kafka-metadata-quorum remove-controller takes its vote"
            )));
        }
    }
    // A broker that does not tell who is fenced leaves them out.
    let there = known
        .clone()
        .find(|it| it.answers || it.is_fenced != Some(true));
    Ok(match there {
        Some(broker) => Look::There(broker.id),
        None => Look::Gone(known.map(|it| it.id).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::facts::{BrokerFacts, PartitionFacts, QuorumFacts, QuorumMember};
    use super::*;

    /// Three brokers, of which the last is gone.
    fn facts() -> Facts {
        let broker = |id| BrokerFacts {
            id,
            answers: id < 3,
            is_fenced: Some(id == 3),
            ..BrokerFacts::default()
        };
        Facts {
            brokers: (1..=3).map(broker).collect(),
            ..Facts::default()
        }
    }

    fn refused(facts: &Facts, id: i32) -> String {
        let looked = look(facts, &BTreeSet::from([id]));
        looked.expect_err("it is needed").to_string()
    }

    #[test]
    fn who_is_gone_may_be_forgotten() {
        // The fourth is forgotten already.
        let looked = look(&facts(), &BTreeSet::from([3, 4])).expect("nobody needs it");
        assert_eq!(looked, Look::Gone(BTreeSet::from([3])));
        let looked = look(&facts(), &BTreeSet::from([2, 3])).expect("nobody needs them");
        assert_eq!(looked, Look::There(2));
    }

    #[test]
    fn who_is_fenced_and_answers_is_there() {
        let mut facts = facts();
        facts.brokers[2].answers = true;
        let looked = look(&facts, &BTreeSet::from([3])).expect("nobody needs it");
        assert_eq!(looked, Look::There(3));
    }

    #[test]
    fn who_is_needed_is_not_forgotten() {
        let mut of_replicas = facts();
        of_replicas.partitions.push(PartitionFacts {
            replicas: vec![1, 3],
            ..PartitionFacts::default()
        });
        assert_eq!(
            refused(&of_replicas, 3),
            "broker 3 has 1 replicas: drain it before"
        );
        let mut of_voters = facts();
        of_voters.quorum = Some(QuorumFacts {
            voters: vec![QuorumMember {
                id: 3,
                ..QuorumMember::default()
            }],
            ..QuorumFacts::default()
        });
        assert!(refused(&of_voters, 3).contains("votes on the metadata"));
    }
}
