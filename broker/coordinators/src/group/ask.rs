//! What can be asked of the coordinator of groups, and what it answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::model::{LeaderEpoch, Uuid};

use super::Refusal;
use super::cluster::TopicPartition;

/// A request that has a reply of its own type.
pub trait GroupAsk {
    /// What is answered.
    type Reply;

    /// The group it is about; `None` where it is about all.
    fn group(&self) -> Option<&str>;

    /// As the coordinator takes it.
    fn into_request(self) -> GroupRequest;

    /// Out of what the coordinator gives. `None`: the reply to another request.
    fn reply_of(reply: GroupReply) -> Option<Self::Reply>;
}

macro_rules! asks {
    ($($(#[$doc:meta])* $name:ident($reply:ty) $group:expr;)*) => {
        /// A request.
        #[derive(Clone, Debug)]
        pub enum GroupRequest {
            $($(#[$doc])* $name($name),)*
        }

        /// A reply.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum GroupReply {
            $(
                #[doc = concat!("To [`", stringify!($name), "`].")]
                $name($reply),
            )*
        }

        $(
            impl GroupAsk for $name {
                type Reply = $reply;

                fn group(&self) -> Option<&str> {
                    let group: fn(&$name) -> Option<&str> = $group;
                    group(self)
                }

                fn into_request(self) -> GroupRequest {
                    GroupRequest::$name(self)
                }

                fn reply_of(reply: GroupReply) -> Option<$reply> {
                    match reply {
                        GroupReply::$name(reply) => Some(reply),
                        _ => None,
                    }
                }
            }
        )*
    };
}

asks! {
    /// A member joins a group of the classic protocol.
    JoinGroup(JoinReply) |it| Some(&it.group);
    /// A member asks for its assignment; the leader brings them all.
    SyncGroup(SyncReply) |it| Some(&it.group);
    /// A member is alive.
    Heartbeat(ErrorCode) |it| Some(&it.group);
    /// Members leave.
    LeaveGroup(LeaveReply) |it| Some(&it.group);
    /// Offsets are committed.
    CommitOffsets(CommitReply) |it| Some(&it.group);
    /// Committed offsets are asked for.
    FetchOffsets(FetchReply) |it| Some(&it.group);
    /// Committed offsets are deleted.
    DeleteOffsets(DeleteOffsetsReply) |it| Some(&it.group);
    /// All groups are listed.
    ListGroups(Vec<ListedGroup>) |_| None;
    /// A group is described.
    DescribeGroup(DescribeReply) |it| Some(&it.group);
    /// A group is deleted with its offsets.
    DeleteGroup(ErrorCode) |it| Some(&it.group);
    /// A member of the consumer protocol is there, joins or leaves.
    ConsumerHeartbeat(ConsumerHeartbeatReply) |it| Some(&it.group);
    /// A group of the consumer protocol is described.
    DescribeConsumerGroup(DescribeConsumerReply) |it| Some(&it.group);
    /// Topics are gone, and offsets in them with them.
    ForgetTopics(()) |_| None;
}

/// An assignor that a member offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// Its name.
    pub name: Arc<str>,
    /// What the member says of itself, for this assignor; opaque.
    pub metadata: Bytes,
}

/// JoinGroup.
#[derive(Clone, Debug)]
pub struct JoinGroup {
    /// The group.
    pub group: Arc<str>,
    /// The member, once it has an id.
    pub member: Option<Arc<str>>,
    /// `group.instance.id` (KIP-345).
    pub instance: Option<Arc<str>>,
    /// What the client calls itself.
    pub client_id: Arc<str>,
    /// Where it connects from.
    pub client_host: Arc<str>,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// How long a rebalance waits for it.
    pub rebalance_timeout_ms: i32,
    /// The kind of group, such as `consumer`.
    pub protocol_type: Arc<str>,
    /// The assignors it offers, the best first.
    pub protocols: Vec<Protocol>,
    /// A new member is told its id and has to come again with it (KIP-394).
    pub is_to_know_its_id: bool,
    /// It understands that a leader need not assign (KIP-814).
    pub can_skip_assignment: bool,
    /// For the id of a new member.
    pub new_member: Uuid,
}

/// The answer to [`JoinGroup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinReply {
    /// Of the group as a whole.
    pub error: ErrorCode,
    /// The member's id, as far as it has one.
    pub member: Option<Arc<str>>,
    /// The generation that was joined.
    pub joined: Option<Joined>,
}

/// A generation, as a member learns of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its number.
    pub generation: i32,
    /// The kind of group.
    pub protocol_type: Arc<str>,
    /// The assignor.
    pub protocol: Arc<str>,
    /// The member that assigns.
    pub leader: Arc<str>,
    /// The leader need not assign: the assignment stays.
    pub skip_assignment: bool,
    /// All members, for the leader.
    pub members: Vec<JoinedMember>,
}

/// A member, as the leader learns of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member: Arc<str>,
    /// Of a static member.
    pub instance: Option<Arc<str>>,
    /// What it says of itself.
    pub metadata: Bytes,
}

/// SyncGroup.
#[derive(Clone, Debug)]
pub struct SyncGroup {
    /// The group.
    pub group: Arc<str>,
    /// The generation it has joined.
    pub generation: i32,
    /// The member.
    pub member: Arc<str>,
    /// Of a static member.
    pub instance: Option<Arc<str>>,
    /// The kind of group, if it says so (KIP-559).
    pub protocol_type: Option<Arc<str>>,
    /// The assignor, if it says so (KIP-559).
    pub protocol: Option<Arc<str>>,
    /// From the leader: what each member is assigned.
    pub assignments: Vec<(Arc<str>, Bytes)>,
}

/// The answer to [`SyncGroup`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncReply {
    /// What went wrong.
    pub error: ErrorCode,
    /// The kind of group and the assignor.
    pub protocol: Option<(Arc<str>, Arc<str>)>,
    /// What the member is assigned; opaque.
    pub assignment: Bytes,
}

/// Heartbeat.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// The group.
    pub group: Arc<str>,
    /// The generation it has joined.
    pub generation: i32,
    /// The member.
    pub member: Arc<str>,
    /// Of a static member.
    pub instance: Option<Arc<str>>,
}

/// LeaveGroup.
#[derive(Clone, Debug)]
pub struct LeaveGroup {
    /// The group.
    pub group: Arc<str>,
    /// Who leaves.
    pub members: Vec<LeavingMember>,
}

/// A member that leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeavingMember {
    /// Its id; not known to an administrator who removes a static member.
    pub member: Option<Arc<str>>,
    /// Of a static member.
    pub instance: Option<Arc<str>>,
}

/// The answer to [`LeaveGroup`]: of the group, or of each member.
pub type LeaveReply = Result<Vec<(LeavingMember, ErrorCode)>, ErrorCode>;

/// OffsetCommit.
#[derive(Clone, Debug)]
pub struct CommitOffsets {
    /// The group.
    pub group: Arc<str>,
    /// The member; none of who assigns partitions to itself.
    pub member: Option<Arc<str>>,
    /// Of a static member.
    pub instance: Option<Arc<str>>,
    /// The member's generation, or the epoch of a member of the consumer protocol.
    pub generation: Option<i32>,
    /// Whether the client understands the errors of the consumer protocol (version 9).
    pub knows_epochs: bool,
    /// How long the offsets are to be kept, where the client says so (versions 2-4).
    pub retention_ms: Option<i64>,
    /// What is committed.
    pub topics: Vec<CommitTopic>,
}

/// The offsets of a topic to commit.
#[derive(Clone, Debug)]
pub struct CommitTopic {
    /// The topic.
    pub topic: Arc<str>,
    /// In its partitions.
    pub partitions: Vec<CommitPartition>,
}

/// An offset to commit.
#[derive(Clone, Debug)]
pub struct CommitPartition {
    /// The partition.
    pub partition: i32,
    /// The next offset to read. Kafka takes any number.
    pub offset: i64,
    /// The epoch of the record before it.
    pub leader_epoch: Option<LeaderEpoch>,
    /// What the client wants to find again.
    pub metadata: Box<str>,
}

/// The answer to [`CommitOffsets`]: of the group, or of each partition in the order they were asked for.
pub type CommitReply = Result<Vec<ErrorCode>, ErrorCode>;

/// OffsetFetch, for one group.
#[derive(Clone, Debug)]
pub struct FetchOffsets {
    /// The group.
    pub group: Arc<str>,
    /// The member of the consumer protocol, and its epoch.
    pub member: Option<(Arc<str>, i32)>,
    /// In these partitions by topic; `None`: in all.
    pub topics: Option<Vec<(Arc<str>, Vec<i32>)>>,
}

/// The answer to [`FetchOffsets`]: of the group, or of each partition.
pub type FetchReply = Result<Vec<FetchedTopic>, ErrorCode>;

/// Committed offsets of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedTopic {
    /// The topic.
    pub topic: Arc<str>,
    /// In its partitions; `None` where nothing is committed.
    pub partitions: Vec<(i32, Option<super::CommittedOffset>)>,
}

/// OffsetDelete.
#[derive(Clone, Debug)]
pub struct DeleteOffsets {
    /// The group.
    pub group: Arc<str>,
    /// By topic.
    pub topics: Vec<(Arc<str>, Vec<i32>)>,
}

/// The answer to [`DeleteOffsets`]: of the group, or of each topic, for all of its partitions.
pub type DeleteOffsetsReply = Result<Vec<ErrorCode>, ErrorCode>;

/// ListGroups.
#[derive(Clone, Copy, Debug)]
pub struct ListGroups;

/// A group in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its id.
    pub group: Arc<str>,
    /// The kind of group; empty for one that only commits offsets.
    pub protocol_type: Arc<str>,
    /// Its state.
    pub state: &'static str,
    /// Its type (KIP-848).
    pub group_type: &'static str,
}

/// DescribeGroups, for one group.
#[derive(Clone, Debug)]
pub struct DescribeGroup {
    /// The group.
    pub group: Arc<str>,
}

/// The answer to [`DescribeGroup`].
pub type DescribeReply = Result<DescribedGroup, Refusal>;

/// A group of the classic protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// Its state.
    pub state: &'static str,
    /// The kind of group.
    pub protocol_type: Arc<str>,
    /// The assignor, while it is stable.
    pub protocol: Arc<str>,
    /// The members.
    pub members: Vec<DescribedMember>,
}

/// A member of a group of the classic protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub member: Arc<str>,
    /// Of a static member.
    pub instance: Option<Arc<str>>,
    /// What the client calls itself.
    pub client_id: Arc<str>,
    /// Where it connects from.
    pub client_host: Arc<str>,
    /// What it says of itself, while the group is stable.
    pub metadata: Bytes,
    /// What it is assigned, while the group is stable.
    pub assignment: Bytes,
}

/// DeleteGroups, for one group.
#[derive(Clone, Debug)]
pub struct DeleteGroup {
    /// The group.
    pub group: Arc<str>,
}

/// ConsumerGroupHeartbeat.
#[derive(Clone, Debug)]
pub struct ConsumerHeartbeat {
    /// The group.
    pub group: Arc<str>,
    /// The member; empty for one that is to be given an id.
    pub member: Arc<str>,
    /// It need not have an id of its own (version 0).
    pub may_be_unnamed: bool,
    /// For the id of a member without one.
    pub new_member: Uuid,
    /// Its epoch; 0: it joins; -1: it leaves; -2: a static member leaves for a moment.
    pub epoch: i32,
    /// Of a static member.
    pub instance: Option<Arc<str>>,
    /// Its rack.
    pub rack: Option<Arc<str>>,
    /// What the client calls itself.
    pub client_id: Arc<str>,
    /// Where it connects from.
    pub client_host: Arc<str>,
    /// How long it may take to give partitions up. Here and below, `None`: as before.
    pub rebalance_timeout_ms: Option<i32>,
    /// The topics it is subscribed to by name.
    pub names: Option<Vec<Arc<str>>>,
    /// The regular expression it is subscribed to; empty: none.
    pub regex: Option<Arc<str>>,
    /// The assignor it prefers.
    pub assignor: Option<Arc<str>>,
    /// The partitions it has.
    pub owned: Option<BTreeSet<TopicPartition>>,
}

/// The answer to [`ConsumerHeartbeat`].
pub type ConsumerHeartbeatReply = Result<ConsumerHeartbeatAnswer, Refusal>;

/// What a member of the consumer protocol is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerHeartbeatAnswer {
    /// Its id.
    pub member: Arc<str>,
    /// Its epoch.
    pub epoch: i32,
    /// When to be heard of again.
    pub heartbeat_interval_ms: i32,
    /// What it has, by topic; `None`: as before.
    pub assignment: Option<Vec<(Uuid, Vec<i32>)>>,
}

/// ConsumerGroupDescribe, for one group.
#[derive(Clone, Debug)]
pub struct DescribeConsumerGroup {
    /// The group.
    pub group: Arc<str>,
}

/// The answer to [`DescribeConsumerGroup`].
pub type DescribeConsumerReply = Result<DescribedConsumerGroup, Refusal>;

/// A group of the consumer protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumerGroup {
    /// Its state.
    pub state: &'static str,
    /// Its epoch.
    pub epoch: i32,
    /// The epoch of its target assignment.
    pub target_epoch: i32,
    /// The assignor.
    pub assignor: &'static str,
    /// The members.
    pub members: Vec<DescribedConsumerMember>,
}

/// A member of a group of the consumer protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumerMember {
    /// Its id.
    pub member: Arc<str>,
    /// Of a static member.
    pub instance: Option<Arc<str>>,
    /// Its rack.
    pub rack: Option<Arc<str>>,
    /// Its epoch.
    pub epoch: i32,
    /// What the client calls itself.
    pub client_id: Arc<str>,
    /// Where it connects from.
    pub client_host: Arc<str>,
    /// The topics it is subscribed to by name.
    pub names: Vec<Arc<str>>,
    /// The regular expression it is subscribed to.
    pub regex: Option<Arc<str>>,
    /// What it has.
    pub assigned: Vec<NamedPartitions>,
    /// What it is to have.
    pub target: Vec<NamedPartitions>,
    /// It speaks the classic protocol.
    pub is_classic: bool,
}

/// Partitions of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPartitions {
    /// The topic's id.
    pub topic: Uuid,
    /// The topic's name.
    pub name: Arc<str>,
    /// Its partitions.
    pub partitions: Vec<i32>,
}

/// Topics were deleted.
#[derive(Clone, Debug)]
pub struct ForgetTopics {
    /// Their names.
    pub topics: Vec<Arc<str>>,
}

impl GroupRequest {
    /// Whether it wants something recorded. Members that are there say so with others: what follows from that is recorded when it can be.
    pub(super) fn is_to_record(&self) -> bool {
        match self {
            GroupRequest::JoinGroup(_)
            | GroupRequest::SyncGroup(_)
            | GroupRequest::LeaveGroup(_)
            | GroupRequest::CommitOffsets(_)
            | GroupRequest::DeleteOffsets(_)
            | GroupRequest::DeleteGroup(_) => true,
            GroupRequest::ConsumerHeartbeat(ask) => ask.epoch <= 0,
            GroupRequest::Heartbeat(_)
            | GroupRequest::FetchOffsets(_)
            | GroupRequest::ListGroups(_)
            | GroupRequest::DescribeGroup(_)
            | GroupRequest::DescribeConsumerGroup(_)
            | GroupRequest::ForgetTopics(_) => false,
        }
    }
}

impl JoinReply {
    /// A refusal.
    pub fn refused(error: ErrorCode, member: Option<Arc<str>>) -> JoinReply {
        JoinReply {
            error,
            member,
            joined: None,
        }
    }
}

impl SyncReply {
    /// A refusal.
    pub fn refused(error: ErrorCode) -> SyncReply {
        SyncReply {
            error,
            protocol: None,
            assignment: Bytes::new(),
        }
    }
}
