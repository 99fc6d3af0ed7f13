//! The error codes of the protocol, those of Apache Kafka 4.3 (`Errors`).

/// Declares the codes: value, variant, Kafka's name, whether a client may retry, a message.
macro_rules! error_codes {
    ($($code:literal $variant:ident $name:literal $retriable:literal $message:literal)*) => {
        /// What a response says went wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(into = "i16", try_from = "i16")]
        #[repr(i16)]
        pub enum ErrorCode {
            $(
                #[doc = $message]
                $variant = $code,
            )*
        }

        impl ErrorCode {
            /// All codes, by rising number.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant),*];

            /// The code of a number on the wire, if there is one.
            pub const fn from_code(code: i16) -> Option<ErrorCode> {
                match code {
                    $($code => Some(ErrorCode::$variant),)*
                    _ => None,
                }
            }

            /// Kafka's name of the code, as its tools print it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $name,)*
                }
            }

            /// Whether clients try again by themselves (Java's `RetriableException`).
            pub const fn is_retriable(self) -> bool {
                match self {
                    $(ErrorCode::$variant => $retriable,)*
                }
            }

            /// A sentence for `error_message` fields and logs.
            pub const fn message(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $message,)*
                }
            }
        }
    };
}

error_codes! {
    -1 UnknownServerError "UNKNOWN_SERVER_ERROR" false "the broker failed in a way it has no code for"
    0 None "NONE" false "no error"
    1 OffsetOutOfRange "OFFSET_OUT_OF_RANGE" false "the log has no such offset"
    2 CorruptMessage "CORRUPT_MESSAGE" true "the record batch is damaged or fails its checksum"
    3 UnknownTopicOrPartition "UNKNOWN_TOPIC_OR_PARTITION" true "there is no such topic or partition on this broker"
    4 InvalidFetchSize "INVALID_FETCH_SIZE" false "the fetch size is invalid"
    5 LeaderNotAvailable "LEADER_NOT_AVAILABLE" true "the partition has no leader at the moment"
    6 NotLeaderOrFollower "NOT_LEADER_OR_FOLLOWER" true "this broker is not the leader, or no replica, of the partition"
    7 RequestTimedOut "REQUEST_TIMED_OUT" true "the request was not completed in time"
    8 BrokerNotAvailable "BROKER_NOT_AVAILABLE" false "the broker is not available"
    9 ReplicaNotAvailable "REPLICA_NOT_AVAILABLE" true "the replica is not available on this broker"
    10 MessageTooLarge "MESSAGE_TOO_LARGE" false "the record batch is larger than the topic allows"
    11 StaleControllerEpoch "STALE_CONTROLLER_EPOCH" false "the controller has moved to another node"
    12 OffsetMetadataTooLarge "OFFSET_METADATA_TOO_LARGE" false "the metadata of the committed offset is too large"
    13 NetworkException "NETWORK_EXCEPTION" true "the connection was lost before the answer came"
    14 CoordinatorLoadInProgress "COORDINATOR_LOAD_IN_PROGRESS" true "the coordinator is still loading its state"
    15 CoordinatorNotAvailable "COORDINATOR_NOT_AVAILABLE" true "there is no coordinator at the moment"
    16 NotCoordinator "NOT_COORDINATOR" true "this broker is not the coordinator asked for"
    17 InvalidTopicException "INVALID_TOPIC_EXCEPTION" false "the topic's name is invalid, or the topic may not be used like this"
    18 RecordListTooLarge "RECORD_LIST_TOO_LARGE" false "the record batches are larger than a segment"
    19 NotEnoughReplicas "NOT_ENOUGH_REPLICAS" true "fewer replicas are in sync than min.insync.replicas asks for; nothing was written"
    20 NotEnoughReplicasAfterAppend "NOT_ENOUGH_REPLICAS_AFTER_APPEND" true "the records were written, but fewer replicas are in sync than min.insync.replicas asks for"
    21 InvalidRequiredAcks "INVALID_REQUIRED_ACKS" false "acks must be -1, 0 or 1"
    22 IllegalGeneration "ILLEGAL_GENERATION" false "the group has another generation"
    23 InconsistentGroupProtocol "INCONSISTENT_GROUP_PROTOCOL" false "the member's protocols do not fit those of the group"
    24 InvalidGroupId "INVALID_GROUP_ID" false "the group id is invalid"
    25 UnknownMemberId "UNKNOWN_MEMBER_ID" false "the group has no such member"
    26 InvalidSessionTimeout "INVALID_SESSION_TIMEOUT" false "the session timeout is outside of what the broker allows"
    27 RebalanceInProgress "REBALANCE_IN_PROGRESS" false "the group is rebalancing; join again"
    28 InvalidCommitOffsetSize "INVALID_COMMIT_OFFSET_SIZE" false "the committed offsets are too large to be stored"
    29 TopicAuthorizationFailed "TOPIC_AUTHORIZATION_FAILED" false "not authorized for the topic"
    30 GroupAuthorizationFailed "GROUP_AUTHORIZATION_FAILED" false "not authorized for the group"
    31 ClusterAuthorizationFailed "CLUSTER_AUTHORIZATION_FAILED" false "not authorized for the cluster"
    32 InvalidTimestamp "INVALID_TIMESTAMP" false "a timestamp is outside of what the topic allows"
    33 UnsupportedSaslMechanism "UNSUPPORTED_SASL_MECHANISM" false "the SASL mechanism is not enabled"
    34 IllegalSaslState "ILLEGAL_SASL_STATE" false "the request does not fit the state of the authentication"
    35 UnsupportedVersion "UNSUPPORTED_VERSION" false "the version of the request is not supported"
    36 TopicAlreadyExists "TOPIC_ALREADY_EXISTS" false "there is a topic of this name already"
    37 InvalidPartitions "INVALID_PARTITIONS" false "the number of partitions is invalid"
    38 InvalidReplicationFactor "INVALID_REPLICATION_FACTOR" false "the replication factor is below 1 or above the number of brokers"
    39 InvalidReplicaAssignment "INVALID_REPLICA_ASSIGNMENT" false "the replica assignment is invalid"
    40 InvalidConfig "INVALID_CONFIG" false "a configuration value is invalid"
    41 NotController "NOT_CONTROLLER" true "this node is not the controller"
    42 InvalidRequest "INVALID_REQUEST" false "the request contradicts itself or the protocol"
    43 UnsupportedForMessageFormat "UNSUPPORTED_FOR_MESSAGE_FORMAT" false "the message format does not support this"
    44 PolicyViolation "POLICY_VIOLATION" false "a policy of the cluster forbids it"
    45 OutOfOrderSequenceNumber "OUT_OF_ORDER_SEQUENCE_NUMBER" false "the sequence does not follow the last one of the producer"
    46 DuplicateSequenceNumber "DUPLICATE_SEQUENCE_NUMBER" false "the sequence was written before"
    47 InvalidProducerEpoch "INVALID_PRODUCER_EPOCH" false "the producer's epoch is old"
    48 InvalidTxnState "INVALID_TXN_STATE" false "the state of the transaction does not allow it"
    49 InvalidProducerIdMapping "INVALID_PRODUCER_ID_MAPPING" false "the producer id does not belong to the transactional id"
    50 InvalidTransactionTimeout "INVALID_TRANSACTION_TIMEOUT" false "the transaction timeout is larger than transaction.max.timeout.ms"
    51 ConcurrentTransactions "CONCURRENT_TRANSACTIONS" true "the transaction is being changed by another request"
    52 TransactionCoordinatorFenced "TRANSACTION_COORDINATOR_FENCED" false "the markers come from a coordinator that was replaced"
    53 TransactionalIdAuthorizationFailed "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" false "not authorized for the transactional id"
    54 SecurityDisabled "SECURITY_DISABLED" false "security is disabled"
    55 OperationNotAttempted "OPERATION_NOT_ATTEMPTED" false "not attempted, since another part of the request failed"
    56 KafkaStorageError "KAFKA_STORAGE_ERROR" true "the disk that holds the partition failed"
    57 LogDirNotFound "LOG_DIR_NOT_FOUND" false "the broker has no such log directory"
    58 SaslAuthenticationFailed "SASL_AUTHENTICATION_FAILED" false "the authentication failed"
    59 UnknownProducerId "UNKNOWN_PRODUCER_ID" false "nothing is known of the producer id, perhaps no more"
    60 ReassignmentInProgress "REASSIGNMENT_IN_PROGRESS" false "the partition is being reassigned"
    61 DelegationTokenAuthDisabled "DELEGATION_TOKEN_AUTH_DISABLED" false "delegation tokens are not enabled"
    62 DelegationTokenNotFound "DELEGATION_TOKEN_NOT_FOUND" false "there is no such delegation token"
    63 DelegationTokenOwnerMismatch "DELEGATION_TOKEN_OWNER_MISMATCH" false "the principal neither owns nor may renew the token"
    64 DelegationTokenRequestNotAllowed "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED" false "delegation tokens are not handled on such a connection"
    65 DelegationTokenAuthorizationFailed "DELEGATION_TOKEN_AUTHORIZATION_FAILED" false "not authorized for the delegation token"
    66 DelegationTokenExpired "DELEGATION_TOKEN_EXPIRED" false "the delegation token has expired"
    67 InvalidPrincipalType "INVALID_PRINCIPAL_TYPE" false "the type of the principal is not supported"
    68 NonEmptyGroup "NON_EMPTY_GROUP" false "the group has members"
    69 GroupIdNotFound "GROUP_ID_NOT_FOUND" false "there is no such group"
    70 FetchSessionIdNotFound "FETCH_SESSION_ID_NOT_FOUND" true "there is no such fetch session"
    71 InvalidFetchSessionEpoch "INVALID_FETCH_SESSION_EPOCH" true "the fetch session is at another epoch"
    72 ListenerNotFound "LISTENER_NOT_FOUND" true "the leader has no listener of the name this request came in by"
    73 TopicDeletionDisabled "TOPIC_DELETION_DISABLED" false "deleting topics is disabled"
    74 FencedLeaderEpoch "FENCED_LEADER_EPOCH" true "the leader epoch of the request is older than the broker's"
    75 UnknownLeaderEpoch "UNKNOWN_LEADER_EPOCH" true "the leader epoch of the request is newer than the broker's"
    76 UnsupportedCompressionType "UNSUPPORTED_COMPRESSION_TYPE" false "the codec is not supported at this version of the request"
    77 StaleBrokerEpoch "STALE_BROKER_EPOCH" false "the broker has registered anew since"
    78 OffsetNotAvailable "OFFSET_NOT_AVAILABLE" true "the new leader does not know the high watermark yet"
    79 MemberIdRequired "MEMBER_ID_REQUIRED" false "join again with the member id given"
    80 PreferredLeaderNotAvailable "PREFERRED_LEADER_NOT_AVAILABLE" true "the preferred leader is not available"
    81 GroupMaxSizeReached "GROUP_MAX_SIZE_REACHED" false "the group has as many members as are allowed"
    82 FencedInstanceId "FENCED_INSTANCE_ID" false "another member has registered with this group.instance.id"
    83 EligibleLeadersNotAvailable "ELIGIBLE_LEADERS_NOT_AVAILABLE" true "no replica may become the leader"
    84 ElectionNotNeeded "ELECTION_NOT_NEEDED" true "the partition has the leader it should have"
    85 NoReassignmentInProgress "NO_REASSIGNMENT_IN_PROGRESS" false "the partition is not being reassigned"
    86 GroupSubscribedToTopic "GROUP_SUBSCRIBED_TO_TOPIC" false "the group is subscribed to the topic, so its offsets stay"
    87 InvalidRecord "INVALID_RECORD" false "the record batch breaks a rule of the format or of the topic"
    88 UnstableOffsetCommit "UNSTABLE_OFFSET_COMMIT" true "offsets of an open transaction are pending"
    89 ThrottlingQuotaExceeded "THROTTLING_QUOTA_EXCEEDED" true "the quota is used up for now"
    90 ProducerFenced "PRODUCER_FENCED" false "a newer producer uses the transactional id"
    91 ResourceNotFound "RESOURCE_NOT_FOUND" false "there is no such resource"
    92 DuplicateResource "DUPLICATE_RESOURCE" false "the request names a resource twice"
    93 UnacceptableCredential "UNACCEPTABLE_CREDENTIAL" false "the credential is not acceptable"
    94 InconsistentVoterSet "INCONSISTENT_VOTER_SET" false "sender or receiver is not one of the expected voters"
    95 InvalidUpdateVersion "INVALID_UPDATE_VERSION" false "the version to update to is invalid"
    96 FeatureUpdateFailed "FEATURE_UPDATE_FAILED" false "the features could not be updated"
    97 PrincipalDeserializationFailure "PRINCIPAL_DESERIALIZATION_FAILURE" false "the principal of a forwarded request could not be read"
    98 SnapshotNotFound "SNAPSHOT_NOT_FOUND" false "there is no such snapshot"
    99 PositionOutOfRange "POSITION_OUT_OF_RANGE" false "the position is outside of the snapshot"
    100 UnknownTopicId "UNKNOWN_TOPIC_ID" true "there is no topic of this id on this broker"
    101 DuplicateBrokerRegistration "DUPLICATE_BROKER_REGISTRATION" false "the broker id is in use"
    102 BrokerIdNotRegistered "BROKER_ID_NOT_REGISTERED" false "no broker of this id is registered"
    103 InconsistentTopicId "INCONSISTENT_TOPIC_ID" true "the log belongs to another topic id"
    104 InconsistentClusterId "INCONSISTENT_CLUSTER_ID" false "the request is meant for another cluster"
    105 TransactionalIdNotFound "TRANSACTIONAL_ID_NOT_FOUND" false "there is no such transactional id"
    106 FetchSessionTopicIdError "FETCH_SESSION_TOPIC_ID_ERROR" true "the fetch session mixes topic ids and names"
    107 IneligibleReplica "INELIGIBLE_REPLICA" false "a replica may not be in the ISR"
    108 NewLeaderElected "NEW_LEADER_ELECTED" false "the change was made and elected another leader"
    109 OffsetMovedToTieredStorage "OFFSET_MOVED_TO_TIERED_STORAGE" false "the offset is in tiered storage only"
    110 FencedMemberEpoch "FENCED_MEMBER_EPOCH" false "the member was fenced; it must give up its partitions and join again"
    111 UnreleasedInstanceId "UNRELEASED_INSTANCE_ID" false "another member still uses the instance id"
    112 UnsupportedAssignor "UNSUPPORTED_ASSIGNOR" false "the group does not support the assignor"
    113 StaleMemberEpoch "STALE_MEMBER_EPOCH" false "the member must learn its new epoch by a heartbeat first"
    114 MismatchedEndpointType "MISMATCHED_ENDPOINT_TYPE" false "the endpoint is of another type"
    115 UnsupportedEndpointType "UNSUPPORTED_ENDPOINT_TYPE" false "the type of the endpoint is not supported"
    116 UnknownControllerId "UNKNOWN_CONTROLLER_ID" false "there is no such controller"
    117 UnknownSubscriptionId "UNKNOWN_SUBSCRIPTION_ID" false "the telemetry subscription is unknown or out of date"
    118 TelemetryTooLarge "TELEMETRY_TOO_LARGE" false "the telemetry is larger than the broker accepts"
    119 InvalidRegistration "INVALID_REGISTRATION" false "the registration is invalid"
    120 TransactionAbortable "TRANSACTION_ABORTABLE" false "the transaction failed and can only be aborted"
    121 InvalidRecordState "INVALID_RECORD_STATE" false "the state of the record does not allow the acknowledgement"
    122 ShareSessionNotFound "SHARE_SESSION_NOT_FOUND" true "there is no such share session"
    123 InvalidShareSessionEpoch "INVALID_SHARE_SESSION_EPOCH" true "the share session is at another epoch"
    124 FencedStateEpoch "FENCED_STATE_EPOCH" false "the state of the share group is at another epoch"
    125 InvalidVoterKey "INVALID_VOTER_KEY" false "the voter key is not that of this replica"
    126 DuplicateVoter "DUPLICATE_VOTER" false "the voter is one already"
    127 VoterNotFound "VOTER_NOT_FOUND" false "there is no such voter"
    128 InvalidRegularExpression "INVALID_REGULAR_EXPRESSION" false "the regular expression is invalid"
    129 RebootstrapRequired "REBOOTSTRAP_REQUIRED" false "what the client knows of the cluster is out of date; start from the bootstrap servers"
    130 StreamsInvalidTopology "STREAMS_INVALID_TOPOLOGY" false "the topology is invalid"
    131 StreamsInvalidTopologyEpoch "STREAMS_INVALID_TOPOLOGY_EPOCH" false "the epoch of the topology is invalid"
    132 StreamsTopologyFenced "STREAMS_TOPOLOGY_FENCED" false "the epoch of the topology is old"
    133 ShareSessionLimitReached "SHARE_SESSION_LIMIT_REACHED" true "there are as many share sessions as are allowed"
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Whether this says that all went well.
    pub const fn is_none(self) -> bool {
        matches!(self, ErrorCode::None)
    }
}

impl From<ErrorCode> for i16 {
    fn from(error: ErrorCode) -> i16 {
        error.code()
    }
}

/// A code that Kafka 4.3 does not have, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown error code {0}")]
pub struct UnknownErrorCode(pub i16);

impl TryFrom<i16> for ErrorCode {
    type Error = UnknownErrorCode;

    fn try_from(code: i16) -> Result<ErrorCode, UnknownErrorCode> {
        ErrorCode::from_code(code).ok_or(UnknownErrorCode(code))
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for ErrorCode {}

#[cfg(test)]
mod tests;
