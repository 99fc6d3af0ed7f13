//! DescribeConfigs. What is expected here is what Apache Kafka 4.3.1 answers.

use protocol::ErrorCode;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_configs_response::DescribeConfigsResult;
use protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::super::describe_configs::respond;
use super::super::topics::text;
use super::super::{ApiKey, Head};
use super::create;
use crate::config::{GROUP_DEFINITIONS, TOPIC_DEFINITIONS, describe_broker};
use crate::logging::LOGGERS;
use crate::testing::{TestBroker, decoded};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

fn resource(kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResource {
    DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| text(*key)).collect()))
}

async fn describe(
    broker: &mut TestBroker,
    version: i16,
    resources: Vec<DescribeConfigsResource>,
) -> Vec<DescribeConfigsResult> {
    let request = DescribeConfigsRequest::default()
        .with_resources(resources)
        .with_include_synonyms(true)
        .with_include_documentation(version >= 3);
    let response: DescribeConfigsResponse = broker.ask(version, &request).await;
    response.results
}

#[tokio::test]
async fn every_version_describes_a_topic() {
    let mut broker = TestBroker::start(&[("log.retention.ms", "5000")]).await;
    create(&mut broker, "a", 1).await;
    for version in 1..=4 {
        let results = describe(&mut broker, version, vec![resource(TOPIC, "a", None)]).await;
        let result = &results[0];
        assert_eq!(
            (result.error_code, result.error_message.as_deref()),
            (0, Some(""))
        );
        assert_eq!(result.configs.len(), TOPIC_DEFINITIONS.len());
        let retention = result
            .configs
            .iter()
            .find(|it| it.name.as_str() == "retention.ms");
        let retention = retention.expect("all are told");
        assert_eq!(
            (retention.value.as_deref(), retention.config_source),
            (Some("5000"), 4)
        );
        assert_eq!(retention.config_type, if version >= 3 { 5 } else { 0 });
        let synonym = &retention.synonyms[0];
        assert_eq!(
            (synonym.name.as_str(), synonym.source),
            ("log.retention.ms", 4)
        );
        let documentation = retention.documentation.as_deref().unwrap_or_default();
        assert_eq!(documentation.is_empty(), version < 3);
    }
}

#[tokio::test]
async fn keys_and_details_are_told_as_asked() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "a", 1).await;
    let keys: &[&str] = &["cleanup.policy", "nope", "retention.ms"];
    let request =
        DescribeConfigsRequest::default().with_resources(vec![resource(TOPIC, "a", Some(keys))]);
    let response: DescribeConfigsResponse = broker.ask(4, &request).await;
    let configs = &response.results[0].configs;
    let mut told: Vec<&str> = configs.iter().map(|config| config.name.as_str()).collect();
    told.sort_unstable();
    assert_eq!(told, ["cleanup.policy", "retention.ms"]);
    assert!(
        configs
            .iter()
            .all(|it| it.synonyms.is_empty() && it.documentation.is_none())
    );
    let results = describe(&mut broker, 4, vec![resource(TOPIC, "a", Some(&[]))]).await;
    assert_eq!(
        results[0].configs.len(),
        TOPIC_DEFINITIONS.len(),
        "no keys are all keys"
    );
}

#[tokio::test]
async fn this_broker_is_described() {
    let mut broker = TestBroker::start(&[]).await;
    let id = broker.broker.id.to_string();
    let resources = vec![resource(BROKER, &id, None), resource(BROKER, "", None)];
    let results = describe(&mut broker, 4, resources).await;
    let expected = describe_broker(&broker.broker.settings.now(), |_| true).len();
    assert_eq!(
        (results[0].error_code, results[0].configs.len()),
        (0, expected)
    );
    let factor = results[0]
        .configs
        .iter()
        .find(|it| it.name.as_str() == "default.replication.factor");
    assert_eq!(
        factor.and_then(|it| it.value.as_deref()),
        Some("1"),
        "Debezium asks for it"
    );
    assert_eq!(
        (results[1].error_code, results[1].configs.len()),
        (0, 0),
        "no default for all"
    );
}

#[tokio::test]
async fn each_resource_has_its_own_error() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "a", 1).await;
    let id = broker.broker.id.get();
    let padded = format!("0{id}");
    let cases = [
        (TOPIC, "none", 3, String::new()),
        (TOPIC, "__cluster_metadata", 3, String::new()),
        (
            TOPIC,
            "",
            17,
            "Topic name is invalid: the empty string is not allowed".to_owned(),
        ),
        (
            BROKER,
            "99",
            42,
            format!("Unexpected broker id, expected {id} or empty string, but received 99"),
        ),
        (
            BROKER,
            &padded,
            42,
            format!("Unexpected broker id, expected {id} or empty string, but received {padded}"),
        ),
        (
            BROKER,
            "x",
            42,
            "Broker id must be an integer, but it is: x".to_owned(),
        ),
        (LOGGER, "", 42, "Broker id must not be empty".to_owned()),
        (
            LOGGER,
            "x",
            42,
            "Broker id must be an integer, but it is: x".to_owned(),
        ),
        (
            LOGGER,
            "99",
            42,
            format!("Unexpected broker id, expected {id} but received 99"),
        ),
        (GROUP, "", 42, "Group name must not be empty".to_owned()),
        (
            CLIENT_METRICS,
            "",
            42,
            "Client metrics subscription name must not be empty".to_owned(),
        ),
        (3, "g", 42, ErrorCode::InvalidRequest.message().to_owned()),
        (0, "g", 42, ErrorCode::InvalidRequest.message().to_owned()),
        (TOPIC, "a", 0, String::new()),
    ];
    let resources = cases
        .iter()
        .map(|(kind, name, ..)| resource(*kind, name, None))
        .collect();
    let results = describe(&mut broker, 4, resources).await;
    assert_eq!(results.len(), cases.len());
    for (result, (kind, name, code, message)) in results.iter().zip(&cases) {
        assert_eq!(
            (result.resource_type, result.resource_name.as_str()),
            (*kind, *name)
        );
        assert_eq!(result.error_code, *code, "{name}");
        assert_eq!(
            result.error_message.as_deref(),
            Some(message.as_str()),
            "{name}"
        );
        assert_eq!(result.configs.is_empty(), *code != 0, "{name}");
    }
}

#[tokio::test]
async fn a_resource_named_twice_is_answered_once() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "a", 1).await;
    let results = describe(&mut broker, 4, vec![resource(TOPIC, "a", None); 3]).await;
    assert_eq!(results.len(), 1);
}

#[tokio::test]
async fn every_version_describes_loggers() {
    let mut broker = TestBroker::start(&[]).await;
    let id = broker.broker.id.to_string();
    let set = [("broker.net", Some("TRACE"))];
    broker.broker.loggers.set(&set).expect("few");
    for version in 1..=4 {
        let resources = vec![
            resource(LOGGER, &id, None),
            resource(LOGGER, "nope", Some(&["root"])),
        ];
        let results = describe(&mut broker, version, resources).await;
        assert_eq!(results[1].error_code, 42);
        let levels: Vec<_> = results[0]
            .configs
            .iter()
            .map(|it| (it.name.as_str(), it.value.as_deref(), it.config_source))
            .collect();
        assert_eq!(levels.len(), LOGGERS.len() + 1);
        assert!(levels.contains(&("root", Some("INFO"), 6)));
        assert!(levels.contains(&("broker.net", Some("TRACE"), 6)));
        assert!(levels.contains(&("storage.journal", Some("INFO"), 6)));
        assert!(results[0].configs.iter().all(|it| !it.read_only
            && it.synonyms.is_empty()
            && it.config_type == 0
            && it.documentation.as_deref() == Some("")));
    }
}

/// A group and a subscription need not be there to be described.
#[tokio::test]
async fn groups_and_client_metrics_are_described() {
    let mut broker = TestBroker::start(&[("group.share.session.timeout.ms", "46000")]).await;
    let resources = vec![
        resource(GROUP, "g", None),
        resource(CLIENT_METRICS, "m", None),
    ];
    let results = describe(&mut broker, 4, resources).await;
    let told = |at: usize, name: &str| {
        let mut configs = results[at].configs.iter();
        let config = configs.find(|it| it.name.as_str() == name).expect("told");
        let synonym = config.synonyms.first();
        (
            config.value.as_deref(),
            config.config_source,
            config.config_type,
            synonym.map(|it| (it.name.as_str(), it.value.as_deref(), it.source)),
        )
    };
    assert_eq!(results[0].configs.len(), GROUP_DEFINITIONS.len());
    assert_eq!(
        told(0, "consumer.session.timeout.ms"),
        (
            Some("45000"),
            5,
            3,
            Some(("group.consumer.session.timeout.ms", Some("45000"), 5))
        )
    );
    assert_eq!(
        told(0, "share.session.timeout.ms"),
        (
            Some("46000"),
            4,
            3,
            Some(("group.share.session.timeout.ms", Some("46000"), 4))
        )
    );
    assert_eq!(
        told(0, "share.auto.offset.reset"),
        (
            Some("latest"),
            5,
            2,
            Some(("share.auto.offset.reset", Some("latest"), 5))
        )
    );
    assert_eq!(told(1, "interval.ms"), (Some("300000"), 5, 3, None));
    assert_eq!(told(1, "match"), (Some(""), 5, 7, None));
    assert_eq!(told(1, "metrics"), (Some(""), 5, 7, None));
}

/// Groups need not be there, so a request can name as many as it has room for.
#[tokio::test]
async fn an_answer_has_an_end() {
    let broker = TestBroker::start(&[]).await;
    let answer = |keys: Option<&[&str]>, bytes_max: usize| {
        let groups = (0..100).map(|i| resource(GROUP, &format!("g{i}"), keys));
        let request = DescribeConfigsRequest::default()
            .with_resources(groups.collect())
            .with_include_synonyms(true)
            .with_include_documentation(true);
        let head = Head {
            api: ApiKey::DescribeConfigs,
            version: 4,
            correlation_id: 7,
            client_id: None,
        };
        let response = respond(&broker.broker, &head, &request, bytes_max);
        let size = response.bytes.len();
        let body: DescribeConfigsResponse = decoded(&response, head.api, head.version);
        (body.results, size)
    };
    let (all, size) = answer(None, usize::MAX);
    assert!(all.iter().all(|it| it.error_code == 0));
    let (some, smaller) = answer(None, 100_000);
    let described = some.iter().take_while(|it| it.error_code == 0).count();
    assert!((10..99).contains(&described), "{described} of {size} bytes");
    assert!(smaller < 120_000, "{smaller}");
    for refused in &some[described..] {
        assert_eq!(
            (refused.error_code, refused.configs.len()),
            (ErrorCode::PolicyViolation.code(), 0)
        );
    }
    let (few, _) = answer(Some(&["share.isolation.level"]), 100_000);
    assert!(few.iter().all(|it| it.configs.len() == 1));
}
