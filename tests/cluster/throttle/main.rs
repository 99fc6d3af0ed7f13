//! A partition that moves at a limited rate (KIP-73), as Kafka's `kafka-reassign-partitions --throttle` asks for: the rate is kept, what is in sync is not held up, and
//! the tool finds and undoes all that it has set.

use std::{
    fs,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use client::{ClientError, Connection};
use libtest_mimic::{Arguments, Failed, Trial};
use peer::{Cluster, HoldfastCluster, HoldfastConfig, tool};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer},
};

const TOPIC: &str = "moved";
const NODES: i32 = 3;
/// Bytes per second.
const RATE: u64 = 1_000_000;
const RECORD_BYTES: usize = 10_000;
const RECORDS: usize = 500;
/// No step takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at something that no event tells of.
const LOOK: Duration = Duration::from_millis(50);
/// The largest batch that producers here make.
const BATCH_BYTES: u64 = 1_000_000;
const THROTTLED: [&str; 2] = [
    "leader.replication.throttled.replicas",
    "follower.replication.throttled.replicas",
];

fn main() -> ExitCode {
    let has_java = ["java", "mvn"].iter().all(|program| {
        let output = Command::new(program).arg("-version").output();
        output.is_ok_and(|it| it.status.success())
    });
    let name = "throttle::a_partition_moves_at_a_limited_rate";
    let is_ci = std::env::var("CI").is_ok_and(|it| it == "true");
    let trial = Trial::test(name, a_partition_moves_at_a_limited_rate);
    let trial = trial.with_ignored_flag(!has_java && !is_ci);
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn a_partition_moves_at_a_limited_rate() -> Result<(), Failed> {
    let mut cluster = HoldfastCluster::start(NODES as usize, &HoldfastConfig::default())?;
    let outcome = moves(&mut cluster);
    outcome.map_err(|error| {
        let message = error.message().unwrap_or_default();
        format!("{message}\n{}", cluster.log_tail()).into()
    })
}

fn moves(cluster: &mut HoldfastCluster) -> Result<(), Failed> {
    let bootstrap = cluster.bootstrap();
    let address = cluster.node(0).bootstrap();
    connect(&address)?.create_replicated_topic(TOPIC, 1, Some(2), &[])?;
    let metadata = connect(&address)?.metadata(Some(&[TOPIC]))?;
    let topic = metadata.topics.first().ok_or("no topic")?;
    let partition = topic.partitions.first().ok_or("no partition")?;
    let before = partition.replicas.clone();
    let coming = (1..=NODES)
        .find(|id| !before.contains(id))
        .ok_or("all have it")?;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("enable.idempotence", "true")
        .create()?;
    write(&producer, RECORDS)?;

    let plan = tempfile(&format!(
        r#"{{"version":1,"partitions":[{{"topic":"{TOPIC}","partition":0,"replicas":[{},{coming}]}}]}}"#,
        before[0]
    ))?;
    let rate = RATE.to_string();
    let told = reassign(&bootstrap, &plan, &["--execute", "--throttle", &rate])?;
    if !told.contains("limit was set") {
        return Err(format!("the tool says: {told}").into());
    }
    let since = Instant::now();
    let mut connection = connect(&address)?;
    for setting in THROTTLED {
        if set(&mut connection, setting)?.is_empty() {
            return Err(format!("{setting} is not set").into());
        }
    }
    // Two replicas are in sync, and nobody waits for the third.
    let mut slowest = Duration::ZERO;
    let mut written = 0;
    while connection.reassignments()? > 0 {
        if since.elapsed() > PATIENCE {
            return Err("the partition does not arrive".into());
        }
        let since = Instant::now();
        write(&producer, 1)?;
        written += 1;
        slowest = slowest.max(since.elapsed());
        thread::sleep(LOOK);
    }
    let took = since.elapsed();
    // The first second's worth may have gone while the tool was ending.
    let bytes = (RECORDS * RECORD_BYTES) as u64;
    let least = Duration::from_secs_f64((bytes - BATCH_BYTES - 2 * RATE) as f64 / RATE as f64);
    println!(
        "{bytes} bytes moved in {took:?}; of {written} records meanwhile the slowest took {slowest:?}"
    );
    if took < least {
        return Err(format!("{bytes} bytes moved in {took:?}").into());
    }
    for (id, name) in [(before[0], "leader"), (coming, "follower")] {
        let counted = counted(cluster, id, name)?;
        if counted < bytes {
            return Err(format!("the {name} has counted {counted} throttled bytes").into());
        }
    }
    if slowest > Duration::from_secs(2) {
        return Err(format!("a record was acknowledged after {slowest:?}").into());
    }

    let told = reassign(&bootstrap, &plan, &["--verify"])?;
    for words in [
        "is completed",
        "Clearing broker-level throttles",
        "Clearing topic-level throttles",
    ] {
        if !told.contains(words) {
            return Err(format!("the tool says: {told}").into());
        }
    }
    fs::remove_file(&plan)?;
    for setting in THROTTLED {
        if !set(&mut connection, setting)?.is_empty() {
            return Err(format!("{setting} is still set").into());
        }
    }
    Ok(())
}

/// Runs Kafka's tool, and returns what it says.
fn reassign(bootstrap: &str, plan: &std::path::Path, args: &[&str]) -> Result<String, Failed> {
    let mut command = tool("reassign-partitions")?;
    command.args(["--bootstrap-server", bootstrap, "--reassignment-json-file"]);
    let output = command.arg(plan).args(args).output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let told = text(&output.stdout) + &text(&output.stderr);
    match output.status.success() {
        true => Ok(told),
        false => Err(format!("the tool fails: {told}").into()),
    }
}

fn tempfile(text: &str) -> Result<std::path::PathBuf, Failed> {
    let name = format!("holdfast-throttle-{}.json", std::process::id());
    let path = std::env::temp_dir().join(name);
    fs::write(&path, text)?;
    Ok(path)
}

/// What a setting of the topic is.
fn set(connection: &mut Connection, setting: &str) -> Result<String, ClientError> {
    let mut values = connection.topic_config(&[TOPIC], setting)?;
    Ok(values.remove(TOPIC).unwrap_or_default())
}

/// Throttled bytes, as a broker counts them on one of both sides.
fn counted(cluster: &mut HoldfastCluster, id: i32, side: &str) -> Result<u64, Failed> {
    let name = format!("holdfast_replication_{side}_throttled_bytes_total ");
    let metrics = cluster.node(usize::try_from(id)? - 1).metrics()?;
    let value = metrics.lines().find_map(|line| line.strip_prefix(&name));
    Ok(value.ok_or("it is not counted")?.parse()?)
}

fn connect(address: &str) -> Result<Connection, ClientError> {
    Connection::connect(address, "throttle", PATIENCE)
}

/// Writes records. Done means: they are acknowledged.
fn write(producer: &BaseProducer, count: usize) -> Result<(), Failed> {
    let value = vec![b'x'; RECORD_BYTES];
    for _ in 0..count {
        let record = BaseRecord::<(), [u8]>::to(TOPIC)
            .partition(0)
            .payload(&value);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    Ok(producer.flush(PATIENCE)?)
}
