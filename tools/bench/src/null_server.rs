//! The null server as a process of its own, so that what it costs can be told from what the load generator costs.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::BenchError;
use crate::interrupt::Interrupt;
use crate::measure::metered;
use crate::native::read_back::ReadBack;
use crate::round::Used;
use crate::sendfile;

/// Has the process end with who started it: it reads until its standard input ends, which the system does however that is.
const UNTIL_STDIN_ENDS: &str = "--until-stdin-ends";

/// Of what was written, so much is read again: less than fits into the page cache of a machine that can run a comparison.
const READ_BACK_BYTES_MAX: u64 = 4 << 30;

/// A `holdfast-bench null-server`; its process is killed on drop.
#[derive(Debug)]
pub struct NullServer {
    program: PathBuf,
    child: Child,
    address: String,
    /// What it writes to, in a directory that goes with it.
    file: Option<(PathBuf, TempDir)>,
}

impl NullServer {
    /// One that only acknowledges. `program` is the binary `holdfast-bench`.
    pub fn start(program: &Path) -> Result<NullServer, BenchError> {
        NullServer::start_with(program, &[], None)
    }

    /// One that checksums and writes each batch before, into a file in a temporary directory: where brokers that are started here have their data.
    pub fn start_writing(program: &Path) -> Result<NullServer, BenchError> {
        let directory = TempDir::with_prefix("holdfast-bench-");
        let directory = directory.map_err(BenchError::io("create a temporary directory"))?;
        let path = directory.path().join("batches");
        let arguments = ["--write".as_ref(), path.as_os_str()];
        NullServer::start_with(program, &arguments, Some((path.clone(), directory)))
    }

    /// One that sends a file with `sendfile(2)`, as [`sendfile`] has it.
    fn start_sending(program: &Path, path: &Path) -> Result<NullServer, BenchError> {
        NullServer::start_with(program, &["--send".as_ref(), path.as_os_str()], None)
    }

    fn start_with(
        program: &Path,
        arguments: &[&OsStr],
        file: Option<(PathBuf, TempDir)>,
    ) -> Result<NullServer, BenchError> {
        let failed = BenchError::io("start a null server");
        let mut child = Command::new(program)
            .args(["null-server", UNTIL_STDIN_ENDS])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the load generator.
            .process_group(0)
            .spawn()
            .map_err(&failed)?;
        let mut address = String::new();
        let said = match child.stdout.take() {
            Some(said) => BufReader::new(said).read_line(&mut address),
            None => Ok(0),
        };
        let server = NullServer {
            program: program.to_owned(),
            child,
            address: address.trim_end().to_owned(),
            file,
        };
        match said.map_err(&failed)? {
            0 => Err(BenchError::Unexpected("a null server ended by itself")),
            _ => Ok(server),
        }
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it writes; the current directory if it does not.
    pub fn directory(&self) -> &Path {
        let written = self.file.as_ref();
        written.map_or(Path::new("."), |(_, directory)| directory.path())
    }

    /// Has what it wrote sent by `sendfile(2)` to a reader here that discards it, from the page cache, up to 4 GiB: what was read, and what it cost the process that sent it.
    /// `None` if nothing was written.
    pub fn read_back(&self, interrupt: &Interrupt) -> Result<Option<(ReadBack, Used)>, BenchError> {
        let Some((path, _)) = &self.file else {
            return Ok(None);
        };
        let failed = BenchError::io("read what a null server wrote");
        let written = std::fs::metadata(path).map_err(&failed)?.len();
        let bytes = written.min(READ_BACK_BYTES_MAX);
        if bytes == 0 || interrupt.is_raised() {
            return Ok(None);
        }
        sendfile::warm(path, bytes).map_err(&failed)?;
        let sender = NullServer::start_sending(&self.program, path)?;
        let read = || sendfile::read(sender.address(), bytes, interrupt);
        metered(&[sender.pid()], read).map(Some)
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
