//! The brokers of a cluster, those that are fenced among them: asked for, and forgotten.

use protocol::{
    ApiKey,
    messages::{
        BrokerId, DescribeClusterRequest, UnregisterBrokerRequest,
        describe_cluster_response::DescribeClusterBroker,
    },
};

use crate::{ClientError, Connection, error::check, metadata::address};

/// `endpoint_type` of brokers.
const BROKERS: i8 = 1;
/// The first version that tells of fenced brokers (KIP-1073).
const FENCED_MIN: i16 = 2;

/// A broker that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedBroker {
    /// Its id.
    pub id: i32,
    /// `HOST:PORT`.
    pub address: String,
    /// Its rack.
    pub rack: Option<String>,
    /// Whether the controller takes it for gone. `None` from a broker that does not tell; fenced ones are then left out.
    pub is_fenced: Option<bool>,
}

impl Connection {
    /// Has the cluster forget a broker that is gone. One that it does not know is an error, and so is one that has replicas or votes.
    pub fn unregister_broker(&mut self, id: i32) -> Result<(), ClientError> {
        let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(id));
        let answer = self.call(&request)?;
        check("unregister a broker", answer.error_code)
    }

    /// Asks for the brokers.
    pub fn describe_brokers(&mut self) -> Result<Vec<DescribedBroker>, ClientError> {
        let tells_fenced = self.version(ApiKey::DescribeCluster)? >= FENCED_MIN;
        let request = DescribeClusterRequest::default()
            .with_endpoint_type(BROKERS)
            .with_include_fenced_brokers(tells_fenced);
        let answer = self.call(&request)?;
        check("describe the cluster", answer.error_code)?;
        let described = |it: &DescribeClusterBroker| DescribedBroker {
            id: it.broker_id.0,
            address: address(&it.host, it.port),
            rack: it.rack.as_ref().map(|rack| rack.to_string()),
            is_fenced: tells_fenced.then_some(it.is_fenced),
        };
        Ok(answer.brokers.iter().map(described).collect())
    }
}
