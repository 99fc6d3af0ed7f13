//! The page of the admin port in a real browser: what it shows, in a narrow window and in a wide one, and that it says so when the broker is gone.
//!
//! The page may not be framed. So a server of the test stands between: it passes on what it is asked, allows itself to frame the page, and serves `page/document.html`, which does
//! so and asks it. The document is loaded, and dumped by the browser, when it has its answers.
//!
//! It needs Chromium; where there is none, the test says so, and fails if `CI` is set.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::{FindCoordinatorRequest, OffsetCommitRequest};
use serde_json::{Value, json};

use crate::support::topics::{code, topic_name};
use crate::support::{Client, Node, NodeConfig, Topic, batch};

/// Longer than the browser takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(90);
const HEAD_BYTES_MAX: usize = 16 << 10;
const DOCUMENT: &str = include_str!("page/document.html");

/// The server between the browser and the broker.
struct Stage {
    admin: SocketAddr,
    /// Hears that the broker is to go.
    stop: mpsc::Sender<()>,
    is_done: Mutex<bool>,
    done: Condvar,
}

impl Stage {
    /// Serves until the process ends.
    fn open(admin: SocketAddr, stop: mpsc::Sender<()>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let stage = Arc::new(Stage {
            admin,
            stop,
            is_done: Mutex::new(false),
            done: Condvar::new(),
        });
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let stage = Arc::clone(&stage);
                // A browser opens connections that it does not use, and closes others in the middle.
                std::thread::spawn(move || stage.serve(stream));
            }
        });
        address
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let head = read_head(&mut stream)?;
        match head.split(' ').nth(1).unwrap_or_default() {
            "/document" => respond(&mut stream, "text/html", DOCUMENT),
            "/held" => {
                let is_done = self.is_done.lock().expect("nobody panics with it");
                let waited = self
                    .done
                    .wait_timeout_while(is_done, PATIENCE, |is_done| !*is_done);
                drop(waited.expect("nobody panics with it"));
                respond(&mut stream, "text/plain", "")
            }
            "/done" => {
                *self.is_done.lock().expect("nobody panics with it") = true;
                self.done.notify_all();
                respond(&mut stream, "text/plain", "")
            }
            "/stop" => {
                // The test may have given up.
                let _ = self.stop.send(());
                respond(&mut stream, "text/plain", "")
            }
            _ => self.pass_on(&head, &mut stream),
        }
    }

    fn pass_on(&self, head: &str, stream: &mut TcpStream) -> io::Result<()> {
        let mut broker = TcpStream::connect(self.admin)?;
        broker.write_all(head.as_bytes())?;
        let mut answer = String::new();
        broker.read_to_string(&mut answer)?;
        let answer = answer.replacen("frame-ancestors 'none'", "frame-ancestors 'self'", 1);
        stream.write_all(answer.as_bytes())
    }
}

/// All of a request that has no body.
fn read_head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut buffer)?;
        if count == 0 || head.len() > HEAD_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

fn respond(stream: &mut TcpStream, content_type: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}"
    )
}

/// Chromium, under either of its names.
fn browser() -> Option<&'static str> {
    let is_there = |name: &&str| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    };
    ["chromium", "chromium-browser"].into_iter().find(is_there)
}

/// Commits an offset of a group that has no members.
#[track_caller]
fn commit(client: &mut Client, group: &str, topic: &Topic, partition: i32, offset: i64) {
    let group = StrBytes::from_string(group.to_owned());
    let find = FindCoordinatorRequest::default().with_key(group.clone());
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name(&topic.name))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group.into())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    let started = Instant::now();
    loop {
        let found = code(client.call(3, &find).error_code);
        let answer = client.call(8, &request);
        let committed = code(answer.topics[0].partitions[0].error_code);
        if (found, committed) == (ErrorCode::None, ErrorCode::None) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{found:?} {committed:?}");
    }
}

/// Has a browser show the page of a broker, which is killed when that is asked for, and gives what it says.
#[track_caller]
fn ask(browser: &str, node: &mut Node) -> Value {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (sender, stop) = mpsc::channel();
    let stage = Stage::open(node.admin(), sender);
    let browser = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args(["--window-size=1400,1000", "--no-first-run"])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args(["--disable-sync", "--disable-quic"])
        .arg(format!("--user-data-dir={}", directory.path().display()))
        .arg(format!("http://{stage}/document"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let browser = browser.expect("it has said its version");
    if stop.recv_timeout(PATIENCE).is_ok() {
        node.kill9();
    }
    let output = browser.wait_with_output().expect("a child of ours");
    let dom = String::from_utf8_lossy(&output.stdout);
    let answers = dom
        .split("answers ")
        .nth(1)
        .and_then(|it| it.split(" end").next());
    let answers = answers.unwrap_or_else(|| panic!("{dom}\n{output:?}"));
    serde_json::from_str(answers).unwrap_or_else(|error| panic!("{error}: {answers}"))
}

#[test]
fn a_browser_shows_the_cluster() {
    let Some(browser) = browser() else {
        assert!(std::env::var_os("CI").is_none(), "there is no Chromium");
        eprintln!("there is no Chromium: the page is not looked at");
        return;
    };
    let config = NodeConfig::new().set("offsets.topic.num.partitions", "1");
    let mut node = Node::start(config);
    let mut client = node.client();
    let orders = client.create_topic("orders", 3, &[]);
    client.create_topic("other", 1, &[]);
    client.append(&orders, 1, batch(&["a", "b", "c"]));
    commit(&mut client, "readers", &orders, 1, 1);
    commit(&mut client, "<img src=x onerror=alert(1)>", &orders, 0, 0);
    let kafka = node.kafka().to_string();

    let answers = ask(browser, &mut node);
    assert_eq!(answers["error"], Value::Null, "{answers}");
    let topic = &answers["topic"];
    assert_eq!(topic["facts"], "3 partitions · 1 replica · min ISR 1");
    for (partition, offset) in [(0_usize, "0"), (1, "3"), (2, "0")] {
        let row = topic["rows"][partition].as_array().expect("a row");
        let partition = partition.to_string();
        let places = ["in sync", "1", "0", "1", "1", "0", offset, offset];
        assert_eq!(row[0], partition.as_str());
        assert_eq!(row[1..9], places);
    }
    let group = &answers["group"];
    assert_eq!(
        group["facts"],
        "Empty · classic protocol · 0 members · lag: 2"
    );
    assert_eq!(group["rows"], json!([["orders", "1", "2"]]));
    // Three partitions, one, and that of the groups.
    let state = "alive, controller, this broker";
    let broker = ["1", state, kafka.as_str(), "–", "5", "5", "5"];
    assert_eq!(answers["brokers"], json!([broker]));
    assert_eq!(answers["directories"], 1);

    assert_eq!(answers["isText"], true);
    assert_eq!(answers["images"], 0);
    assert_eq!(answers["first"], "skip");
    assert_eq!(answers["unreachable"], 0);
    assert_eq!(answers["headless"], 0, "a cell is no header");
    assert_eq!(answers["live"], json!(["banner"]));
    let beyond = &answers["beyond"];
    assert_eq!(*beyond, json!([0, 0]), "the page scrolls sideways");
    assert!(answers["curves"].as_u64() >= Some(3), "{answers}");
    assert_eq!(answers["none"], "0 of 3 topics.");
    assert_eq!(answers["one"], "1 of 3 topics.");
    assert_eq!(answers["calm"], "");
    assert_eq!(answers["isShown"], true);
}
