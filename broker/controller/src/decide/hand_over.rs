//! A broker that is to stop hands over what it leads, once the cluster can do without it: Kafka's controlled shutdown, with a condition.
//!
//! Kafka lets a broker go as soon as others lead, whoever is still in sync with them. Here it is fenced, with all that follows, by the same entry of the metadata log
//! that finds it can be spared: of several brokers that ask at once those are refused that would be missed when the first ones are gone.

use protocol::ErrorCode;
use protocol::model::{BrokerEpoch, BrokerId};
use serde::{Deserialize, Serialize};

use super::brokers::{FenceBroker, check_broker_epoch};
use crate::configs::ConfigValidator;
use crate::election::rules;
use crate::{ApiError, Command, Context, Decision, MetadataImage};

/// A broker's request to be fenced, unless it would be missed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// The broker.
    pub broker_id: BrokerId,
    /// The life that is meant.
    pub broker_epoch: BrokerEpoch,
    /// Who votes in the metadata quorum.
    pub voters: Vec<BrokerId>,
    /// Whether it waits for brokers that are gone, too, and not only for those that catch up.
    pub waits_for_the_gone: bool,
}

impl Command for HandOver {
    /// Whether it is fenced, now or since before. `NotEnoughReplicas` says what would be missing, and may not be so later.
    type Response = Result<(), ApiError>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let (broker_id, broker_epoch) = (self.broker_id, self.broker_epoch);
        match check_broker_epoch(context.image, broker_id, broker_epoch) {
            Err(error) => return Decision::unchanged(Err(error)),
            Ok(broker) if broker.fenced => return Decision::unchanged(Ok(())),
            Ok(_) => {}
        }
        let missed = Missed::without(context.image, context.configs, broker_id, &self.voters);
        let why = match self.waits_for_the_gone {
            true => missed.for_now(),
            false => missed.until_caught_up(),
        };
        if let Some(message) = why {
            let error = ApiError::new(ErrorCode::NotEnoughReplicas, message);
            return Decision::unchanged(Err(error));
        }
        let fence = FenceBroker {
            broker_id,
            broker_epoch,
        };
        fence.decide(context)
    }
}

/// What the cluster would miss without a broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missed {
    /// Partitions with too few other replicas in sync, whose brokers are there and catch up.
    behind: Partitions,
    /// The same, where too few brokers of other replicas are there.
    gone: Partitions,
    /// Partitions with too few other replicas at all: no waiting helps them.
    alone: Partitions,
    /// The voters that would be left, and how many it takes, where others may come back.
    voters: Option<(usize, usize)>,
    /// It is one of so few voters that none can be spared.
    every_voter: bool,
}

/// How many there are, and one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Partitions {
    count: usize,
    example: Option<String>,
}

impl Partitions {
    fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        self.example.get_or_insert_with(name);
    }

    fn say(&self, what: &str) -> Option<String> {
        let example = self.example.as_ref()?;
        Some(match self.count {
            1 => format!("the partition {example} would {what}"),
            count => format!("{count} partitions would {what}, {example} among them"),
        })
    }
}

impl Missed {
    /// What would be missing. `voters` are those of the metadata quorum; a voter that is fenced or not registered counts as one that is not there.
    pub fn without(
        image: &MetadataImage,
        configs: &dyn ConfigValidator,
        broker_id: BrokerId,
        voters: &[BrokerId],
    ) -> Missed {
        let mut missed = Missed::default();
        let is_there = |id: &BrokerId| image.broker(*id).is_some_and(|it| !it.fenced);
        for topic in image.topics_by_name() {
            let mut least = None;
            for (index, partition) in topic.partitions() {
                if !partition.isr.contains(&broker_id) {
                    continue;
                }
                let least = *least
                    .get_or_insert_with(|| rules(image, configs, topic.name()).min_insync_replicas);
                let enough = partition.enough_in_sync(least);
                if partition.isr.len() > enough {
                    continue;
                }
                let others = || partition.replica_brokers().filter(|it| *it != broker_id);
                let kind = if others().count() < enough {
                    &mut missed.alone
                } else if others().filter(is_there).count() < enough {
                    &mut missed.gone
                } else {
                    &mut missed.behind
                };
                kind.add(|| format!("{}-{index}", topic.name()));
            }
        }
        if voters.contains(&broker_id) {
            let others = voters.iter().filter(|id| **id != broker_id);
            let left = others.filter(|id| is_there(id)).count();
            let majority = voters.len() / 2 + 1;
            missed.every_voter = voters.len() - 1 < majority;
            if left < majority && !missed.every_voter {
                missed.voters = Some((left, majority));
            }
        }
        missed
    }

    /// What others are about to make up for.
    pub fn until_caught_up(&self) -> Option<String> {
        self.behind
            .say("have fewer replicas in sync than min.insync.replicas")
    }

    /// What others may make up for, so that it is worth waiting: those that catch up, and those that may come back.
    pub fn for_now(&self) -> Option<String> {
        let gone = self
            .gone
            .say("have fewer replicas in sync than min.insync.replicas until others are back");
        let voters = self.voters.map(|(left, majority)| {
            format!(
                "of the voters of the metadata quorum {left} would be left, and it takes {majority}"
            )
        });
        joined([self.until_caught_up(), gone, voters])
    }

    /// What nobody else can make up for.
    pub fn for_good(&self) -> Option<String> {
        let partitions = self
            .alone
            .say("have too few replicas on other brokers for min.insync.replicas");
        let voters = self
            .every_voter
            .then(|| "the metadata quorum needs every voter it has".to_owned());
        joined([partitions, voters])
    }
}

fn joined<const N: usize>(sentences: [Option<String>; N]) -> Option<String> {
    let said: Vec<String> = sentences.into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join("; "))
}
