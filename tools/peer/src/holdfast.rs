//! One `holdfast` broker.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::OnceLock,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    Cluster, PeerError,
    ports::Port,
    process::{Daemon, run_to_end},
    ready::http_get,
};

/// How a `holdfast` broker is started.
#[derive(Clone, Debug)]
pub struct HoldfastConfig {
    /// The binary; without one, [`holdfast_binary`].
    pub binary: Option<PathBuf>,
    /// The data directory. Without one, a temporary one that is removed on drop.
    pub data_dir: Option<PathBuf>,
    /// The address that it listens on.
    pub host: String,
    /// A program and its arguments that become the broker, such as `nsenter --net=...`; none is the broker itself.
    pub runner: Vec<String>,
    /// Settings by name, as `--set name=value`.
    pub settings: Vec<(String, String)>,
    /// More arguments.
    pub args: Vec<String>,
    /// More environment variables.
    pub env: Vec<(String, String)>,
    /// How long it may take until it is ready, recovery included.
    pub ready_timeout: Duration,
    /// How long it may take to stop after SIGTERM.
    pub stop_timeout: Duration,
}

impl Default for HoldfastConfig {
    fn default() -> HoldfastConfig {
        HoldfastConfig {
            binary: None,
            data_dir: None,
            host: "127.0.0.1".to_owned(),
            runner: Vec::new(),
            settings: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            ready_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(60),
        }
    }
}

impl HoldfastConfig {
    /// Adds a setting.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> HoldfastConfig {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has every batch bypass the journal.
    #[must_use]
    pub fn bypassing(self) -> HoldfastConfig {
        self.set("journal.bypass.batch.bytes.min", "1")
            .set("journal.bypass.backlog.bytes.min", "0")
            .set("journal.bypass.sync.bytes.min", "0")
    }
}

/// A `holdfast` broker; its process is killed on drop.
#[derive(Debug)]
pub struct Holdfast {
    config: HoldfastConfig,
    binary: PathBuf,
    kafka: Port,
    admin: Port,
    daemon: Daemon,
    data_dir: PathBuf,
    // After the daemon, so that it is gone before its directories are.
    logs: TempDir,
    _temporary: Option<TempDir>,
}

impl Holdfast {
    /// Starts a broker and waits until `/readyz` says that it is ready.
    pub fn start(config: HoldfastConfig) -> Result<Holdfast, PeerError> {
        let mut broker = Holdfast::launch(config)?;
        broker.wait_ready()?;
        Ok(broker)
    }

    /// Starts a broker without waiting for it, for tests of a start that is slow or refused.
    pub fn launch(config: HoldfastConfig) -> Result<Holdfast, PeerError> {
        let binary = match &config.binary {
            Some(binary) => binary.clone(),
            None => holdfast_binary()?,
        };
        let logs = temporary_dir("holdfast-logs-")?;
        let (data_dir, temporary) = match &config.data_dir {
            Some(dir) => (dir.clone(), None),
            None => {
                let dir = temporary_dir("holdfast-data-")?;
                (dir.path().to_owned(), Some(dir))
            }
        };
        let (kafka, admin) = (Port::claim()?, Port::claim()?);
        let mut command = command(&config, &binary, &data_dir, &kafka, &admin);
        let daemon = Daemon::spawn("holdfast", &mut command, logs.path(), "holdfast")?;
        let _temporary = temporary;
        Ok(Holdfast {
            config,
            binary,
            kafka,
            admin,
            daemon,
            data_dir,
            logs,
            _temporary,
        })
    }

    /// Waits until `/readyz` answers 200.
    pub fn wait_ready(&mut self) -> Result<(), PeerError> {
        let admin = self.admin();
        self.daemon.wait_ready(self.config.ready_timeout, || {
            http_get(&admin, "/readyz").is_ok_and(|(status, _)| status == 200)
        })
    }

    /// SIGKILL.
    pub fn kill9(&mut self) {
        self.daemon.kill9();
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> Result<ExitStatus, PeerError> {
        self.daemon.terminate(self.config.stop_timeout)
    }

    /// Starts it again on the same data directory and ports, killing it first if it still runs, and
    /// waits until it is ready.
    pub fn restart(&mut self) -> Result<(), PeerError> {
        self.relaunch()?;
        self.wait_ready()
    }

    /// As [`Holdfast::restart`], without waiting.
    pub fn relaunch(&mut self) -> Result<(), PeerError> {
        self.kill9();
        let mut command = command(
            &self.config,
            &self.binary,
            &self.data_dir,
            &self.kafka,
            &self.admin,
        );
        self.daemon = Daemon::spawn("holdfast", &mut command, self.logs.path(), "holdfast")?;
        Ok(())
    }

    /// How the process ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.daemon.ended()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.daemon.pid()
    }

    /// Its data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Changes what the next [`Holdfast::restart`] starts it with.
    pub fn config_mut(&mut self) -> &mut HoldfastConfig {
        &mut self.config
    }

    /// `host:port` of `/metrics`, `/livez` and `/readyz`.
    pub fn admin(&self) -> String {
        self.admin.address_at(&self.config.host)
    }

    /// The page `/metrics`.
    pub fn metrics(&self) -> Result<String, PeerError> {
        let page = http_get(&self.admin(), "/metrics");
        page.map(|(_, body)| body)
            .map_err(PeerError::io("get /metrics"))
    }

    /// Everything it printed on standard output since the first start.
    pub fn stdout(&self) -> Result<String, PeerError> {
        read(self.daemon.stdout())
    }

    /// Everything it printed on standard error since the first start.
    pub fn stderr(&self) -> Result<String, PeerError> {
        read(self.daemon.stderr())
    }
}

impl Cluster for Holdfast {
    fn bootstrap(&self) -> String {
        self.kafka.address_at(&self.config.host)
    }

    fn name(&self) -> &'static str {
        "holdfast"
    }

    fn log_tail(&self) -> String {
        self.daemon.log_tail()
    }
}

/// The `holdfast` binary under test: `$HOLDFAST_BIN`, else built by cargo once per process, in the
/// profile that the caller itself was built in.
pub fn holdfast_binary() -> Result<PathBuf, PeerError> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(binary) = env::var_os("HOLDFAST_BIN").filter(|value| !value.is_empty()) {
        return Ok(binary.into());
    }
    if let Some(built) = BUILT.get() {
        return Ok(built.clone());
    }
    // Two threads that come here at once both ask cargo, which lets one wait for the other.
    let built = build_binary()?;
    Ok(BUILT.get_or_init(|| built).clone())
}

fn build_binary() -> Result<PathBuf, PeerError> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(workspace)
        .args([
            "build",
            "--quiet",
            "--package",
            "broker-server",
            "--bin",
            "holdfast",
        ])
        .arg("--message-format=json-render-diagnostics");
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let messages = run_to_end("cargo build", &mut cargo).map_err(without_messages)?;
    binary_in(&String::from_utf8_lossy(&messages)).ok_or(PeerError::NoBinary)
}

/// Leaves of cargo's output what is meant for people.
fn without_messages(error: PeerError) -> PeerError {
    match error {
        PeerError::Failed {
            what,
            status,
            output,
        } => {
            let lines: Vec<&str> = output
                .lines()
                .filter(|line| !line.contains("\":{\""))
                .collect();
            PeerError::Failed {
                what,
                status,
                output: lines.join("\n"),
            }
        }
        error => error,
    }
}

/// The path of the binary in cargo's messages, one JSON object per line.
fn binary_in(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "holdfast")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

fn command(
    config: &HoldfastConfig,
    binary: &Path,
    data_dir: &Path,
    kafka: &Port,
    admin: &Port,
) -> Command {
    let mut command = match config.runner.split_first() {
        Some((program, args)) => {
            let mut command = Command::new(program);
            command.args(args).arg(binary);
            command
        }
        None => Command::new(binary),
    };
    command.arg("--data-dir").arg(data_dir);
    command.args([
        "--listen",
        &kafka.address_at(&config.host),
        "--admin-listen",
        &admin.address_at(&config.host),
    ]);
    for (name, value) in &config.settings {
        command.args(["--set", &format!("{name}={value}")]);
    }
    // The broker takes every HOLDFAST_* variable for a setting, and those of the tests (`HOLDFAST_BIN` and its like) are none.
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("HOLDFAST_") {
            command.env_remove(name);
        }
    }
    let env = config.env.iter().map(|(name, value)| (name, value));
    command.args(&config.args).envs(env);
    command
}

fn temporary_dir(prefix: &str) -> Result<TempDir, PeerError> {
    TempDir::with_prefix(prefix).map_err(PeerError::io("create a temporary directory"))
}

fn read(path: &Path) -> Result<String, PeerError> {
    let bytes = fs::read(path).map_err(PeerError::at("read", path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
