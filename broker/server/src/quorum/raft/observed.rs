//! The two sides of observation: what a voter tells ([`RaftQuorum::observe`]), and what one that does not vote is told.

use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use super::log::RaftLog;
use super::quorum::RaftQuorum;
use super::snapshot::SnapshotState;
use super::types::{MetadataEntry, Payload, Voter, VoterId};
use crate::internal::wire::Reply;
use crate::quorum::QuorumError;
use crate::quorum::images::{Images, Version};
use crate::quorum::observing::{News, OBSERVE_WAIT, Observe, Observed};

/// Bytes of one answer, but for an entry that is larger by itself. Few in tests, so that images come in parts.
const ANSWER_BYTES_MAX: usize = if cfg!(test) { 100 } else { 4 << 20 };
/// An image is told to whoever asks for so long; what is newer follows in entries.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// What an observer was told last of the quorum.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// The voter that leads.
    pub(super) leader: Option<(VoterId, Voter)>,
    /// Who takes part, and the index of the entry that says so.
    pub(super) members: (u64, Vec<VoterId>),
    /// Whether it was told any metadata.
    pub(super) has_news: bool,
}

/// An image in bytes, for observers that get it in parts.
#[derive(Default)]
pub(super) struct ToldImage(Mutex<Option<Kept>>);

struct Kept {
    /// All entries through this one are in it.
    index: u64,
    bytes: Bytes,
    since: Instant,
}

impl ToldImage {
    /// That which `part` is of, else one that is new enough for who has applied `applied`.
    fn part(
        &self,
        images: &Images,
        applied: u64,
        part: Option<(u64, u64)>,
    ) -> Result<News, QuorumError> {
        let mut kept = self.0.lock();
        let continued =
            part.filter(|(index, _)| kept.as_ref().is_some_and(|it| it.index == *index));
        let is_new = |it: &Kept| it.index > applied && it.since.elapsed() < KEPT_FOR;
        if continued.is_none() && !kept.as_ref().is_some_and(is_new) {
            // In this order: the image has at least what was applied before.
            let through = images.applied();
            let version = Version::clone(&images.newest());
            let index = through.max(version.index);
            let state = SnapshotState {
                version,
                ..SnapshotState::default()
            };
            let bytes = state.encode();
            let bytes = bytes.map_err(|error| QuorumError::Failed(error.to_string()))?;
            *kept = Some(Kept {
                index,
                bytes: bytes.into(),
                since: Instant::now(),
            });
        }
        let Some(Kept { index, bytes, .. }) = kept.as_ref() else {
            unreachable!("it was just put there");
        };
        let at = continued.map_or(0, |(_, at)| at);
        let begin = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
        let end = bytes.len().min(begin + ANSWER_BYTES_MAX);
        Ok(News::Image {
            index: *index,
            length: bytes.len() as u64,
            at,
            part: bytes.slice(begin..end),
        })
    }
}

/// The entries behind `applied` that are committed, as far as the log has them.
fn entries(log: &RaftLog, applied: u64, committed: u64) -> Option<News> {
    let mut told = Vec::new();
    let mut through = applied;
    let mut bytes = 0;
    for entry in log.entries() {
        let index = entry.log_id.index;
        if index <= applied {
            continue;
        }
        if index != through + 1 {
            // The log does not reach back so far.
            return None;
        }
        if index > committed {
            break;
        }
        if let Payload::Normal(entry) = entry.payload {
            bytes += entry.records.len();
            if bytes > ANSWER_BYTES_MAX && !told.is_empty() {
                break;
            }
            told.push((index, entry));
        }
        through = index;
    }
    (through > applied || through >= committed).then_some(News::Entries {
        entries: told,
        through,
    })
}

impl RaftQuorum {
    /// Answers an observer, when there is something that it does not know, or after a while.
    pub async fn observe(&self, observe: Observe) -> Reply {
        let applied = observe.applied;
        let images = self.images();
        let more = images.wait_applied(applied.saturating_add(1));
        if observe.part.is_none() {
            let _ = tokio::time::timeout(OBSERVE_WAIT, more).await;
        }
        // What it was told itself, as an observer, may be ahead of its own log.
        let Some(committed) = self.committed_here() else {
            return Reply::NotReady;
        };
        let news = match observe.part {
            None => self.log().and_then(|log| entries(&log, applied, committed)),
            Some(_) => None,
        };
        let news = match news {
            Some(news) => Ok(news),
            None => self.told_image().part(images, applied, observe.part),
        };
        // Who is told that it was removed believes it. Index 0 says nothing.
        let members = self.members_here();
        let members = match members.0 <= committed {
            true => members,
            false => (0, Vec::new()),
        };
        match news {
            Ok(news) => Reply::Observed(Observed {
                leader: self.leader(),
                members,
                news,
            }),
            Err(error) => {
                tracing::warn!(%error, "the metadata cannot be told to an observer");
                Reply::NotReady
            }
        }
    }

    /// An observer was told this of the quorum. Returns whether another voter leads than it knew.
    pub fn on_told(&self, leader: Option<(VoterId, Voter)>, members: (u64, Vec<VoterId>)) -> bool {
        let mut is_other = false;
        self.told().send_if_modified(|told| {
            is_other = told.leader != leader;
            if members.0 >= told.members.0 {
                told.members = members;
            }
            told.leader = leader;
            is_other
        });
        is_other
    }

    /// Whoever led does not answer.
    pub fn forget_leader(&self) {
        self.told()
            .send_if_modified(|told| told.leader.take().is_some());
    }

    /// Applies what an observer was told.
    pub fn apply_told(
        &self,
        entries: &[(u64, MetadataEntry)],
        through: u64,
    ) -> Result<(), QuorumError> {
        let failed = |error: &dyn std::fmt::Display| QuorumError::Failed(error.to_string());
        for (index, entry) in entries {
            let records = entry.decode().map_err(|error| failed(&error))?;
            self.images().apply(*index, entry.base, &records);
        }
        self.has_news(through);
        Ok(())
    }

    /// Takes over an image that an observer was told, in which is everything through `index`.
    pub fn take_told(&self, index: u64, bytes: &[u8]) -> Result<(), QuorumError> {
        let state = SnapshotState::decode(bytes);
        let state = state.map_err(|error| QuorumError::Failed(error.to_string()))?;
        self.images().replace(state.version);
        self.has_news(index);
        Ok(())
    }

    fn has_news(&self, index: u64) {
        self.images().set_applied(index);
        self.told()
            .send_if_modified(|told| !std::mem::replace(&mut told.has_news, true));
    }

    /// Waits until an observer has been told who leads, and the metadata of some moment; or until it takes part in the quorum, and that has a leader. False if
    /// that takes longer than `patience`.
    pub async fn wait_told(&self, patience: Duration) -> bool {
        let mut told = self.told().subscribe();
        let is_told = told.wait_for(|told| told.has_news && told.leader.is_some());
        tokio::select! {
            is_told = tokio::time::timeout(patience, is_told) => is_told.is_ok(),
            Ok(()) = self.wait_leader(patience) => true,
        }
    }
}
