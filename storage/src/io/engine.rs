//! Choosing an engine.

use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use super::files::{DiskIo, QueueKind};
use super::{DirectIo, Engine, EngineChoice, EngineError, uring};

#[cfg(test)]
mod tests;

/// Opens the engine of the setting `io.engine`. With `auto`, a kernel that lacks or forbids the
/// ring gives `threads` and the reason.
pub fn open_engine(choice: EngineChoice) -> Result<Engine, EngineError> {
    open_engine_with(choice, DirectIo::Probe)
}

/// Like [`open_engine`], and says how durable files are opened.
pub fn open_engine_with(choice: EngineChoice, direct: DirectIo) -> Result<Engine, EngineError> {
    let (kind, fallback_reason) = choose(choice, uring::probe)?;
    Ok(Engine {
        io: Arc::new(DiskIo::new(kind, direct)),
        fallback_reason,
    })
}

fn choose(
    choice: EngineChoice,
    probe: impl FnOnce() -> io::Result<()>,
) -> Result<(QueueKind, Option<String>), EngineError> {
    if choice == EngineChoice::Threads {
        return Ok((QueueKind::Threads, None));
    }
    match probe() {
        Ok(()) => Ok((QueueKind::Uring, None)),
        Err(source) => match why_not(&source) {
            Some(why) if choice == EngineChoice::Auto => {
                Ok((QueueKind::Threads, Some(format!("{why}: {source}"))))
            }
            _ => Err(EngineError {
                source,
                what: "setting up an io_uring and using it once",
            }),
        },
    }
}

/// What an error of the probe tells, if it is one to fall back on.
fn why_not(error: &io::Error) -> Option<&'static str> {
    Some(match Errno::from_io_error(error)? {
        Errno::NOSYS => "the kernel has no io_uring",
        // Default container profiles (containerd 2.0, Docker 25) answer this.
        Errno::PERM => "io_uring is forbidden by a seccomp profile or kernel.io_uring_disabled",
        Errno::ACCESS => "io_uring is forbidden by a security module",
        Errno::INVAL => "the kernel's io_uring lacks an operation or a flag",
        Errno::NOMEM => "io_uring needs more locked memory than the limit allows",
        _ => return None,
    })
}
