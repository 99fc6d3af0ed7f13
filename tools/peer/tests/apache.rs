//! Apache Kafka itself, started and stopped; needs a JDK and Maven, and fails without them only
//! where they are promised (`CI=true`).

use std::{error::Error, process::Command};

use peer::{ApacheKafka, ApacheKafkaConfig, Cluster, tool};

fn has_java_and_maven() -> bool {
    let found = ["java", "mvn"].iter().all(|program| {
        Command::new(program)
            .arg("-version")
            .output()
            .is_ok_and(|output| output.status.success())
    });
    assert!(
        found || std::env::var("CI").as_deref() != Ok("true"),
        "java and mvn are missing"
    );
    found
}

#[test]
fn three_brokers_survive_a_kill_and_a_restart() -> Result<(), Box<dyn Error>> {
    if !has_java_and_maven() {
        eprintln!("ignored: java or mvn is missing");
        return Ok(());
    }
    let config = ApacheKafkaConfig {
        brokers: 3,
        heap: "256m".to_owned(),
        properties: vec![("num.partitions".to_owned(), "5".to_owned())],
        ..ApacheKafkaConfig::default()
    };
    let mut cluster = ApacheKafka::start(config)?;
    assert_eq!(cluster.bootstrap().split(',').count(), 3);
    let topics = |args: &[&str]| -> Result<String, Box<dyn Error>> {
        let bootstrap = cluster.bootstrap();
        let output = tool("topics")?
            .args(["--bootstrap-server", &bootstrap])
            .args(args)
            .output()?;
        Ok(String::from_utf8(output.stdout)?)
    };
    topics(&["--create", "--topic", "kept"])?;
    let description = topics(&["--describe", "--topic", "kept"])?;
    assert!(description.contains("PartitionCount: 5"), "{description}");
    assert!(
        description.contains("ReplicationFactor: 3"),
        "{description}"
    );

    let before = cluster.pid(1);
    cluster.kill9(1);
    cluster.restart(1)?;
    assert_ne!(cluster.pid(1), before);
    cluster.stop(2)?;
    Ok(())
}
