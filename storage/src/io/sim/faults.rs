//! Failures that a test asked for.

use std::io;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    Sync,
}

#[derive(Debug)]
struct Fault {
    kind: Kind,
    path: String,
    errno: i32,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    waiting: Vec<Fault>,
}

impl Faults {
    pub(super) fn add(&mut self, kind: Kind, path: &str, errno: i32) {
        self.waiting.push(Fault {
            kind,
            path: path.to_owned(),
            errno,
        });
    }

    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The error for this operation, if one waits for it; each happens once.
    pub(super) fn take(&mut self, kind: Kind, path: &Path) -> Option<io::Error> {
        if self.waiting.is_empty() {
            return None;
        }
        let path = path.to_string_lossy();
        let matches = |fault: &Fault| fault.kind == kind && path.contains(&fault.path);
        let index = self.waiting.iter().position(matches)?;
        Some(io::Error::from_raw_os_error(
            self.waiting.remove(index).errno,
        ))
    }
}
