//! Frames of the internal listener.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | how many follow, at most [`FRAME_BYTES_MAX`]; [`HELLO_BYTES_MAX`] in the first frame |
//! | 8 | the number of the request, given by who asks; 0 in the first frame |
//! | rest | [`Hello`], [`Request`] or [`Reply`], as postcard writes it |
//!
//! How it evolves: variants and fields are never changed, and new ones go to the end under a new version. Both sides speak the greatest
//! version that both know.

use std::io;

use bytes::{BufMut, Bytes};
use openraft::error::{InstallSnapshotError, RaftError};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use protocol::model::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, TopicIdPartition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;

use crate::quorum::raft::{RaftTypes, VoterId};
use crate::quorum::{
    ChangeVoters, ControllerRequest, Observe, Observed, QuorumStatus, SubmitError, Submitted,
};

/// The greatest version spoken, and the least.
pub const VERSION: u16 = 1;
/// The least version spoken.
pub const VERSION_MIN: u16 = 1;

/// Begins every connection, so that somebody else's protocol is told from another version of ours.
const MAGIC: u32 = u32::from_be_bytes(*b"HFin");

/// The largest frame: a part of a snapshot, or entries of Raft.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// The largest first frame.
pub const HELLO_BYTES_MAX: usize = 4 << 10;

const LENGTH_BYTES: usize = 4;
const NUMBER_BYTES: usize = 8;

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerIdentity {
    /// `node.id`.
    pub broker_id: BrokerId,
    /// The cluster, once it is known.
    pub cluster_id: Option<String>,
}

/// The first frame of each side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    magic: u32,
    /// The least version it speaks.
    pub version_min: u16,
    /// The greatest.
    pub version_max: u16,
    /// Who it is.
    pub identity: BrokerIdentity,
    /// What the connection is for, of who calls.
    pub purpose: Purpose,
    /// Why it will not talk, of who was called.
    pub refusal: Option<String>,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Requests and replies of this protocol.
    Requests,
    /// Kafka's protocol follows, for a follower.
    Kafka,
}

impl Hello {
    /// That of a broker of this version.
    pub fn new(identity: BrokerIdentity, purpose: Purpose) -> Hello {
        Hello {
            magic: MAGIC,
            version_min: VERSION_MIN,
            version_max: VERSION,
            identity,
            purpose,
            refusal: None,
        }
    }

    /// Why one that says so is no peer.
    pub fn objection(&self, identity: &BrokerIdentity) -> Option<String> {
        if self.magic != MAGIC {
            return Some("that is no Holdfast broker's internal listener".to_owned());
        }
        if self.version_min > VERSION || self.version_max < VERSION_MIN {
            return Some(format!(
                "it speaks versions {} to {} of the internal protocol, this broker {VERSION_MIN} to {VERSION}: upgrade the older of the two",
                self.version_min, self.version_max
            ));
        }
        match (&self.identity.cluster_id, &identity.cluster_id) {
            (Some(theirs), Some(ours)) if theirs != ours => Some(format!(
                "broker {} is part of cluster {theirs}, broker {} of cluster {ours}: one of them has another cluster's data or address",
                self.identity.broker_id, identity.broker_id
            )),
            _ => None,
        }
    }
}

/// What a voter knows of itself, for those who found a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Who it is.
    pub identity: BrokerIdentity,
    /// Its vote, once its directory has an id.
    pub voter: Option<VoterId>,
    /// Nothing is in its metadata log, and it has never voted.
    pub is_empty: bool,
    /// Whom it was told to form a quorum with, itself included.
    pub peers: Vec<BrokerId>,
}

/// A question.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Who are you?
    Status,
    /// Raft: entries, or a sign of life, for a voter. Another one at its address has to say so: it has promised nothing.
    Append(VoterId, AppendEntriesRequest<RaftTypes>),
    /// Raft: a candidate asks a voter for its vote.
    Vote(VoterId, VoteRequest<VoterId>),
    /// Raft: a part of a snapshot for a voter.
    Snapshot(VoterId, InstallSnapshotRequest<RaftTypes>),
    /// To the controller: a command.
    Submit(ControllerRequest),
    /// To a leader: how far a follower is durable.
    Progress(Progress),
    /// To the controller: a life of a broker goes on.
    Heartbeat {
        /// The life.
        epoch: BrokerEpoch,
        /// The index of the last entry of the metadata that it goes by.
        applied: u64,
    },
    /// To a broker: it is answered after a while, and tells until then that the process is there.
    Watch,
    /// To the voter that leads: who votes, and how far each is?
    Quorum,
    /// To a voter: what is committed?
    Observe(Observe),
    /// To the voter that leads: somebody votes from now on, or does not any more.
    ChangeVoters(ChangeVoters),
}

/// How far the replicas of one broker are durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The life of the broker.
    pub broker_epoch: BrokerEpoch,
    /// For each partition: the leadership that the replica follows, and has found its own log to agree with, and its durable end.
    pub durable_ends: Vec<(TopicIdPartition, LeaderEpoch, Offset)>,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// It cannot be answered now.
    NotReady,
    /// Another voter is here.
    OtherVoter,
    /// To [`Request::Status`].
    Status(NodeStatus),
    /// To [`Request::Append`].
    Append(Result<AppendEntriesResponse<VoterId>, RaftError<VoterId>>),
    /// To [`Request::Vote`].
    Vote(Result<VoteResponse<VoterId>, RaftError<VoterId>>),
    /// To [`Request::Snapshot`].
    Snapshot(Result<InstallSnapshotResponse<VoterId>, RaftError<VoterId, InstallSnapshotError>>),
    /// To [`Request::Submit`].
    Submitted(Result<Submitted, SubmitError>),
    /// To [`Request::Watch`].
    Heard,
    /// To [`Request::Progress`]: what does not count yet, and may later, when the leader has heard of a leadership or of a life.
    Progress(Vec<TopicIdPartition>),
    /// To [`Request::Heartbeat`].
    Heartbeat {
        /// Whether the broker may not lead.
        fenced: bool,
    },
    /// To [`Request::Quorum`].
    Quorum(QuorumStatus),
    /// To [`Request::Observe`].
    Observed(Observed),
    /// To [`Request::ChangeVoters`].
    VotersChanged(Result<(), SubmitError>),
}

/// A frame, ready to be written.
pub fn frame<T: Serialize>(number: u64, body: &T) -> io::Result<Bytes> {
    let frame = postcard::to_extend(body, vec![0; LENGTH_BYTES + NUMBER_BYTES]);
    let mut frame = frame.map_err(io::Error::other)?;
    let length = frame.len() - LENGTH_BYTES;
    if length > FRAME_BYTES_MAX {
        let message = format!("a frame of {length} bytes, at most {FRAME_BYTES_MAX} are sent");
        return Err(io::Error::other(message));
    }
    let mut head = &mut frame[..];
    head.put_u32(u32::try_from(length).map_err(io::Error::other)?);
    head.put_u64(number);
    Ok(frame.into())
}

/// Reads a frame of at most `bytes_max`; `None` when the connection ends before one.
pub async fn read_frame<T: DeserializeOwned>(
    input: &mut (impl AsyncRead + Unpin),
    bytes_max: usize,
) -> io::Result<Option<(u64, T)>> {
    let length = match input.read_u32().await {
        Ok(length) => usize::try_from(length).map_err(io::Error::other)?,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if !(NUMBER_BYTES..=bytes_max).contains(&length) {
        let message =
            format!("a frame of {length} bytes, between {NUMBER_BYTES} and {bytes_max} are taken");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let number = input.read_u64().await?;
    let mut body = Vec::new();
    // What was announced is allocated as it comes.
    let length = u64::try_from(length - NUMBER_BYTES).map_err(io::Error::other)?;
    let read = input.take(length).read_to_end(&mut body).await?;
    if u64::try_from(read).map_err(io::Error::other)? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let body = postcard::from_bytes(&body)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Some((number, body)))
}

/// Writes frames as they come, until there are no more or the connection is gone, of which the other half hears.
pub(super) async fn write_frames(mut output: OwnedWriteHalf, mut frames: mpsc::Receiver<Bytes>) {
    while let Some(frame) = frames.recv().await {
        if output.write_all(&frame).await.is_err() {
            return;
        }
    }
}
