//! A `holdfast` process on free ports.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::Client;

/// Longer than a start or a stop takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A start that is refused is refused at once; one that is not would go on for ever.
const REFUSED_AFTER_MAX: Duration = Duration::from_secs(15);

/// How a node is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeConfig {
    /// Data directories besides the first, which holds the metadata.
    more_directories: usize,
    /// How many files the system lets it have open.
    open_files: Option<u32>,
    settings: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl NodeConfig {
    /// A small journal, so that a hundred nodes do not fill the disk.
    pub(crate) fn new() -> NodeConfig {
        NodeConfig::default()
            .set("journal.file.bytes", "4194304")
            .set("journal.initial.file.bytes", "1048576")
            .set("journal.commit.bytes.max", "524288")
    }

    #[must_use]
    pub(crate) fn set(mut self, name: &str, value: &str) -> NodeConfig {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As many data directories, beside each other.
    #[must_use]
    pub(crate) fn directories(mut self, count: usize) -> NodeConfig {
        self.more_directories = count - 1;
        self
    }

    /// A system that lets it have so many files open, and no more.
    #[must_use]
    pub(crate) fn open_files(mut self, limit: u32) -> NodeConfig {
        self.open_files = Some(limit);
        self
    }

    #[must_use]
    pub(crate) fn argument(mut self, argument: &str) -> NodeConfig {
        self.arguments.push(argument.to_owned());
        self
    }

    /// The command line of a node on free ports.
    pub(crate) fn command(&self, data_dir: &Path) -> Command {
        let holdfast = env!("CARGO_BIN_EXE_holdfast");
        let mut command = match self.open_files {
            None => Command::new(holdfast),
            Some(limit) => {
                let limited = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
                let mut command = Command::new("sh");
                command.args(["-c", &limited, holdfast]);
                command
            }
        };
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        for number in 0..=self.more_directories {
            command.arg("--data-dir").arg(directory(data_dir, number));
        }
        for (name, value) in &self.settings {
            command.arg("--set").arg(format!("{name}={value}"));
        }
        command.args(&self.arguments);
        command
    }

    /// Starts a broker that must not come to serve, and gives what it said when it has ended.
    #[track_caller]
    pub(crate) fn refused(&self, data_dir: &Path) -> Refusal {
        refused(&mut self.command(data_dir))
    }
}

/// The data directory of a number; that of the metadata is number 0.
fn directory(first: &Path, number: usize) -> PathBuf {
    match number {
        0 => first.to_owned(),
        _ => first.with_file_name(format!("data-{number}")),
    }
}

/// A start that came to nothing.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

impl Refusal {
    #[track_caller]
    pub(crate) fn names(&self, words: &[&str]) {
        for word in words {
            assert!(
                self.stderr.contains(word),
                "{word:?} is not in\n{}",
                self.stderr
            );
        }
    }
}

#[track_caller]
pub(crate) fn refused(command: &mut Command) -> Refusal {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("the broker's binary starts");
    let status = wait(&mut child, REFUSED_AFTER_MAX);
    let mut stderr = String::new();
    let mut pipe = child.stderr.take().expect("it is piped");
    match status {
        Some(status) => {
            pipe.read_to_string(&mut stderr).expect("logs are UTF-8");
            Refusal {
                code: status.code(),
                stderr,
            }
        }
        None => {
            child.kill().expect("it runs");
            pipe.read_to_string(&mut stderr).expect("logs are UTF-8");
            panic!("the broker serves:\n{stderr}");
        }
    }
}

/// A broker; its process is killed on drop.
pub(crate) struct Node {
    config: NodeConfig,
    process: Option<Process>,
    log: Log,
    data_dir: PathBuf,
    _temporary: TempDir,
}

struct Process {
    child: Child,
    reader: Option<JoinHandle<()>>,
    kafka: SocketAddr,
    admin: SocketAddr,
}

impl Node {
    /// Starts a broker in an empty directory, and waits until it serves.
    #[track_caller]
    pub(crate) fn start(config: NodeConfig) -> Node {
        let mut node = Node::prepare(config);
        node.restart();
        node
    }

    /// A directory, and no process yet.
    pub(crate) fn prepare(config: NodeConfig) -> Node {
        let temporary = TempDir::with_prefix("holdfast-node-").expect("a temporary directory");
        let data_dir = temporary.path().join("data");
        Node {
            config,
            process: None,
            log: Log::default(),
            data_dir,
            _temporary: temporary,
        }
    }

    /// A node that is not started, on a copy of the data directory of this one, which must be stopped.
    pub(crate) fn copy(&self) -> Node {
        assert!(self.process.is_none(), "it runs");
        let node = Node::prepare(self.config.clone());
        copy_directory(&self.data_dir, &node.data_dir);
        node
    }

    /// Starts it again in the same directory, and waits until it serves.
    #[track_caller]
    pub(crate) fn restart(&mut self) {
        if let Err(refusal) = self.try_restart() {
            panic!("the broker does not start: {refusal:?}");
        }
    }

    /// The same, where the start may be refused.
    pub(crate) fn try_restart(&mut self) -> Result<(), Refusal> {
        assert!(self.process.is_none(), "it runs");
        let mut command = self.config.command(&self.data_dir);
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the broker's binary starts");
        let since = self.log.mark();
        let stderr = child.stderr.take().expect("it is piped");
        let reader = self.log.follow(stderr);
        let stdout = child.stdout.take().expect("it is piped");
        let (announce, announced) = mpsc::channel();
        // Reads on when the address is known, so that the broker never writes to a closed pipe.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(addresses) = parse_addresses(&line) {
                    let _ = announce.send(addresses);
                }
            }
        });
        match announced.recv_timeout(PATIENCE) {
            Ok((kafka, admin)) => {
                self.process = Some(Process {
                    child,
                    reader: Some(reader),
                    kafka,
                    admin,
                });
                Ok(())
            }
            Err(_) => {
                let status = wait(&mut child, Duration::from_secs(5));
                if status.is_none() {
                    child.kill().expect("it runs");
                }
                reader.join().expect("the reader does not panic");
                let code = status.and_then(|status| status.code());
                Err(Refusal {
                    code,
                    stderr: self.log.since(since),
                })
            }
        }
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.child.kill().expect("it was not waited for");
            process.finish(Duration::MAX);
        }
    }

    /// SIGTERM, and waits for the end.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        process.terminate();
        process
            .finish(PATIENCE)
            .unwrap_or_else(|| panic!("it does not stop:\n{}", self.log()))
    }

    /// SIGTERM without waiting; [`Node::ended`] does.
    pub(crate) fn terminate(&self) {
        self.running().terminate();
    }

    /// Waits for an end that was asked for.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        process
            .finish(PATIENCE)
            .unwrap_or_else(|| panic!("it does not stop:\n{}", self.log()))
    }

    /// Changes the number of data directories for the next start.
    pub(crate) fn set_directories(&mut self, count: usize) {
        self.config = self.config.clone().directories(count);
    }

    /// Changes a setting for the next start.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.config = self.config.clone().set(name, value);
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.kafka())
    }

    pub(crate) fn kafka(&self) -> SocketAddr {
        self.running().kafka
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        self.running().admin
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// One of several data directories.
    pub(crate) fn directory(&self, number: usize) -> PathBuf {
        directory(&self.data_dir, number)
    }

    pub(crate) fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// Whether the process is still there.
    pub(crate) fn runs(&mut self) -> bool {
        let child = &mut self.process.as_mut().expect("it was started").child;
        child.try_wait().expect("a child of ours").is_none()
    }

    /// All that was logged since the first start.
    pub(crate) fn log(&self) -> String {
        self.log.since(0)
    }

    /// How many lines there are, for [`Node::log_since`].
    pub(crate) fn log_mark(&self) -> usize {
        self.log.mark()
    }

    pub(crate) fn log_since(&self, mark: usize) -> String {
        self.log.since(mark)
    }

    /// Waits until a line after `mark` passes `test`.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, mark: usize, test: impl Fn(&str) -> bool) -> String {
        match self.log.wait(mark, test) {
            Some(line) => line,
            None => panic!(
                "the line does not come; there are\n{}",
                self.log.since(mark)
            ),
        }
    }

    /// Bytes in memory now.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most bytes there were in memory since the start.
    pub(crate) fn peak_resident_bytes(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, name: &str) -> u64 {
        let pid = self.running().child.id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .expect("Linux");
        let kib = line.trim().trim_end_matches("kB").trim();
        kib.parse::<u64>().expect("a number") * 1024
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("it runs")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            eprintln!("--- the broker's log\n{}", self.log());
        }
    }
}

impl Process {
    fn terminate(&self) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("not zero");
        kill_process(pid, Signal::TERM).expect("a child of ours");
    }

    fn finish(&mut self, patience: Duration) -> Option<ExitStatus> {
        let status = wait(&mut self.child, patience);
        if status.is_none() {
            self.child.kill().expect("it runs");
            self.child.wait().expect("a child of ours");
        }
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        status
    }
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a directory of the test");
    for entry in std::fs::read_dir(from).expect("a directory of the test") {
        let entry = entry.expect("a directory of the test");
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_directory(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).expect("a file of the test")),
        }
    }
}

/// `listening kafka=127.0.0.1:1 admin=127.0.0.1:2`
fn parse_addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (kafka, admin) = line
        .strip_prefix("listening kafka=")?
        .split_once(" admin=")?;
    Some((kafka.parse().ok()?, admin.parse().ok()?))
}

/// The standard library has no wait with a limit.
fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return Some(status);
        }
        if started.elapsed() >= patience {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What the processes of a node wrote to standard error.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<Vec<String>>, Condvar)>);

impl Log {
    fn follow(&self, stderr: ChildStderr) -> JoinHandle<()> {
        let log = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let (lines, changed) = &*log.0;
                lines.lock().expect("nobody panics with it").push(line);
                changed.notify_all();
            }
        })
    }

    fn mark(&self) -> usize {
        self.0.0.lock().expect("nobody panics with it").len()
    }

    fn since(&self, mark: usize) -> String {
        self.0.0.lock().expect("nobody panics with it")[mark..].join("\n")
    }

    fn wait(&self, mark: usize, test: impl Fn(&str) -> bool) -> Option<String> {
        let (lines, changed) = &*self.0;
        let find = |lines: &[String]| lines[mark..].iter().find(|line| test(line)).cloned();
        let guard = lines.lock().expect("nobody panics with it");
        let (guard, _) = changed
            .wait_timeout_while(guard, Duration::from_secs(10), |lines| {
                find(lines).is_none()
            })
            .expect("nobody panics with it");
        find(&guard)
    }
}
