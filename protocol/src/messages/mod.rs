//! The bodies of requests and responses: those of the codec, and in their place those of which it
//! lacks versions that Kafka 4.3 has.

pub mod add_raft_voter_request;
pub mod describe_log_dirs_response;
pub mod offset_commit_request;
pub mod offset_fetch_request;

pub use add_raft_voter_request::AddRaftVoterRequest;
pub use describe_log_dirs_response::DescribeLogDirsResponse;
pub use kafka_protocol::messages::*;

/// Calls a macro with every API that can be decoded and encoded, as
/// `(Api, Request, Response, oldest, newest),` where the names are of [`messages`](crate::messages)
/// and the versions those that both bodies have.
#[macro_export]
macro_rules! for_each_api {
    ($macro:ident) => {
        $macro! {
            (Produce, ProduceRequest, ProduceResponse, 3, 13),
            (Fetch, FetchRequest, FetchResponse, 4, 18),
            (ListOffsets, ListOffsetsRequest, ListOffsetsResponse, 1, 11),
            (Metadata, MetadataRequest, MetadataResponse, 0, 13),
            (OffsetCommit, OffsetCommitRequest, OffsetCommitResponse, 2, 10),
            (OffsetFetch, OffsetFetchRequest, OffsetFetchResponse, 1, 10),
            (FindCoordinator, FindCoordinatorRequest, FindCoordinatorResponse, 0, 6),
            (JoinGroup, JoinGroupRequest, JoinGroupResponse, 0, 9),
            (Heartbeat, HeartbeatRequest, HeartbeatResponse, 0, 4),
            (LeaveGroup, LeaveGroupRequest, LeaveGroupResponse, 0, 5),
            (SyncGroup, SyncGroupRequest, SyncGroupResponse, 0, 5),
            (DescribeGroups, DescribeGroupsRequest, DescribeGroupsResponse, 0, 6),
            (ListGroups, ListGroupsRequest, ListGroupsResponse, 0, 5),
            (SaslHandshake, SaslHandshakeRequest, SaslHandshakeResponse, 0, 1),
            (ApiVersions, ApiVersionsRequest, ApiVersionsResponse, 0, 4),
            (CreateTopics, CreateTopicsRequest, CreateTopicsResponse, 2, 7),
            (DeleteTopics, DeleteTopicsRequest, DeleteTopicsResponse, 1, 6),
            (DeleteRecords, DeleteRecordsRequest, DeleteRecordsResponse, 0, 2),
            (InitProducerId, InitProducerIdRequest, InitProducerIdResponse, 0, 5),
            (OffsetForLeaderEpoch, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, 2, 4),
            (AddPartitionsToTxn, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, 0, 5),
            (AddOffsetsToTxn, AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, 0, 4),
            (EndTxn, EndTxnRequest, EndTxnResponse, 0, 5),
            (WriteTxnMarkers, WriteTxnMarkersRequest, WriteTxnMarkersResponse, 1, 1),
            (TxnOffsetCommit, TxnOffsetCommitRequest, TxnOffsetCommitResponse, 0, 5),
            (DescribeAcls, DescribeAclsRequest, DescribeAclsResponse, 1, 3),
            (CreateAcls, CreateAclsRequest, CreateAclsResponse, 1, 3),
            (DeleteAcls, DeleteAclsRequest, DeleteAclsResponse, 1, 3),
            (DescribeConfigs, DescribeConfigsRequest, DescribeConfigsResponse, 1, 4),
            (AlterConfigs, AlterConfigsRequest, AlterConfigsResponse, 0, 2),
            (AlterReplicaLogDirs, AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, 1, 2),
            (DescribeLogDirs, DescribeLogDirsRequest, DescribeLogDirsResponse, 1, 5),
            (SaslAuthenticate, SaslAuthenticateRequest, SaslAuthenticateResponse, 0, 2),
            (CreatePartitions, CreatePartitionsRequest, CreatePartitionsResponse, 0, 3),
            (CreateDelegationToken, CreateDelegationTokenRequest, CreateDelegationTokenResponse, 1, 3),
            (RenewDelegationToken, RenewDelegationTokenRequest, RenewDelegationTokenResponse, 1, 2),
            (ExpireDelegationToken, ExpireDelegationTokenRequest, ExpireDelegationTokenResponse, 1, 2),
            (DescribeDelegationToken, DescribeDelegationTokenRequest, DescribeDelegationTokenResponse, 1, 3),
            (DeleteGroups, DeleteGroupsRequest, DeleteGroupsResponse, 0, 2),
            (ElectLeaders, ElectLeadersRequest, ElectLeadersResponse, 0, 2),
            (IncrementalAlterConfigs, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, 0, 1),
            (AlterPartitionReassignments, AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, 0, 1),
            (ListPartitionReassignments, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, 0, 0),
            (OffsetDelete, OffsetDeleteRequest, OffsetDeleteResponse, 0, 0),
            (DescribeClientQuotas, DescribeClientQuotasRequest, DescribeClientQuotasResponse, 0, 1),
            (AlterClientQuotas, AlterClientQuotasRequest, AlterClientQuotasResponse, 0, 1),
            (DescribeUserScramCredentials, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, 0, 0),
            (AlterUserScramCredentials, AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, 0, 0),
            (Vote, VoteRequest, VoteResponse, 0, 2),
            (BeginQuorumEpoch, BeginQuorumEpochRequest, BeginQuorumEpochResponse, 0, 1),
            (EndQuorumEpoch, EndQuorumEpochRequest, EndQuorumEpochResponse, 0, 1),
            (DescribeQuorum, DescribeQuorumRequest, DescribeQuorumResponse, 0, 2),
            (AlterPartition, AlterPartitionRequest, AlterPartitionResponse, 2, 3),
            (UpdateFeatures, UpdateFeaturesRequest, UpdateFeaturesResponse, 0, 2),
            (Envelope, EnvelopeRequest, EnvelopeResponse, 0, 0),
            (FetchSnapshot, FetchSnapshotRequest, FetchSnapshotResponse, 0, 1),
            (DescribeCluster, DescribeClusterRequest, DescribeClusterResponse, 0, 2),
            (DescribeProducers, DescribeProducersRequest, DescribeProducersResponse, 0, 0),
            (BrokerRegistration, BrokerRegistrationRequest, BrokerRegistrationResponse, 0, 4),
            (BrokerHeartbeat, BrokerHeartbeatRequest, BrokerHeartbeatResponse, 0, 1),
            (UnregisterBroker, UnregisterBrokerRequest, UnregisterBrokerResponse, 0, 0),
            (DescribeTransactions, DescribeTransactionsRequest, DescribeTransactionsResponse, 0, 0),
            (ListTransactions, ListTransactionsRequest, ListTransactionsResponse, 0, 2),
            (AllocateProducerIds, AllocateProducerIdsRequest, AllocateProducerIdsResponse, 0, 0),
            (ConsumerGroupHeartbeat, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, 0, 1),
            (ConsumerGroupDescribe, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, 0, 1),
            (ControllerRegistration, ControllerRegistrationRequest, ControllerRegistrationResponse, 0, 0),
            (GetTelemetrySubscriptions, GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, 0, 0),
            (PushTelemetry, PushTelemetryRequest, PushTelemetryResponse, 0, 0),
            (AssignReplicasToDirs, AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, 0, 0),
            (ListConfigResources, ListConfigResourcesRequest, ListConfigResourcesResponse, 0, 1),
            (DescribeTopicPartitions, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, 0, 0),
            (ShareGroupHeartbeat, ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse, 1, 1),
            (ShareGroupDescribe, ShareGroupDescribeRequest, ShareGroupDescribeResponse, 1, 1),
            (ShareFetch, ShareFetchRequest, ShareFetchResponse, 1, 1),
            (ShareAcknowledge, ShareAcknowledgeRequest, ShareAcknowledgeResponse, 1, 1),
            (AddRaftVoter, AddRaftVoterRequest, AddRaftVoterResponse, 0, 1),
            (RemoveRaftVoter, RemoveRaftVoterRequest, RemoveRaftVoterResponse, 0, 0),
            (UpdateRaftVoter, UpdateRaftVoterRequest, UpdateRaftVoterResponse, 0, 0),
            (InitializeShareGroupState, InitializeShareGroupStateRequest, InitializeShareGroupStateResponse, 0, 0),
            (ReadShareGroupState, ReadShareGroupStateRequest, ReadShareGroupStateResponse, 0, 0),
            (WriteShareGroupState, WriteShareGroupStateRequest, WriteShareGroupStateResponse, 0, 0),
            (DeleteShareGroupState, DeleteShareGroupStateRequest, DeleteShareGroupStateResponse, 0, 0),
            (ReadShareGroupStateSummary, ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse, 0, 0),
            (DescribeShareGroupOffsets, DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse, 0, 0),
            (AlterShareGroupOffsets, AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse, 0, 0),
            (DeleteShareGroupOffsets, DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse, 0, 0),
        }
    };
}
