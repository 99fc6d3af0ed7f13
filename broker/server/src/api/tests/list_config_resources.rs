//! ListConfigResources. What is expected here is what Apache Kafka 4.3.1 answers.

use protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use protocol::messages::{
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, ListConfigResourcesRequest,
    ListConfigResourcesResponse,
};

use super::super::topics::text;
use super::create;
use crate::testing::TestBroker;

/// Type and name.
type Named = (i8, String);

async fn list(broker: &mut TestBroker, version: i16, types: &[i8]) -> (i16, Vec<Named>) {
    let request = ListConfigResourcesRequest::default().with_resource_types(types.to_vec());
    let response: ListConfigResourcesResponse = broker.ask(version, &request).await;
    let resources = response.config_resources.into_iter();
    let resources = resources.map(|it| (it.resource_type, it.resource_name.to_string()));
    (response.error_code, resources.collect())
}

#[tokio::test]
async fn resources_are_listed_by_type() {
    let mut broker = TestBroker::start(&[("node.id", "7")]).await;
    for name in ["b", "a"] {
        create(&mut broker, name, 1).await;
    }
    for (kind, name, key, value) in [
        (32, "g", "consumer.session.timeout.ms", "46000"),
        (16, "m", "interval.ms", "1000"),
        (4, "", "log.retention.ms", "1000"),
    ] {
        let config = AlterableConfig::default()
            .with_name(text(key))
            .with_value(Some(text(value)));
        let resource = AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configs(vec![config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let response: IncrementalAlterConfigsResponse = broker.ask(1, &request).await;
        assert_eq!(response.responses[0].error_code, 0, "{response:?}");
    }
    let named = |kind: i8, name: &str| (kind, name.to_owned());
    let (group, metrics) = (named(32, "g"), named(16, "m"));
    let (logger, node) = (named(8, "7"), named(4, "7"));
    let topics = vec![named(2, "a"), named(2, "b")];
    assert_eq!(list(&mut broker, 0, &[]).await, (0, vec![metrics.clone()]));
    let cases: [(&[i8], Vec<Named>); 7] = [
        (
            &[],
            [
                vec![group.clone(), metrics.clone(), logger.clone(), node.clone()],
                topics.clone(),
            ]
            .concat(),
        ),
        (&[32], vec![group]),
        (&[16], vec![metrics]),
        (&[8], vec![logger]),
        (&[4], vec![node.clone()]),
        (&[2], topics.clone()),
        (&[2, 2, 4], [vec![node], topics].concat()),
    ];
    for (types, expected) in cases {
        assert_eq!(
            list(&mut broker, 1, types).await,
            (0, expected),
            "{types:?}"
        );
    }
    for unknown in [0, 1, 3, 64, -1] {
        assert_eq!(
            list(&mut broker, 1, &[2, unknown]).await,
            (35, vec![]),
            "{unknown}"
        );
    }
}
