//! The binary, against Holdfast: one node, and three of which one is killed.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use peer::{Cluster, Holdfast, HoldfastCluster, HoldfastConfig};
use serde_json::Value;

const WELL: i32 = 0;
const NOT_WELL: i32 = 1;
const NO_ANSWER: i32 = 2;
/// How long a cluster may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(60);
/// Between two looks at that.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

fn ctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast-ctl"));
    command.args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str]) -> Output {
    ctl(arguments).output().expect("holdfast-ctl runs")
}

#[track_caller]
fn json(output: &Output, code: i32) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}\n{errors}");
    serde_json::from_str(&text).expect("JSON")
}

fn status(bootstrap: &str) -> Output {
    run(&[
        "cluster",
        "status",
        "--bootstrap-server",
        bootstrap,
        "--format",
        "json",
    ])
}

fn safe_to_stop(bootstrap: &str, broker: &str) -> Output {
    let arguments = [
        "cluster",
        "safe-to-stop",
        broker,
        "--bootstrap-server",
        bootstrap,
    ];
    run(&[&arguments[..], &["--format", "json"]].concat())
}

/// The protocol has no event for what other brokers know: asked until it is so.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + REST_MAX;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {REST_MAX:?}");
        thread::sleep(LOOK_INTERVAL);
    }
}

#[track_caller]
fn assert_clean(outcome: &Value) {
    let counts = &outcome["counts"];
    assert_eq!(
        outcome["anomalies"],
        Value::Array(Vec::new()),
        "{outcome:#}"
    );
    assert!(counts["acknowledged"].as_u64() > Some(100), "{outcome:#}");
    assert_eq!(counts["unknown"], 0, "{outcome:#}");
    for consumer in ["tail", "random", "final-small", "final-large"] {
        assert!(counts["read"][consumer].as_u64() > Some(0), "{outcome:#}");
    }
    assert_eq!(counts["read"]["final-small"], counts["read"]["final-large"]);
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path of plain characters")
}

#[test]
fn one_node() {
    let broker = Holdfast::start(HoldfastConfig::default()).expect("a broker");
    let bootstrap = broker.bootstrap();
    let directory = tempfile::TempDir::new().expect("a directory");
    let history = directory.path().join("history.jsonl");
    let arguments = ["verify", "--bootstrap-server", &bootstrap, "--seconds", "3"];
    let kept = [
        "--format",
        "json",
        "--partitions",
        "3",
        "--history",
        path(&history),
    ];
    let outcome = json(&run(&[&arguments[..], &kept].concat()), WELL);
    assert_clean(&outcome);
    assert_eq!(outcome["is_topic_deleted"], true);
    let check = ["verify", "--format", "json", "--check", path(&history)];
    let verdict = json(&run(&check), WELL);
    assert_eq!(verdict["counts"], outcome["counts"]);

    assert_eq!(json(&status(&bootstrap), WELL)["is_healthy"], true);
    // Nobody else has what it has.
    let verdict = json(&safe_to_stop(&bootstrap, "1"), NOT_WELL);
    assert_eq!(verdict["is_safe"], false);
    assert_eq!(safe_to_stop(&bootstrap, "7").status.code(), Some(NO_ANSWER));
}

#[test]
fn a_history_with_an_anomaly_and_one_that_is_none() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let history = directory.path().join("history.jsonl");
    let lines = [
        r#"{"format":1,"run":"0","topic":"t","partitions":1,"starts":[0],"began_ms":0}"#,
        r#"{"event":"send","at_us":1,"partition":0,"producer":1,"writer":0,"first":0,"count":2}"#,
        r#"{"event":"ack","at_us":2,"partition":0,"writer":0,"first":0,"count":2,"offset":0}"#,
        r#"{"event":"end","at_us":3,"partition":0,"high_watermark":0}"#,
        "",
    ];
    std::fs::write(&history, lines.join("\n")).expect("written");
    let check = ["verify", "--format", "json", "--check", path(&history)];
    let verdict = json(&run(&check), NOT_WELL);
    assert_eq!(verdict["anomalies"][0]["name"], "unseen");
    std::fs::write(&history, "no history\n").expect("written");
    let refused = run(&check);
    assert_eq!(refused.status.code(), Some(NO_ANSWER));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("history.jsonl: line 1: "), "{said}");
}

#[test]
fn nobody_there() {
    let refused = status("127.0.0.1:1");
    assert_eq!(refused.status.code(), Some(NO_ANSWER));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("--bootstrap-server"), "{said}");
}

#[test]
fn three_nodes_of_which_one_is_killed() {
    let config = HoldfastConfig::default()
        .set("default.replication.factor", "3")
        .set("min.insync.replicas", "2")
        .set("journal.file.bytes", "67108864");
    let mut cluster = HoldfastCluster::start(3, &config).expect("a cluster");
    let bootstrap = cluster.bootstrap();
    wait_until("healthy", || status(&bootstrap).status.code() == Some(WELL));

    let directory = tempfile::TempDir::new().expect("a directory");
    let history = directory.path().join("history.jsonl");
    let arguments = ["verify", "--bootstrap-server", &bootstrap, "--seconds", "4"];
    let kept = [
        "--format",
        "json",
        "--topic",
        "kept",
        "--keep-topic",
        "--history",
    ];
    let arguments = [&arguments[..], &kept, &[path(&history)]].concat();
    let verify = ctl(&arguments).spawn().expect("holdfast-ctl runs");
    // In the middle of it: the history says when it writes.
    wait_until("written", || {
        let history = std::fs::read_to_string(&history).unwrap_or_default();
        history.contains(r#""event":"ack""#)
    });
    let verdict = json(&safe_to_stop(&bootstrap, "2"), WELL);
    assert_eq!(verdict["is_safe"], true);
    cluster.node(1).kill9();
    let outcome = verify.wait_with_output().expect("holdfast-ctl ends");
    assert_clean(&json(&outcome, WELL));

    let of_two = json(&status(&bootstrap), NOT_WELL);
    assert_eq!(of_two["is_healthy"], false);
    let under = &of_two["partition_problems"]["under-replicated"];
    assert_eq!(under.as_u64(), Some(12), "{of_two:#}");
    for broker in ["1", "3"] {
        let verdict = json(&safe_to_stop(&bootstrap, broker), NOT_WELL);
        let count = verdict["under_min_isr"].as_array().map(Vec::len);
        assert_eq!(count, Some(12), "{verdict:#}");
        assert!(verdict["quorum"].is_string(), "{verdict:#}");
    }

    cluster.node(1).restart().expect("a broker");
    wait_until("healthy", || status(&bootstrap).status.code() == Some(WELL));
    for at in 0..cluster.len() {
        cluster.node(at).stop().expect("a broker stops");
    }
    let directories: Vec<_> = (0..3)
        .map(|at| cluster.node(at).data_dir().to_owned())
        .collect();
    let mut arguments = vec!["verify", "files", "--format", "json", "--history"];
    arguments.push(path(&history));
    arguments.extend(directories.iter().map(|it| path(it)));
    let report = json(&run(&arguments), WELL);
    let partitions = report["partitions"].as_array().expect("partitions");
    assert_eq!(partitions.len(), 12);
    for partition in partitions {
        assert!(partition["batches"].as_u64() > Some(0), "{report:#}");
    }
    let check = ["verify", "--format", "json", "--check", path(&history)];
    assert_clean(&json(&run(&check), WELL));
}

/// A broker that comes back with the directory it had a while ago has lost what it acknowledged since.
#[test]
fn a_data_directory_that_goes_back_in_time() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let (now, before) = (
        directory.path().join("now"),
        directory.path().join("before"),
    );
    let config = HoldfastConfig {
        data_dir: Some(now.clone()),
        ..HoldfastConfig::default()
    };
    let mut broker = Holdfast::start(config.set("journal.file.bytes", "67108864")).expect("one");
    let bootstrap = broker.bootstrap();
    let arguments = [
        "verify",
        "--bootstrap-server",
        &bootstrap,
        "--seconds",
        "60",
    ];
    let kept = [
        "--format",
        "json",
        "--partitions",
        "2",
        "--patience",
        "3",
        "--history",
    ];
    let history = directory.path().join("history.jsonl");
    let arguments = [&arguments[..], &kept, &[path(&history)]].concat();
    let verify = ctl(&arguments).spawn().expect("holdfast-ctl runs");
    let size = || std::fs::metadata(&history).map_or(0, |it| it.len());
    let wait_for_more = |known: u64| wait_until("written", || size() > known + (64 << 10));
    wait_for_more(0);
    broker.stop().expect("it stops");
    let copied = Command::new("cp").arg("-a").args([&now, &before]).status();
    assert!(copied.expect("cp runs").success());
    broker.restart().expect("it starts");
    wait_for_more(size());
    broker.stop().expect("it stops");
    std::fs::remove_dir_all(&now).expect("removed");
    std::fs::rename(&before, &now).expect("renamed");
    broker.restart().expect("it starts");
    wait_for_more(size());

    let interrupted = Command::new("kill")
        .args(["-INT", &verify.id().to_string()])
        .status();
    assert!(interrupted.expect("kill runs").success());
    let outcome = json(&verify.wait_with_output().expect("it ends"), NOT_WELL);
    let groups = outcome["anomalies"].as_array().expect("anomalies").iter();
    let names: Vec<&str> = groups.filter_map(|it| it["name"].as_str()).collect();
    assert!(
        names.contains(&"lost-write") || names.contains(&"unseen"),
        "{names:?}"
    );
    assert!(names.contains(&"high-watermark-back") || names.contains(&"inconsistent-offsets"));
    assert_eq!(outcome["is_topic_deleted"], false);
}
