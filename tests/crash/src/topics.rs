//! The topics of a life: made before and during the load, found again after each restart.

use std::collections::BTreeMap;

use protocol::{ErrorCode, model::Uuid};

use crate::{failure::Failure, patience::until_answered};
use client::{ClientError, Connection, Topic};

/// The topics that were made, and those whose making was cut short.
#[derive(Debug, Default)]
pub struct Topics {
    known: BTreeMap<String, Topic>,
    uncertain: BTreeMap<String, i32>,
    count: u32,
}

impl Topics {
    /// The name of the next topic.
    pub fn next_name(&mut self) -> String {
        self.count += 1;
        format!("topic-{}", self.count)
    }

    /// How many were made, or nearly.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// A topic that was asked for, without an answer.
    pub fn on_uncertain(&mut self, name: &str, partitions: i32) {
        self.uncertain.insert(name.to_owned(), partitions);
    }

    /// A topic whose making was acknowledged, and that nobody has looked at yet.
    pub fn on_created(&mut self, name: &str, partitions: i32) {
        let topic = Topic {
            name: name.to_owned(),
            id: Uuid::nil(),
            partitions,
        };
        self.known.insert(name.to_owned(), topic);
    }

    /// Those that exist, as of the last [`find`](Self::find).
    pub fn existing(&self) -> Vec<Topic> {
        let looked_at = self.known.values().filter(|topic| !topic.id.is_nil());
        looked_at.cloned().collect()
    }

    /// Looks all of them up. Returns the names of those that are gone though their making was
    /// acknowledged; a topic that is another one now is an error.
    pub fn find(&mut self, connection: &mut Connection) -> Result<Vec<Topic>, Failure> {
        let mut gone = Vec::new();
        for (name, partitions) in std::mem::take(&mut self.uncertain) {
            match connection.topic(&name) {
                Ok(topic) if topic.partitions == partitions => {
                    self.known.insert(name, topic);
                }
                Ok(topic) => return Err(Failure::Broken(format!("{topic:?} was made otherwise"))),
                Err(ClientError::Refused {
                    code: ErrorCode::UnknownTopicOrPartition,
                    ..
                }) => {}
                // It exists, but is not ready: it is looked at next time.
                Err(error) if error.is_retriable() => {
                    self.uncertain.insert(name, partitions);
                }
                Err(error) => return Err(Failure::broken("look up a topic", error)),
            }
        }
        for (name, known) in &mut self.known {
            match until_answered(|| connection.topic(name)) {
                Ok(topic) if known.id.is_nil() && topic.partitions == known.partitions => {
                    *known = topic;
                }
                Ok(topic) if topic == *known => {}
                Ok(topic) => {
                    let what = format!("{topic:?} was {known:?} before");
                    return Err(Failure::Broken(what));
                }
                Err(ClientError::Refused {
                    code: ErrorCode::UnknownTopicOrPartition,
                    ..
                }) => gone.push(known.clone()),
                Err(error) => return Err(Failure::broken("look up a topic", error)),
            }
        }
        Ok(gone)
    }
}
