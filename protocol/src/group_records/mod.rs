//! The records of `__consumer_offsets`, in Kafka's bytes (`group-coordinator/src/main/resources/common/message`): other tools read that
//! topic.
//!
//! A key begins with the number of its kind, a value with its version, both as a 16-bit integer. A record without a value takes back what
//! its key says.
//!
//! | key | what | versions of the value read | written |
//! |---:|---|---|---|
//! | 0, 1 | a committed offset | 0-4 | 3, or 1 where it has a time to expire at |
//! | 2 | a group of the classic protocol | 0-4 | 3 |
//! | 3 | a group of the consumer protocol (KIP-848) | 0 | 0 |
//! | 5 | a member of it, and what it asks for | 0 | 0 |
//! | 6 | the epoch of its target assignment | 0 | 0 |
//! | 7 | the target assignment of a member | 0 | 0 |
//! | 8 | the current assignment of a member | 0 | 0 |
//! | 16 | the topics that a regular expression stands for | 0 | 0 |
//!
//! Keys of other kinds are passed over, as Kafka does with those of versions to come: 4 among them, which Kafka has not written since 4.1.

mod consumer_group;
mod group_metadata;
mod offset_commit;

use bytes::{BufMut, Bytes, BytesMut};

pub use consumer_group::{
    ClassicMemberMetadata, ClassicProtocol, ConsumerGroupValue, ConsumerMemberValue,
    CurrentAssignmentValue, RegularExpressionValue, TargetEpochValue, TopicPartitions,
};
pub use group_metadata::{GroupMemberValue, GroupMetadataValue};
pub use offset_commit::{OffsetCommitKey, OffsetCommitValue};

use crate::wire::WireError;
use crate::wire::primitive::{Cursor, put_string};
use consumer_group::{decode_target, encode_target};

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupRecord {
    /// A group's offset in a partition.
    OffsetCommit {
        /// Whose, and where.
        key: OffsetCommitKey,
        /// `None`: it is forgotten.
        value: Option<OffsetCommitValue>,
    },
    /// A group of the classic protocol.
    GroupMetadata {
        /// Its id.
        group: String,
        /// `None`: it is gone.
        value: Option<GroupMetadataValue>,
    },
    /// A group of the consumer protocol.
    ConsumerGroup {
        /// Its id.
        group: String,
        /// `None`: it is gone, or of another protocol now.
        value: Option<ConsumerGroupValue>,
    },
    /// A member of a group of the consumer protocol.
    ConsumerMember {
        /// The group.
        group: String,
        /// The member.
        member: String,
        /// `None`: it is gone.
        value: Option<ConsumerMemberValue>,
    },
    /// The target assignment of a group: those of its members are before it.
    TargetEpoch {
        /// The group.
        group: String,
        /// `None`: the group is gone.
        value: Option<TargetEpochValue>,
    },
    /// What a member is to have.
    TargetAssignment {
        /// The group.
        group: String,
        /// The member.
        member: String,
        /// `None`: it is gone.
        value: Option<Vec<TopicPartitions>>,
    },
    /// What a member has.
    CurrentAssignment {
        /// The group.
        group: String,
        /// The member.
        member: String,
        /// `None`: it is gone.
        value: Option<CurrentAssignmentValue>,
    },
    /// What a regular expression stands for.
    RegularExpression {
        /// The group.
        group: String,
        /// The expression.
        regex: String,
        /// `None`: nobody is subscribed to it any more.
        value: Option<RegularExpressionValue>,
    },
}

const LEGACY_OFFSET_COMMIT_KEY: i16 = 0;
const OFFSET_COMMIT_KEY: i16 = 1;
const GROUP_METADATA_KEY: i16 = 2;
const CONSUMER_GROUP_KEY: i16 = 3;
const CONSUMER_MEMBER_KEY: i16 = 5;
const TARGET_EPOCH_KEY: i16 = 6;
const TARGET_ASSIGNMENT_KEY: i16 = 7;
const CURRENT_ASSIGNMENT_KEY: i16 = 8;
const REGULAR_EXPRESSION_KEY: i16 = 16;

impl GroupRecord {
    /// The group it is about.
    pub fn group(&self) -> &str {
        match self {
            GroupRecord::OffsetCommit { key, .. } => &key.group,
            GroupRecord::GroupMetadata { group, .. }
            | GroupRecord::ConsumerGroup { group, .. }
            | GroupRecord::ConsumerMember { group, .. }
            | GroupRecord::TargetEpoch { group, .. }
            | GroupRecord::TargetAssignment { group, .. }
            | GroupRecord::CurrentAssignment { group, .. }
            | GroupRecord::RegularExpression { group, .. } => group,
        }
    }

    /// Whether it takes something back.
    pub fn is_removal(&self) -> bool {
        match self {
            GroupRecord::OffsetCommit { value, .. } => value.is_none(),
            GroupRecord::GroupMetadata { value, .. } => value.is_none(),
            GroupRecord::ConsumerGroup { value, .. } => value.is_none(),
            GroupRecord::ConsumerMember { value, .. } => value.is_none(),
            GroupRecord::TargetEpoch { value, .. } => value.is_none(),
            GroupRecord::TargetAssignment { value, .. } => value.is_none(),
            GroupRecord::CurrentAssignment { value, .. } => value.is_none(),
            GroupRecord::RegularExpression { value, .. } => value.is_none(),
        }
    }

    /// The key and the value.
    pub fn encode(&self) -> Result<(Bytes, Option<Bytes>), WireError> {
        let mut key = BytesMut::new();
        let value = match self {
            GroupRecord::OffsetCommit { key: id, value } => {
                key.put_i16(OFFSET_COMMIT_KEY);
                id.encode(&mut key)?;
                value.as_ref().map(OffsetCommitValue::encode)
            }
            GroupRecord::GroupMetadata { group, value } => {
                key.put_i16(GROUP_METADATA_KEY);
                put_string(&mut key, false, group)?;
                value.as_ref().map(GroupMetadataValue::encode)
            }
            GroupRecord::ConsumerGroup { group, value } => {
                put_names(&mut key, CONSUMER_GROUP_KEY, &[group])?;
                value.as_ref().map(ConsumerGroupValue::encode)
            }
            GroupRecord::ConsumerMember {
                group,
                member,
                value,
            } => {
                put_names(&mut key, CONSUMER_MEMBER_KEY, &[group, member])?;
                value.as_ref().map(ConsumerMemberValue::encode)
            }
            GroupRecord::TargetEpoch { group, value } => {
                put_names(&mut key, TARGET_EPOCH_KEY, &[group])?;
                value.as_ref().map(TargetEpochValue::encode)
            }
            GroupRecord::TargetAssignment {
                group,
                member,
                value,
            } => {
                put_names(&mut key, TARGET_ASSIGNMENT_KEY, &[group, member])?;
                value.as_deref().map(encode_target)
            }
            GroupRecord::CurrentAssignment {
                group,
                member,
                value,
            } => {
                put_names(&mut key, CURRENT_ASSIGNMENT_KEY, &[group, member])?;
                value.as_ref().map(CurrentAssignmentValue::encode)
            }
            GroupRecord::RegularExpression {
                group,
                regex,
                value,
            } => {
                put_names(&mut key, REGULAR_EXPRESSION_KEY, &[group, regex])?;
                value.as_ref().map(RegularExpressionValue::encode)
            }
        };
        Ok((key.freeze(), value.transpose()?.map(BytesMut::freeze)))
    }

    /// Reads a record. `None` if it is of a kind that is not known.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<GroupRecord>, WireError> {
        let mut cursor = Cursor::new(key);
        let kind = cursor.i16()?;
        let mut name = || -> Result<String, WireError> { Ok(cursor.string(false)?.to_owned()) };
        let record = match kind {
            LEGACY_OFFSET_COMMIT_KEY | OFFSET_COMMIT_KEY => GroupRecord::OffsetCommit {
                key: OffsetCommitKey::decode(&mut cursor)?,
                value: value.map(OffsetCommitValue::decode).transpose()?,
            },
            GROUP_METADATA_KEY => GroupRecord::GroupMetadata {
                group: name()?,
                value: value.map(GroupMetadataValue::decode).transpose()?,
            },
            CONSUMER_GROUP_KEY => GroupRecord::ConsumerGroup {
                group: name()?,
                value: value.map(ConsumerGroupValue::decode).transpose()?,
            },
            CONSUMER_MEMBER_KEY => GroupRecord::ConsumerMember {
                group: name()?,
                member: name()?,
                value: value.map(ConsumerMemberValue::decode).transpose()?,
            },
            TARGET_EPOCH_KEY => GroupRecord::TargetEpoch {
                group: name()?,
                value: value.map(TargetEpochValue::decode).transpose()?,
            },
            TARGET_ASSIGNMENT_KEY => GroupRecord::TargetAssignment {
                group: name()?,
                member: name()?,
                value: value.map(decode_target).transpose()?,
            },
            CURRENT_ASSIGNMENT_KEY => GroupRecord::CurrentAssignment {
                group: name()?,
                member: name()?,
                value: value.map(CurrentAssignmentValue::decode).transpose()?,
            },
            REGULAR_EXPRESSION_KEY => GroupRecord::RegularExpression {
                group: name()?,
                regex: name()?,
                value: value.map(RegularExpressionValue::decode).transpose()?,
            },
            _ => return Ok(None),
        };
        Ok(Some(record))
    }
}

/// The version of a value, which has at most `max`.
fn version(cursor: &mut Cursor<'_>, max: i16) -> Result<i16, WireError> {
    match cursor.i16()? {
        version if (0..=max).contains(&version) => Ok(version),
        _ => Err(WireError::Malformed("a record of a version to come")),
    }
}

/// A key of strings.
fn put_names(buf: &mut BytesMut, kind: i16, names: &[&String]) -> Result<(), WireError> {
    buf.put_i16(kind);
    names
        .iter()
        .try_for_each(|name| put_string(buf, false, name))
}

#[cfg(test)]
mod tests;
