//! Each verb of the binary, against Holdfast: one node, and three that a fourth joins and leaves.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Write},
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use flate2::read::GzDecoder;
use peer::{Cluster, Holdfast, HoldfastCluster, HoldfastConfig};
use serde_json::{Value, json};

const WELL: i32 = 0;
const NOT_WELL: i32 = 1;
const NO_ANSWER: i32 = 2;
/// How long a cluster may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(60);
/// Between two looks at that.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// What no report of a bug may have in it.
const SECRET: &str = "nobody-else-reads-this";

/// The binary, for one cluster.
struct Ctl {
    bootstrap: String,
}

impl Ctl {
    fn of(cluster: &impl Cluster) -> Ctl {
        Ctl {
            bootstrap: cluster.bootstrap(),
        }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with("", arguments)
    }

    fn run_with(&self, input: &str, arguments: &[&str]) -> Output {
        let cluster = ["--bootstrap-server", &self.bootstrap];
        run(input, &[arguments, &cluster].concat())
    }

    #[track_caller]
    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.run(&[arguments, &["--format", "json"]].concat());
        parsed(&output, code)
    }

    #[track_caller]
    fn text(&self, arguments: &[&str]) -> String {
        text(&self.run(arguments), WELL)
    }

    fn topic(&self, name: &str) -> Value {
        self.json(&["topic", "describe", name], WELL)[0].clone()
    }

    fn code(&self, arguments: &[&str]) -> Option<i32> {
        self.run(arguments).status.code()
    }
}

fn run(input: &str, arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_holdfast-ctl"))
        .args(arguments)
        .env_remove("KUBERNETES_SERVICE_HOST")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("holdfast-ctl runs");
    let mut stdin = child.stdin.take().expect("an input");
    // Who does not read may be gone already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("holdfast-ctl ends")
}

#[track_caller]
fn text(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}\n{errors}");
    text
}

#[track_caller]
fn parsed(output: &Output, code: i32) -> Value {
    serde_json::from_str(&text(output, code)).expect("JSON")
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

fn names(list: &Value, field: &str) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    let names = list.filter_map(|it| it[field].as_str());
    names.map(str::to_owned).collect()
}

/// How many records a topic has, by what is said of its partitions.
fn count(topic: &Value) -> i64 {
    let partitions = topic["partitions"].as_array().expect("partitions").iter();
    partitions.filter_map(|it| it["offsets"][1].as_i64()).sum()
}

fn finding<'a>(diagnosis: &'a Value, check: &str) -> Option<&'a Value> {
    let mut findings = diagnosis["findings"].as_array()?.iter();
    findings.find(|it| it["check"] == check)
}

fn unpacked(path: &Path) -> BTreeMap<String, String> {
    let file = File::open(path).expect("an archive");
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let entries = archive.entries().expect("entries").map(|entry| {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a name").display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("a text");
        (name, text)
    });
    entries.collect()
}

#[test]
fn topics_are_made_changed_and_deleted() {
    let broker = Holdfast::start(HoldfastConfig::default()).expect("a broker");
    let ctl = Ctl::of(&broker);
    let create = ["topic", "create", "orders", "--partitions", "3"];
    let with_config = [&create[..], &["--config", "retention.ms=86400000"]].concat();
    let made = ctl.json(&with_config, WELL);
    assert_eq!(made, json!([{"name": "orders", "change": "made"}]));
    assert_eq!(ctl.code(&create), Some(NO_ANSWER), "it is there already");
    let describe = ["topic", "describe", "orders"];
    wait_until("known", || ctl.code(&describe) == Some(WELL));
    let listed = ctl.json(&["topic", "list"], WELL);
    let orders = json!({"name": "orders", "partitions": 3, "replicas": 1, "is_internal": false});
    assert_eq!(listed, json!([orders]));
    wait_until("led", || {
        let partitions = ctl.topic("orders")["partitions"].clone();
        let mut partitions = partitions.as_array().expect("partitions").iter();
        partitions.all(|it| it["leader"] == 1)
    });
    assert_eq!(ctl.topic("orders")["config"]["retention.ms"], "86400000");

    let alter = ["topic", "alter", "orders", "--set", "retention.ms=1000000"];
    let changed = json!([{"name": "orders", "change": "changed"}]);
    assert_eq!(ctl.json(&alter, WELL), changed);
    wait_until("changed", || {
        ctl.topic("orders")["config"]["retention.ms"] == "1000000"
    });
    let undo = ["topic", "alter", "orders", "--unset", "retention.ms"];
    assert!(ctl.text(&undo).contains("orders was changed"));
    wait_until("undone", || {
        ctl.topic("orders")["config"]["retention.ms"].is_null()
    });
    let more = ["topic", "add-partitions", "orders", "4"];
    assert_eq!(ctl.json(&more, WELL), changed);
    wait_until("grown", || {
        ctl.json(&["topic", "list"], WELL)[0]["partitions"] == 4
    });

    let directory = tempfile::TempDir::new().expect("a directory");
    let wishes = directory.path().join("wishes.yaml");
    let file = "topics:\n  - name: wanted\n    partitions: 2\n";
    fs::write(&wishes, file).expect("written");
    let wishes = wishes.to_str().expect("a path of plain characters");
    let dry = ["cluster", "apply", wishes, "--dry-run"];
    let steps = ctl.json(&dry, WELL);
    assert_eq!(steps[0]["create"]["topic"], "wanted", "{steps:#}");
    let topics = || names(&ctl.json(&["topic", "list"], WELL), "name");
    assert_eq!(topics(), ["orders"]);
    ctl.text(&["cluster", "apply", wishes]);
    wait_until("made", || topics() == ["orders", "wanted"]);
    wait_until("nothing to do", || ctl.json(&dry, WELL) == json!([]));

    let gone = ctl.json(&["topic", "delete", "orders", "wanted"], WELL);
    assert_eq!(names(&gone, "change"), ["deleted", "deleted"]);
    wait_until("gone", || topics().is_empty());
    assert_eq!(ctl.code(&describe), Some(NO_ANSWER));
}

#[test]
fn settings_are_told_and_changed() {
    let broker = Holdfast::start(HoldfastConfig::default()).expect("a broker");
    let ctl = Ctl::of(&broker);
    let name = "log.retention.ms";
    let value_of = |owner: &[&str]| {
        let said = ctl.json(&[&["config", "describe"], owner].concat(), WELL);
        let mut settings = said.as_array().expect("a list").iter();
        let setting = settings.find(|it| it["name"] == name).cloned();
        setting.map(|it| (it["value"].clone(), it["source"].clone()))
    };
    let own = |value: &str| Some((json!(value), json!("own")));
    let (one, all) = (["--broker", "1"], ["--all-brokers"]);
    assert_eq!(value_of(&all), None);

    let set = ["config", "alter", "--set", "log.retention.ms=86400000"];
    let said = ctl.json(&[&set[..], &all].concat(), WELL);
    assert_eq!(said, json!([{"name": "all brokers", "change": "changed"}]));
    wait_until("set for all", || value_of(&all) == own("86400000"));
    let inherited = Some((json!("86400000"), json!("inherited")));
    wait_until("in force", || value_of(&one) == inherited);

    let set = ["config", "alter", "--set", "log.retention.ms=7200000"];
    assert!(
        ctl.text(&[&set[..], &one].concat())
            .contains("broker 1 was changed")
    );
    wait_until("set for one", || value_of(&one) == own("7200000"));
    let unset = ["config", "alter", "--unset", name];
    ctl.text(&[&unset[..], &one].concat());
    wait_until("taken back", || value_of(&one) == inherited);

    let described = ctl.text(&["config", "describe", "--broker", "1", "--all"]);
    assert!(described.contains("num.partitions"), "{described}");
    let nobody = ["config", "describe", "--broker", "7"];
    assert_eq!(ctl.code(&nobody), Some(NO_ANSWER));
    let unknown = ["config", "alter", "--all-brokers", "--set", "no.such=1"];
    assert_eq!(ctl.code(&unknown), Some(NO_ANSWER));
    assert_eq!(ctl.code(&["config", "describe"]), Some(NO_ANSWER), "whose?");
}

#[test]
fn records_are_written_and_read() {
    let broker = Holdfast::start(HoldfastConfig::default()).expect("a broker");
    let ctl = Ctl::of(&broker);
    ctl.text(&["topic", "create", "lines", "--partitions", "2"]);
    let produce = ["produce", "lines", "--key-separator", ":"];
    let more = ["--header", "from=a-test", "--format", "json"];
    let produce = [&produce[..], &more].concat();
    let written = "a:1\nb:2\na:3\n";
    wait_until("written", || {
        ctl.run_with("", &produce).status.code() == Some(WELL)
    });
    let acknowledged = parsed(&ctl.run_with(written, &produce), WELL);
    assert_eq!(acknowledged, json!({"topic": "lines", "records": 3}));
    assert_eq!(count(&ctl.topic("lines")), 3);

    let records = ctl.text(&["consume", "lines", "--format", "json"]);
    let records = records.lines().map(serde_json::from_str::<Value>);
    let records: Vec<Value> = records.map(|it| it.expect("JSON")).collect();
    let header = json!([{"name": "from", "value": "a-test"}]);
    assert!(records.iter().all(|it| it["headers"] == header));
    let mut values: Vec<_> = records
        .iter()
        .filter_map(|it| it["value"].as_str())
        .collect();
    values.sort_unstable();
    assert_eq!(values, ["1", "2", "3"]);

    let pairs = ctl.text(&["consume", "lines", "--format", r"%k=%v\n"]);
    let mut pairs: Vec<&str> = pairs.lines().collect();
    pairs.sort_unstable();
    assert_eq!(pairs, ["a=1", "a=3", "b=2"]);
    let table = ctl.text(&["consume", "lines", "--format", "table", "--count", "1"]);
    assert!(table.starts_with("PARTITION\tOFFSET"), "{table}");
    assert_eq!(table.lines().count(), 2, "{table}");
    let yaml = ctl.text(&["consume", "lines", "--format", "yaml", "--count", "1"]);
    assert!(
        yaml.starts_with("---\n") && yaml.contains("topic: lines"),
        "{yaml}"
    );
    let last = ctl.text(&["consume", "lines", "--from", "end"]);
    assert_eq!(last, "");
}

#[test]
fn groups_are_moved_and_deleted() {
    let broker = Holdfast::start(HoldfastConfig::default()).expect("a broker");
    let ctl = Ctl::of(&broker);
    ctl.text(&["topic", "create", "read", "--partitions", "1"]);
    let produce = ["produce", "read"];
    wait_until("written", || {
        ctl.run_with("", &produce).status.code() == Some(WELL)
    });
    text(&ctl.run_with("1\n2\n", &produce), WELL);
    let seek = |to: &str| {
        let seek = ["group", "seek", "readers", "--topic", "read", "--to", to];
        ctl.run(&[&seek[..], &["--format", "json"]].concat())
    };
    // The coordinator has to make its topic first.
    wait_until("committed", || seek("end").status.code() == Some(WELL));
    assert_eq!(parsed(&seek("end"), WELL), json!({"0": 2}));
    let listed = ctl.json(&["group", "list"], WELL);
    assert_eq!(names(&listed, "group"), ["readers"]);
    let described = || ctl.json(&["group", "describe", "readers"], WELL);
    assert_eq!(described()["lag"], 0);
    assert_eq!(parsed(&seek("start"), WELL), json!({"0": 0}));
    let group = described();
    assert_eq!(group["lag"], 2, "{group:#}");
    assert_eq!(group["members"], json!([]));
    assert_eq!(group["offsets"][0]["topic"], "read");

    let deleted = ctl.json(&["group", "delete", "readers"], WELL);
    assert_eq!(deleted, json!([{"name": "readers", "change": "deleted"}]));
    let described = ["group", "describe", "readers"];
    assert_eq!(ctl.code(&described), Some(NO_ANSWER));
}

#[test]
fn one_node_is_examined_and_bundled() {
    let broker = Holdfast::start(HoldfastConfig::default()).expect("a broker");
    let ctl = Ctl::of(&broker);
    let admin = broker.admin();
    let create = ["topic", "create", "scratch", "--config", "durability=os"];
    ctl.text(&create);
    let produce = ["produce", "scratch"];
    wait_until("written", || {
        ctl.run_with("", &produce).status.code() == Some(WELL)
    });
    text(&ctl.run_with(&format!("{SECRET}\n"), &produce), WELL);

    let diagnosis = ctl.json(&["doctor", "--admin", &admin], WELL);
    assert_eq!(diagnosis["errors"], 0, "{diagnosis:#}");
    let severity = |check| finding(&diagnosis, check).map(|it| it["severity"].clone());
    assert_eq!(severity("advertised"), Some(json!("ok")));
    assert_eq!(severity("durability"), Some(json!("note")));
    assert_eq!(severity("clocks"), Some(json!("ok")));
    let nobody = Ctl {
        bootstrap: "127.0.0.1:1".to_owned(),
    };
    let diagnosis = nobody.json(&["doctor"], NOT_WELL);
    let bootstrap = finding(&diagnosis, "bootstrap").expect("a finding");
    assert_eq!(bootstrap["severity"], "error");

    let directory = tempfile::TempDir::new().expect("a directory");
    let path = directory.path().join("bundle.tar.gz");
    let output = path.to_str().expect("a path of plain characters");
    let bundle = ["debug", "bundle", "--output", output, "--admin", &admin];
    let bundled = ctl.json(&bundle, WELL);
    assert_eq!(ctl.code(&bundle), Some(NO_ANSWER), "it is there already");
    let files = unpacked(&path);
    let listed: Vec<String> = names(&bundled["files"], "name");
    let of_admin = format!("admin/{}", admin.replace(':', "-"));
    let mut expected: Vec<String> = [
        "about.json",
        "doctor.txt",
        "doctor.json",
        "cluster-status.txt",
        "cluster-status.json",
        "partitions.json",
        "topics.json",
        "groups.json",
        "brokers/1/api-versions.json",
        "brokers/1/settings.json",
    ]
    .map(str::to_owned)
    .to_vec();
    let pages = ["metrics", "livez", "readyz", "safe-to-stop"];
    expected.extend(pages.map(|page| format!("{of_admin}/{page}.txt")));
    assert_eq!(listed, expected);
    for name in &expected {
        assert!(
            files.contains_key(&format!("holdfast-debug/{name}")),
            "{name}"
        );
    }
    let file = |name: &str| &files[&format!("holdfast-debug/{name}")];
    let topics: Value = serde_json::from_str(file("topics.json")).expect("JSON");
    assert_eq!(topics["topics"][0]["config"]["durability"], "os");
    assert!(file("brokers/1/api-versions.json").contains("\"Produce\""));
    assert!(file(&format!("{of_admin}/metrics.txt")).contains("holdfast_build_info"));
    assert_eq!(file(&format!("{of_admin}/readyz.txt")), "200\nok\n");
    for (name, text) in &files {
        assert!(!text.contains(SECRET), "{name}");
    }

    let hand_over = ["broker", "hand-over", "--admin", &admin, "--format", "json"];
    let handed_over = parsed(&run("", &hand_over), WELL);
    let expected = json!({"is_handed_over": true, "why": null});
    assert_eq!(handed_over, expected, "nobody could take over");
}

#[test]
fn three_nodes_that_a_fourth_joins_and_leaves() {
    let config = HoldfastConfig::default().set("journal.file.bytes", "67108864");
    let mut cluster = HoldfastCluster::start(3, &config).expect("a cluster");
    let ctl = Ctl::of(&cluster);
    ctl.text(&["topic", "create", "moved", "--partitions", "12"]);
    let is_healthy = || ctl.code(&["cluster", "status"]) == Some(WELL);
    wait_until("healthy", is_healthy);
    let dry = ["cluster", "rebalance", "--dry-run"];
    assert_eq!(ctl.json(&dry, WELL), json!([]));

    cluster.add(&config).expect("one more");
    let status = || ctl.json(&["cluster", "status"], WELL);
    wait_until("joined", || {
        is_healthy() && status()["brokers"].as_array().map(Vec::len) == Some(4)
    });
    let has_4 = |list: &Value| list.as_array().is_some_and(|it| it.contains(&json!(4)));
    let planned = ctl.json(&dry, WELL);
    assert_eq!(planned.as_array().map(Vec::len), Some(9), "{planned:#}");
    assert!(has_4(&planned[0]["to"]), "{planned:#}");
    let replicas_on_4 = || {
        let topic = ctl.topic("moved");
        let partitions = topic["partitions"].as_array().expect("partitions").iter();
        partitions.filter(|it| has_4(&it["replicas"])).count()
    };
    assert_eq!(replicas_on_4(), 0, "it was only planned");
    let moved = ctl.json(&["cluster", "rebalance"], WELL);
    assert_eq!(moved.as_array().map(Vec::len), Some(9), "{moved:#}");
    wait_until("moved", || replicas_on_4() == 9);
    let diagnosis = ctl.json(&["doctor"], WELL);
    let advertised = finding(&diagnosis, "advertised").expect("a finding");
    assert_eq!(advertised["severity"], "ok", "{diagnosis:#}");

    let drained = ctl.json(&["broker", "drain", "4"], WELL);
    assert_eq!(drained.as_array().map(Vec::len), Some(9), "{drained:#}");
    wait_until("drained", || replicas_on_4() == 0);
    let safe = ctl.json(&["cluster", "safe-to-stop", "4"], WELL);
    assert_eq!(safe["is_safe"], true);
    cluster.node(3).kill9();
    wait_until("found", || {
        let diagnosis = ctl.json(&["doctor"], NOT_WELL);
        finding(&diagnosis, "broker-gone").is_some()
    });
    let forgotten = ctl.json(&["broker", "unregister", "4", "--patience", "30"], WELL);
    let expected = json!([{"name": "broker 4", "change": "unregistered"}]);
    assert_eq!(forgotten, expected);
    wait_until("forgotten", || {
        status()["brokers"].as_array().map(Vec::len) == Some(3)
    });
}

#[test]
fn what_needs_no_cluster() {
    for (shell, mark) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef holdfast-ctl"),
        ("fish", "complete -c holdfast-ctl"),
    ] {
        let script = text(&run("", &["completion", shell]), WELL);
        assert!(script.contains(mark), "{shell}");
        assert!(script.contains("safe-to-stop"), "{shell}");
    }
    let label = ["kubernetes", "node-label", "a-label", "--node", "a-node"];
    let refused = run("", &label);
    assert_eq!(refused.status.code(), Some(NO_ANSWER));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("KUBERNETES_SERVICE_HOST"), "{said}");
}
