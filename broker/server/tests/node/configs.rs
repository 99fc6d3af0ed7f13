//! What is set while the broker runs: in force at once, and after a crash.

use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest, MetadataRequest};

use crate::support::topics::topic_name;
use crate::support::{Client, Node, NodeConfig, batch};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const LOGGER: i8 = 8;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

#[track_caller]
fn set(client: &mut Client, kind: i8, resource: &str, key: &str, value: &str) {
    let config = AlterableConfig::default()
        .with_name(text(key))
        .with_value(Some(text(value)));
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(resource))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let answer = client.call(1, &request);
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
}

/// Value and source.
#[track_caller]
fn described(client: &mut Client, kind: i8, resource: &str, key: &str) -> (String, i8) {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(resource))
        .with_configuration_keys(Some(vec![text(key)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let answer = client.call(4, &request);
    let config = &answer.results[0].configs[0];
    let value = config.value.as_ref().map(ToString::to_string);
    (value.unwrap_or_default(), config.config_source)
}

#[test]
fn what_was_set_is_in_force_after_a_crash() {
    let mut node = Node::start(NodeConfig::new().set("node.id", "5"));
    let mut client = node.client();
    let follower = client.create_topic("follower", 1, &[]);
    let own = client.create_topic("own", 1, &[]);
    set(&mut client, BROKER, "", "message.max.bytes", "3000");
    set(&mut client, BROKER, "5", "message.max.bytes", "2000");
    let mark = node.log_mark();
    set(&mut client, BROKER, "5", "num.io.threads", "9");
    node.wait_for_log(mark, |line| {
        line.contains("set for this broker: num.io.threads has no effect here")
    });
    set(&mut client, TOPIC, "own", "max.message.bytes", "4000");
    for is_restarted in [false, true] {
        if is_restarted {
            node.kill9();
            node.restart();
            client = node.client();
        }
        let limit = described(&mut client, TOPIC, "follower", "max.message.bytes");
        assert_eq!(limit, ("2000".to_owned(), 2));
        let limit = described(&mut client, TOPIC, "own", "max.message.bytes");
        assert_eq!(limit, ("4000".to_owned(), 1));
        let threads = described(&mut client, BROKER, "5", "num.io.threads");
        assert_eq!(threads, ("9".to_owned(), 2));
        let small = || batch(&[vec![b'v'; 1000]]);
        let large = || batch(&[vec![b'v'; 2500]]);
        client.append(&follower, 0, small());
        assert_eq!(
            client.refused(&follower, 0, large()),
            ErrorCode::MessageTooLarge
        );
        client.append(&own, 0, large());
    }
}

#[test]
fn a_loggers_level_is_in_force_until_the_broker_stops() {
    const DETAIL: &str = "cannot create a topic automatically";
    let config = NodeConfig::new()
        .set("node.id", "5")
        .set("partitions.max", "1");
    let mut node = Node::start(config);
    let mut client = node.client();
    client.create_topic("only", 1, &[]);
    let log_detail = |client: &mut Client| {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name("too-many")));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![topic]))
            .with_allow_auto_topic_creation(true);
        let answer = client.call(12, &request);
        assert_ne!(answer.topics[0].error_code, 0, "{answer:?}");
    };
    log_detail(&mut client);
    set(&mut client, LOGGER, "5", "broker.api", "DEBUG");
    let mark = node.log_mark();
    log_detail(&mut client);
    node.wait_for_log(mark, |line| line.contains(DETAIL));
    set(&mut client, LOGGER, "5", "broker.api", "FATAL");
    log_detail(&mut client);
    set(&mut client, LOGGER, "5", "broker.api", "TRACE");
    node.kill9();
    node.restart();
    client = node.client();
    log_detail(&mut client);
    // What was logged before this line is there when it is.
    let mark = node.log_mark();
    set(&mut client, LOGGER, "5", "root", "WARN");
    node.wait_for_log(mark, |line| {
        line.contains("the level of a logger was changed")
    });
    assert_eq!(node.log().matches(DETAIL).count(), 1, "{}", node.log());
}
