//! Child processes that do not outlive their parent, with their output in files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{PeerError, ready};

/// How much of a log a failure shows.
const LOG_TAIL_BYTES: u64 = 8 * 1024;

/// A broker's process.
#[derive(Debug)]
pub(crate) struct Daemon {
    what: String,
    child: Child,
    watchdog: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    ended: Option<ExitStatus>,
}

impl Daemon {
    /// Starts `command`; its output is appended to `stem.stdout` and `stem.stderr` in `log_dir`.
    pub(crate) fn spawn(
        what: &str,
        command: &mut Command,
        log_dir: &Path,
        stem: &str,
    ) -> Result<Daemon, PeerError> {
        let stdout = log_dir.join(format!("{stem}.stdout"));
        let stderr = log_dir.join(format!("{stem}.stderr"));
        let mut child = command
            .stdin(Stdio::null())
            .stdout(append_to(&stdout)?)
            .stderr(append_to(&stderr)?)
            .spawn()
            .map_err(spawn_error(command))?;
        let watchdog = match watch_over(&child) {
            Ok(watchdog) => watchdog,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        Ok(Daemon {
            what: what.to_owned(),
            child,
            watchdog,
            stdout,
            stderr,
            ended: None,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            self.dismiss_watchdog();
            self.ended = Some(status);
        }
        self.ended
    }

    /// SIGKILL, and waits until the process is gone.
    pub(crate) fn kill9(&mut self) {
        if self.ended().is_some() {
            return;
        }
        self.dismiss_watchdog();
        let _ = self.child.kill();
        self.ended = self.child.wait().ok();
    }

    /// SIGTERM, and waits for the end; SIGKILL and an error if that takes longer than `limit`.
    pub(crate) fn terminate(&mut self, limit: Duration) -> Result<ExitStatus, PeerError> {
        if let Some(status) = self.ended() {
            return Ok(status);
        }
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let mut ended = None;
        ready::poll_until(
            limit,
            || {
                ended = self.ended();
                ended.is_some()
            },
            || false,
        );
        ended.ok_or_else(|| {
            self.kill9();
            self.timed_out("stopped", limit)
        })
    }

    /// Waits until `probe` says that the broker is ready.
    pub(crate) fn wait_ready(
        &mut self,
        limit: Duration,
        probe: impl FnMut() -> bool,
    ) -> Result<(), PeerError> {
        let mut ended = None;
        let is_ready = ready::poll_until(limit, probe, || {
            ended = self.ended();
            ended.is_some()
        });
        match ended {
            _ if is_ready => Ok(()),
            None => Err(self.timed_out("was ready", limit)),
            Some(status) => Err(PeerError::Exited {
                what: self.what.clone(),
                status,
                log: self.log_tail(),
            }),
        }
    }

    pub(crate) fn stdout(&self) -> &Path {
        &self.stdout
    }

    pub(crate) fn stderr(&self) -> &Path {
        &self.stderr
    }

    pub(crate) fn log_tail(&self) -> String {
        let mut tail = String::new();
        for path in [&self.stdout, &self.stderr] {
            match tail_of(path) {
                Ok(text) if text.is_empty() => {}
                Ok(text) => tail += &format!("--- {}\n{}\n", path.display(), text.trim_end()),
                Err(error) => tail += &format!("--- {}: {error}\n", path.display()),
            }
        }
        tail
    }

    fn timed_out(&self, waiting_for: &'static str, waited: Duration) -> PeerError {
        PeerError::TimedOut {
            what: self.what.clone(),
            waiting_for,
            waited,
            log: self.log_tail(),
        }
    }

    /// Before the child is reaped, since afterwards its process id may be somebody else's.
    fn dismiss_watchdog(&mut self) {
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// A shell that kills `child` when our end of its input closes, which the system does for us
/// however we die. It has a process group of its own, so that Ctrl-C does not take it along.
fn watch_over(child: &Child) -> Result<Child, PeerError> {
    Command::new("sh")
        .args(["-c", r#"read -r _; kill -9 "$0" 2>/dev/null"#])
        .arg(child.id().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(PeerError::io("start sh"))
}

/// Runs a helper program to its end; its output is shown only if it fails.
pub(crate) fn run_to_end(what: &str, command: &mut Command) -> Result<Vec<u8>, PeerError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(spawn_error(command))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = [output.stdout, output.stderr].concat();
    let tail = &text[text.len().saturating_sub(LOG_TAIL_BYTES as usize)..];
    Err(PeerError::Failed {
        what: what.to_owned(),
        status: output.status,
        output: String::from_utf8_lossy(tail).into_owned(),
    })
}

fn spawn_error(command: &Command) -> impl FnOnce(io::Error) -> PeerError {
    let program = command.get_program().to_string_lossy().into_owned();
    move |source| match source.kind() {
        io::ErrorKind::NotFound => PeerError::Missing { program },
        _ => PeerError::Io {
            doing: format!("start {program}"),
            source,
        },
    }
}

fn append_to(path: &Path) -> Result<File, PeerError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(PeerError::at("open", path))
}

fn tail_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let len = fs::metadata(path)?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(LOG_TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests;
