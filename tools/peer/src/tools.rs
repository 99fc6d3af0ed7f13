//! Kafka's command line tools: the Java producer, consumer and admin client, unmodified.

use std::process::Command;

use crate::{PeerError, ensure_jars};

/// Short-lived tools start fastest without the optimising compiler and with the plainest collector.
const QUICK_JVM: [&str; 3] = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// One of Kafka's tools by its short name (`producer-perf`, `console-consumer`, `dump-log`, ...) or
/// by the name of its class, in a JVM that is quick to start; add arguments and run it.
pub fn tool(name: &str) -> Result<Command, PeerError> {
    tool_with_jvm(name, &QUICK_JVM)
}

/// As [`tool`], with the JVM's options chosen by the caller: a bench wants a real heap and the
/// optimising compiler.
pub fn tool_with_jvm(name: &str, jvm: &[&str]) -> Result<Command, PeerError> {
    let libs = ensure_jars()?;
    let mut java = Command::new("java");
    java.args(jvm)
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
        .arg("-cp")
        .arg(libs.join("*"))
        .arg(class_of(name));
    Ok(java)
}

fn class_of(name: &str) -> &str {
    match name {
        "client-metrics" => "org.apache.kafka.tools.ClientMetricsCommand",
        "configs" => "kafka.admin.ConfigCommand",
        "console-consumer" => "org.apache.kafka.tools.consumer.ConsoleConsumer",
        "console-producer" => "org.apache.kafka.tools.ConsoleProducer",
        "consumer-perf" => "org.apache.kafka.tools.ConsumerPerformance",
        "delete-records" => "org.apache.kafka.tools.DeleteRecordsCommand",
        "dump-log" => "org.apache.kafka.tools.DumpLogSegments",
        "e2e" => "org.apache.kafka.tools.EndToEndLatency",
        "features" => "org.apache.kafka.tools.FeatureCommand",
        "get-offsets" => "org.apache.kafka.tools.GetOffsetShell",
        "groups" => "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
        "log-dirs" => "org.apache.kafka.tools.LogDirsCommand",
        "producer-perf" => "org.apache.kafka.tools.ProducerPerformance",
        "reassign-partitions" => "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
        "storage" => "kafka.tools.StorageTool",
        "topics" => "org.apache.kafka.tools.TopicCommand",
        "transactions" => "org.apache.kafka.tools.TransactionsCommand",
        "verifiable-consumer" => "org.apache.kafka.tools.VerifiableConsumer",
        "verifiable-producer" => "org.apache.kafka.tools.VerifiableProducer",
        class => class,
    }
}
