//! What an operator sees: metrics, health, logs, exit codes, and stops that leave nothing to recover.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use protocol::messages::FetchRequest;
use serde_json::Value;

use crate::support::http::{Scrape, get};
use crate::support::topics::FETCH;
use crate::support::{Node, NodeConfig, batch};

#[test]
fn metrics_are_there_and_move() {
    let node = Node::start(NodeConfig::new().set("io.engine", "threads"));
    let mut client = node.client();
    let topic = client.create_topic("t", 2, &[]);
    let before = Scrape::of(node.admin());
    const COUNT: i64 = 25;
    for _ in 0..COUNT {
        client.append(&topic, 1, batch(&["four", "more"]));
    }
    client.read_all(&topic, 1);
    client.refused(&topic, 7, batch(&["x"]));
    client.fetch(&topic, 1, 9999);
    let after = Scrape::of(node.admin());

    let produced = "holdfast_requests_total{api=\"Produce\",error=\"NONE\"}";
    assert_eq!(after.value(produced) - before.count(produced), COUNT as f64);
    let refused = "holdfast_requests_total{api=\"Produce\",error=\"UNKNOWN_TOPIC_OR_PARTITION\"}";
    assert_eq!(after.value(refused), 1.0);
    let out_of_range = "holdfast_requests_total{api=\"Fetch\",error=\"OFFSET_OUT_OF_RANGE\"}";
    assert_eq!(after.value(out_of_range), 1.0);
    let durations = "holdfast_request_duration_seconds_count{api=\"Produce\"}";
    assert_eq!(after.value(durations), COUNT as f64 + 1.0);

    let log_end = "kafka_log_log_logendoffset{topic=\"t\",partition=\"1\"}";
    assert_eq!(
        (before.value(log_end), after.value(log_end)),
        (0.0, 2.0 * COUNT as f64)
    );
    let high_watermark = "holdfast_partition_high_watermark{topic=\"t\",partition=\"1\"}";
    assert_eq!(after.value(high_watermark), 2.0 * COUNT as f64);
    let messages = "kafka_server_brokertopicmetrics_messagesin_total{topic=\"t\"}";
    assert_eq!(after.value(messages), 2.0 * COUNT as f64);

    for sample in [
        "holdfast_network_bytes_in_total",
        "holdfast_network_bytes_out_total",
        "kafka_server_brokertopicmetrics_bytesin_total{topic=\"t\"}",
        "kafka_server_brokertopicmetrics_bytesout_total{topic=\"t\"}",
        "holdfast_journal_sync_seconds_count",
        "holdfast_journal_commit_seconds_count",
        "holdfast_journal_commit_bytes_count",
    ] {
        assert!(
            after.value(sample) > before.count(sample),
            "{sample} does not move"
        );
    }
    assert_eq!(after.value("holdfast_connections"), 1.0);
    let used = |scrape: &Scrape| scrape.sum("holdfast_journal_bytes_used");
    assert!(used(&after) > used(&before));
    assert!(after.sum("holdfast_journal_bytes_capacity") >= 1024.0 * 1024.0);
    assert!(after.has("holdfast_io_engine{engine=\"threads\""));
    assert!(after.value("process_resident_memory_bytes") > 0.0);
    drop(client);
    let started = Instant::now();
    while Scrape::of(node.admin()).value("holdfast_connections") > 0.0 {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "the connection is still counted"
        );
    }
}

#[test]
fn health_follows_the_life_of_the_broker() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    let admin: SocketAddr = free.expect("a free port");
    let mut node = Node::prepare(NodeConfig::new().set("admin.listen", &admin.to_string()));
    // While it starts, it is alive and not ready.
    let mut command = node.config().command(node.data_dir());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("the broker's binary starts");
    let started = Instant::now();
    loop {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "it does not become ready"
        );
        match get(admin, "/readyz") {
            Ok((200, _)) => break,
            Ok((status, reason)) => assert_eq!((status, &*reason), (503, "recovering the data\n")),
            // Not listening yet.
            Err(_) => {}
        }
    }
    child
        .kill()
        .and_then(|()| child.wait())
        .expect("a child of ours");

    node.restart();
    for path in ["/livez", "/readyz"] {
        assert_eq!(
            get(admin, path).expect("an answer"),
            (200, "ok\n".to_owned())
        );
    }
    assert_eq!(get(admin, "/nothing").expect("an answer").0, 404);
    assert!(get(admin, "/").expect("an answer").1.contains("/metrics"));

    // While it stops, what is under way is finished, and nobody is sent here any more.
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    client.send(
        FETCH,
        &topic.fetch(0, 0).with_max_wait_ms(2000).with_min_bytes(1),
    );
    // Taken up before the signal, as its connection's next answer would show.
    let bytes_in = Scrape::of(admin).value("holdfast_network_bytes_in_total");
    assert!(bytes_in > 0.0);
    let mark = node.log_mark();
    node.terminate();
    let started = Instant::now();
    let mut seen = None;
    while seen.is_none() && started.elapsed() < Duration::from_secs(2) {
        match get(admin, "/readyz") {
            Ok((503, reason)) => seen = Some(reason),
            Ok((status, _)) => assert_eq!(status, 200),
            Err(error) => panic!("it says nothing while it stops: {error}"),
        }
    }
    assert_eq!(seen.as_deref(), Some("stopping\n"));
    assert_eq!(get(admin, "/livez").expect("an answer").0, 200);
    assert_eq!(client.receive::<FetchRequest>().error_code, 0);
    assert_eq!(node.ended().code(), Some(0));
    assert!(node.log_since(mark).contains("stopped"));
}

#[test]
fn a_clean_stop_leaves_nothing_to_replay() {
    for engine in ["threads", "uring"] {
        let mut node = Node::start(NodeConfig::new().set("io.engine", engine));
        let topic = node.client().create_topic("t", 3, &[]);
        for round in 0..3 {
            let mut client = node.client();
            for n in 0..30 {
                client.append(&topic, n % 3, batch(&[format!("{round} {n}")]));
            }
            let started = Instant::now();
            // The connection stays open: it is the broker that ends it.
            assert_eq!(node.stop().code(), Some(0));
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "idle clients are not waited for"
            );
            node.restart();
            let scrape = Scrape::of(node.admin());
            assert_eq!(scrape.value("holdfast_recovery_records"), 0.0);
            assert_eq!(
                scrape.value("holdfast_starts_total{last_stop=\"clean\"}"),
                1.0
            );
            let mut client = node.client();
            for partition in 0..3 {
                assert_eq!(client.read_all(&topic, partition).len(), 10 * (round + 1));
            }
        }
        node.kill9();
        node.restart();
        let scrape = Scrape::of(node.admin());
        assert_eq!(
            scrape.value("holdfast_starts_total{last_stop=\"unclean\"}"),
            1.0
        );
    }
}

#[test]
fn acknowledged_right_before_a_stop_is_there_after_it() {
    let mut node = Node::start(NodeConfig::new());
    let topic = node.client().create_topic("t", 1, &[]);
    let mut acknowledged = 0;
    for _ in 0..5 {
        let mut client = node.client();
        // The stop comes while requests are in flight: each is answered, or its connection ends.
        let producer = std::thread::spawn({
            let topic = topic.clone();
            move || {
                let mut done = 0;
                let request = topic.produce(-1, &[(0, batch(&["x"]))]);
                while let Ok(answer) = client.try_call(13, &request) {
                    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
                    done += 1;
                }
                done
            }
        });
        let mut watcher = node.client();
        let target = watcher.offset_of(&topic, 0, -1) + 20;
        while watcher.offset_of(&topic, 0, -1) < target {}
        assert_eq!(node.stop().code(), Some(0));
        acknowledged += producer.join().expect("no error but the end");
        node.restart();
        let there = node.client().read_all(&topic, 0).len();
        assert!(there >= acknowledged, "{there} of {acknowledged} are there");
        acknowledged = there;
    }
}

#[test]
fn json_logs_are_lines_of_json() {
    let config = NodeConfig::new()
        .set("log.format", "json")
        .set("log.level", "debug");
    let mut node = Node::start(config);
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    client.append(&topic, 0, batch(&["x"]));
    client.send_raw(&[0xff; 8]);
    client.outcome();
    node.kill9();
    node.restart();
    assert!(node.stop().success());
    let log = node.log();
    let mut messages = Vec::new();
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        for field in ["timestamp", "level", "target", "message"] {
            assert!(event[field].is_string(), "no {field} in {line}");
        }
        messages.push(event["message"].as_str().expect("text").to_owned());
    }
    for expected in [
        "started",
        "recovered the data directory",
        "connection closed",
        "stopped",
    ] {
        assert!(
            messages.iter().any(|message| message == expected),
            "{expected} is not logged"
        );
    }
}

#[test]
fn a_text_log_has_no_colours_and_says_where_it_listens() {
    let mut node = Node::start(NodeConfig::new());
    let address = node.kafka().to_string();
    assert!(node.stop().success());
    let log = node.log();
    assert!(!log.contains('\u{1b}'), "{log}");
    let started = log
        .lines()
        .find(|line| line.contains("started"))
        .expect("it says so");
    for field in ["cluster=", "node=1", "engine=", &address] {
        assert!(started.contains(field), "{field} is not in {started}");
    }
}
