//! How a broker that does not vote follows the metadata: it asks the voters for what is committed.
//!
//! | it knows | it is answered |
//! |---|---|
//! | everything | nothing, after a while, or as soon as there is more |
//! | less, and the voter's log has what comes next | the entries |
//! | less than the log reaches back | the whole image, in parts |
//!
//! A voter that no leader is heard by for a while asks too: it may have been removed, and then observes.
//!
//! Only what is committed is told, so that it does not matter whom it asks, and it keeps nothing on its disk: a start asks for the image.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::QuorumError;
use super::raft::{MetadataEntry, RaftQuorum, Voter, VoterId};
use crate::internal::Peer;
use crate::internal::wire::{Reply, Request};

/// How long a voter may hold a question open until there is something to tell.
pub const OBSERVE_WAIT: Duration = Duration::from_secs(1);
/// How long it may take to answer, that included.
const PATIENCE: Duration = Duration::from_secs(3);
/// Before another voter is asked.
const RETRY: Duration = Duration::from_millis(100);
/// Between two lines in the log about nobody answering.
const COMPLAINT: Duration = Duration::from_secs(5);
/// Between two looks of a voter at whether it still is one.
const LOOK: Duration = Duration::from_millis(500);

/// What an observer asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observe {
    /// The index of the last entry that it has applied.
    pub applied: u64,
    /// The image of which it has a part, and how many bytes it has.
    pub part: Option<(u64, u64)>,
}

/// What it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The voter that leads, if one is known.
    pub leader: Option<(VoterId, Voter)>,
    /// Who takes part in the quorum, and the index of the entry that says so; 0 while that is not committed.
    pub members: (u64, Vec<VoterId>),
    /// What is new.
    pub news: News,
}

/// What is committed behind what an observer has applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum News {
    /// Entries with their indexes, and through which index there is nothing else. There may be more.
    Entries {
        /// Those that are about metadata.
        entries: Vec<(u64, MetadataEntry)>,
        /// The last that is told.
        through: u64,
    },
    /// A part of an image.
    Image {
        /// The entry behind which it is.
        index: u64,
        /// How many bytes it has in all.
        length: u64,
        /// Where the part begins.
        at: u64,
        /// The part.
        part: Bytes,
    },
}

/// Asks voters, for as long as it is polled and does not take part in the quorum itself.
pub struct Observer {
    quorum: Arc<RaftQuorum>,
    voters: Vec<Arc<Peer>>,
}

impl Observer {
    /// `voters` are the ways to those that are known from the configuration.
    pub fn new(quorum: Arc<RaftQuorum>, voters: Vec<Arc<Peer>>) -> Observer {
        Observer { quorum, voters }
    }

    /// Follows the metadata.
    pub async fn run(self) {
        let mut complained: Option<Instant> = None;
        let mut next = 0;
        loop {
            let is_member = self.quorum.is_member();
            self.quorum.restrain_elections();
            if is_member {
                tokio::time::sleep(LOOK).await;
                if !self.quorum.is_abandoned() {
                    continue;
                }
            }
            // Whoever leads knows everything first. Who took part and hears nothing may know of one that has long gone.
            let leader = self.quorum.leader_peer().filter(|_| !is_member);
            let peer = leader.unwrap_or_else(|| {
                next += 1;
                Arc::clone(&self.voters[next % self.voters.len()])
            });
            match self.follow(&peer).await {
                Ok(()) => {}
                Err(reason) => {
                    self.quorum.forget_leader();
                    let now = Instant::now();
                    if complained.is_none_or(|last| now - last >= COMPLAINT) {
                        complained = Some(now);
                        tracing::info!(
                            voter = peer.address(),
                            reason,
                            "a voter does not tell the metadata"
                        );
                    }
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Asks one voter until it does not answer, or another one leads.
    async fn follow(&self, peer: &Peer) -> Result<(), String> {
        let mut image: Option<(u64, Vec<u8>)> = None;
        loop {
            let part = image
                .as_ref()
                .map(|(index, bytes)| (*index, bytes.len() as u64));
            let observe = Observe {
                applied: self.quorum.images().applied(),
                part,
            };
            let reply = peer.ask(&Request::Observe(observe), PATIENCE).await;
            let observed = match reply.map_err(|error| error.to_string())? {
                Reply::Observed(observed) => observed,
                Reply::NotReady => return Err("it does not vote, or not yet".to_owned()),
                _ => return Err("it answers something else".to_owned()),
            };
            if observed.leader.is_none() {
                return Err("it knows of no leader".to_owned());
            }
            let failed = |error: QuorumError| error.to_string();
            let Observed {
                leader,
                members,
                news,
            } = observed;
            let has_other_leader = self.quorum.on_told(leader, members);
            if self.quorum.is_member() {
                // It still takes part: what is committed its own log says.
                return Ok(());
            }
            match news {
                News::Entries { entries, through } => {
                    image = None;
                    self.quorum.apply_told(&entries, through).map_err(failed)?;
                }
                News::Image {
                    index,
                    length,
                    at,
                    part,
                } => {
                    let mut bytes = match image.take() {
                        Some((known, bytes)) if known == index && bytes.len() as u64 == at => bytes,
                        _ if at == 0 => Vec::new(),
                        _ => return Err("it tells a part that does not fit".to_owned()),
                    };
                    bytes.extend_from_slice(&part);
                    if bytes.len() as u64 >= length {
                        self.quorum.take_told(index, &bytes).map_err(failed)?;
                    } else if part.is_empty() {
                        return Err("it tells an empty part".to_owned());
                    } else {
                        image = Some((index, bytes));
                    }
                }
            }
            if has_other_leader {
                return Ok(());
            }
        }
    }
}
