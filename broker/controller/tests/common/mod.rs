//! What the tests share: a cluster of one controller, and a small table of configurations.

use std::collections::BTreeMap;

use broker_controller::decide::{FEATURES, RegisterBroker};
use broker_controller::record::Listener;
use broker_controller::{
    ApiError, ClusterId, Command, ConfigResource, ConfigValidator, Context, ControllerConfig,
    DirectoryId, IncarnationId, MetadataImage, MetadataRecord, ResourceType, TopicRules, decide,
};
use protocol::ErrorCode;
use protocol::model::{BrokerId, TopicId, Uuid};

/// Knows `retention.ms` (a number), `cleanup.policy` (a list, `delete` by default), `min.insync.replicas` (1 by default),
/// `unclean.leader.election.enable`, and nothing else.
pub(crate) struct FewConfigs;

impl ConfigValidator for FewConfigs {
    fn is_list(&self, _: ResourceType, key: &str) -> bool {
        key == "cleanup.policy"
    }

    fn default_value(&self, _: ResourceType, key: &str) -> Option<String> {
        self.is_list(ResourceType::Topic, key)
            .then(|| "delete".to_owned())
    }

    fn topic_rules(&self, configs: &BTreeMap<String, String>) -> TopicRules {
        let min = configs.get("min.insync.replicas").map(|it| it.parse());
        let unclean = configs.get("unclean.leader.election.enable");
        TopicRules {
            min_insync_replicas: min.map_or(1, |min| min.expect("a number")),
            unclean_leader_election: unclean.is_some_and(|it| it == "true"),
            survives_restart: configs.get("durability").is_none_or(|it| it == "fsync"),
        }
    }

    fn validate(
        &self,
        _: &ConfigResource,
        configs: &BTreeMap<String, String>,
        _: &BTreeMap<String, String>,
    ) -> Result<(), ApiError> {
        let refused = |message| Err(ApiError::new(ErrorCode::InvalidConfig, message));
        for (key, value) in configs {
            match key.as_str() {
                "cleanup.policy"
                | "min.insync.replicas"
                | "unclean.leader.election.enable"
                | "durability" => {}
                "retention.ms" if value.parse::<i64>().is_ok() => {}
                "retention.ms" => {
                    return refused(format!(
                        "Invalid value {value} for configuration retention.ms: Not a number of \
                         type LONG"
                    ));
                }
                _ => return refused(format!("Unknown topic config name: {key}")),
            }
        }
        Ok(())
    }
}

/// A controller with its log.
pub(crate) struct Cluster {
    pub(crate) image: MetadataImage,
    pub(crate) log: Vec<MetadataRecord>,
    pub(crate) config: ControllerConfig,
}

impl Cluster {
    pub(crate) fn empty() -> Cluster {
        Cluster {
            image: MetadataImage::default(),
            log: Vec::new(),
            config: ControllerConfig::default(),
        }
    }

    /// Decides, records and applies; returns the answer and the records.
    pub(crate) fn run<C: Command>(&mut self, command: &C) -> (C::Response, Vec<MetadataRecord>) {
        let context = Context {
            image: &self.image,
            config: &self.config,
            configs: &FewConfigs,
        };
        let decision = decide(&context, command);
        self.image = self.image.apply(&decision.records).image;
        self.log.extend(decision.records.iter().cloned());
        (decision.response, decision.records)
    }
}

pub(crate) fn cluster_id() -> ClusterId {
    ClusterId::new(Uuid::from_u128(0xc1))
}

pub(crate) fn topic_id(number: u128) -> TopicId {
    TopicId::new(Uuid::from_u128(number)).expect("not zero")
}

pub(crate) fn register(id: i32, incarnation: u128, directories: &[u128]) -> RegisterBroker {
    let directory = |id: &u128| DirectoryId::new(Uuid::from_u128(*id));
    RegisterBroker {
        cluster_id: cluster_id(),
        broker_id: BrokerId::new(id),
        incarnation_id: IncarnationId::new(Uuid::from_u128(incarnation)),
        directories: directories.iter().map(directory).collect(),
        listeners: vec![Listener {
            name: "PLAINTEXT".into(),
            host: format!("host{id}"),
            port: 9092,
        }],
        rack: None,
        features: FEATURES.iter().map(|feature| (*feature).into()).collect(),
        fenced: false,
    }
}
