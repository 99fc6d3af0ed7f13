//! The clients in Go, driven through the programs in `go/`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use tests_clients::{Case, Client, Record, Target, assert_same, bulk, in_turn, install, run};

use crate::driven::{self, Driver, cases, produce};

pub(crate) fn all() -> Vec<Case> {
    let mut all = [cases::<FranzGo>(), cases::<Sarama>(), cases::<KafkaGo>()].concat();
    all.push(Case {
        client: Client::FranzGo,
        name: "regex",
        run: regex,
        smoke: false,
    });
    all
}

struct FranzGo;

impl Driver for FranzGo {
    const CLIENT: Client = Client::FranzGo;
    const GROUPS: bool = true;
    const CONSUMER_PROTOCOL: bool = true;

    fn program() -> Command {
        program("franz-go")
    }
}

struct Sarama;

impl Driver for Sarama {
    const CLIENT: Client = Client::Sarama;
    const GROUPS: bool = true;

    fn program() -> Command {
        program("sarama")
    }
}

struct KafkaGo;

impl Driver for KafkaGo {
    const CLIENT: Client = Client::KafkaGo;
    const IDEMPOTENT: bool = false;

    fn program() -> Command {
        program("kafka-go")
    }

    /// Its reader gives nil for what is empty.
    fn reads(record: Record) -> Record {
        let nil = |bytes: Option<Vec<u8>>| bytes.filter(|bytes| !bytes.is_empty());
        let headers = record.headers.into_iter();
        Record {
            key: nil(record.key),
            value: nil(record.value),
            headers: headers.map(|(name, value)| (name, nil(value))).collect(),
            ..record
        }
    }
}

/// Without a group: the client lists the topics and assigns itself what matches.
fn regex(target: &Target) {
    let topics = ["1", "2"].map(|_| driven::topic::<FranzGo>(target, "regex"));
    let contents = bulk(50);
    for topic in &topics {
        produce::<FranzGo>(target, topic, &contents, &[]);
    }
    let pattern = format!("^({})$", topics.join("|"));
    let count = (2 * contents.len()).to_string();
    let mut consumer = FranzGo::program();
    consumer.args(["consume", "--brokers", &target.bootstrap, "--regex"]);
    let lines = run(consumer.args(["--topic", &pattern, "--count", &count]));
    for topic in &topics {
        let of_topic = |line: &&str| line.contains(&format!("\"{topic}\""));
        let lines: Vec<&str> = lines.lines().filter(of_topic).collect();
        let got = driven::records(&lines.join("\n"));
        assert_same(&in_turn(&contents, [0; 3]), &got);
    }
}

/// A program, built by `go` once per process.
fn program(name: &'static str) -> Command {
    static BUILT: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let programs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients-go");
    let program: PathBuf = programs.join(name);
    // Held while it builds: others that want the same one wait, and two builds at once would not be
    // quicker.
    let mut built = BUILT
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    if !built.contains(&name) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
        let mut go = Command::new("go");
        go.current_dir(source)
            .args(["build", "-mod=readonly", "-o"])
            .arg(&program)
            .arg(format!("./{name}"));
        install(&go);
        built.push(name);
    }
    Command::new(program)
}
