//! Whether a file system honours `O_DIRECT | O_DSYNC`, shown by a write rather than believed from a
//! name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rustix::io::Errno;

use crate::io::{AlignedBuf, BLOCK, DirectIo};

/// Probes, and remembers the answers by device number.
#[derive(Debug)]
pub(super) struct DirectSupport {
    wanted: DirectIo,
    by_device: Mutex<BTreeMap<u64, bool>>,
}

impl DirectSupport {
    pub(super) fn new(wanted: DirectIo) -> DirectSupport {
        DirectSupport {
            wanted,
            by_device: Mutex::new(BTreeMap::new()),
        }
    }

    /// Opens `path`, which `buffered` already has open, for direct and synchronous access. `None`
    /// where the file system refuses that.
    pub(super) fn open(&self, path: &Path, buffered: &File) -> io::Result<Option<File>> {
        if self.wanted == DirectIo::Never {
            return Ok(None);
        }
        let metadata = buffered.metadata()?;
        if !self.supported(path, metadata.dev()) {
            return Ok(None);
        }
        let direct = match open_direct(fs::OpenOptions::new().read(true).write(true), path) {
            Ok(direct) => direct,
            Err(error) if is_refusal(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let opened = direct.metadata()?;
        if (opened.dev(), opened.ino()) != (metadata.dev(), metadata.ino()) {
            return Err(io::Error::other(
                "the file was replaced while it was being opened",
            ));
        }
        Ok(Some(direct))
    }

    fn supported(&self, path: &Path, device: u64) -> bool {
        let mut by_device = self.by_device.lock();
        if let Some(answer) = by_device.get(&device) {
            return *answer;
        }
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        match probe_write(directory) {
            Ok(answer) => {
                by_device.insert(device, answer);
                answer
            }
            // A full or read-only disk proves nothing, and a start must need no free space: see
            // whether the file itself can be read directly, and ask again next time.
            Err(_) => probe_read(path).unwrap_or(false),
        }
    }
}

/// Writes one block to a file that has no name any more when it is written, and reads it back.
fn probe_write(directory: &Path) -> io::Result<bool> {
    let path = probe_path(directory);
    let mut options = fs::OpenOptions::new();
    let file = match open_direct(options.read(true).write(true).create_new(true), &path) {
        Ok(file) => file,
        Err(error) => {
            // The kernel may create the file before it refuses the flag.
            remove_if_there(&path);
            return if is_refusal(&error) {
                Ok(false)
            } else {
                Err(error)
            };
        }
    };
    fs::remove_file(&path)?;
    let mut written = AlignedBuf::with_capacity(BLOCK);
    written.extend_from_slice(&[0xa5; BLOCK]);
    let mut read = AlignedBuf::with_capacity(BLOCK);
    read.set_len(BLOCK);
    let outcome = file
        .write_all_at(written.as_slice(), 0)
        .and_then(|()| file.read_exact_at(read.as_mut_slice(), 0));
    match outcome {
        Ok(()) => Ok(written.as_slice() == read.as_slice()),
        Err(error) if is_refusal(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn probe_read(path: &Path) -> io::Result<bool> {
    let file = open_direct(fs::OpenOptions::new().read(true), path)?;
    let mut block = AlignedBuf::with_capacity(BLOCK);
    block.set_len(BLOCK);
    Ok(file.read_at(block.as_mut_slice(), 0)? > 0)
}

fn open_direct(options: &mut fs::OpenOptions, path: &Path) -> io::Result<File> {
    // From libc, since rustix's `DSYNC` is `O_SYNC`, which writes the inode's times with every
    // write.
    options
        .custom_flags(libc::O_DIRECT | libc::O_DSYNC)
        .open(path)
}

fn is_refusal(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS)
    )
}

fn remove_if_there(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "could not remove the probe file");
    }
}

fn probe_path(directory: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    directory.join(format!(".direct-probe-{}-{number}", std::process::id()))
}
