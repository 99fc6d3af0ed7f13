//! A disk that can lose its power: ext4 on a file, mounted through a loop device.
//!
//! A SIGKILL leaves the page cache to the kernel, which writes it out in time, so that it cannot
//! show a missing sync. Shutting the file system down without flushing its journal does: what was
//! not synced before is gone after the next mount.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Enough for the default journal (1 GiB) and what a life writes, and sparse.
const IMAGE_BYTES: u64 = 3 << 30;
/// The kernel may still be taking a killed process apart, and its ring with it.
const UNMOUNT_LIMIT: Duration = Duration::from_secs(30);
const UNMOUNT_INTERVAL: Duration = Duration::from_millis(5);
/// `ioctl(fd, FS_IOC_SHUTDOWN, FS_SHUTDOWN_FLAGS_NOLOGFLUSH)`. A helper process, since there is no
/// safe call for it.
const SHUT_DOWN: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack('I', 2))";

/// A mounted image. Dropping it unmounts it and removes the image.
#[derive(Debug)]
pub struct LoopDisk {
    image: PathBuf,
    mount_point: PathBuf,
    is_mounted: bool,
    dir: Option<TempDir>,
}

impl LoopDisk {
    /// Makes an image in a directory of its own within `parent`, which should not be in memory.
    pub fn create(parent: &Path) -> Result<LoopDisk, String> {
        LoopDisk::with_bytes(parent, IMAGE_BYTES)
    }

    /// The same with so many bytes, all of which can be used.
    pub fn with_bytes(parent: &Path, bytes: u64) -> Result<LoopDisk, String> {
        let dir = TempDir::with_prefix_in("disk-", parent)
            .map_err(|error| format!("create a directory in {}: {error}", parent.display()))?;
        let image = dir.path().join("image");
        let mount_point = dir.path().join("mount");
        let made = fs::File::create_new(&image)
            .and_then(|file| file.set_len(bytes))
            .and_then(|()| fs::create_dir(&mount_point));
        made.map_err(|error| format!("create {}: {error}", image.display()))?;
        // Without blocks that are kept for root, which the broker may be.
        run(Command::new("mkfs.ext4")
            .args(["-q", "-m", "0"])
            .arg(&image))?;
        let mut disk = LoopDisk {
            image,
            mount_point,
            is_mounted: false,
            dir: Some(dir),
        };
        disk.mount()?;
        Ok(disk)
    }

    /// Whether this machine lets us: the reason why not, else `None`.
    pub fn unavailable(parent: &Path) -> Option<String> {
        let attempt = LoopDisk::create(parent).and_then(|mut disk| {
            disk.cut_power()?;
            disk.restore_power()
        });
        attempt.err()
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.mount_point
    }

    /// From here on, every write and sync fails, and nothing reaches the image any more.
    pub fn cut_power(&self) -> Result<(), String> {
        run(Command::new("python3")
            .args(["-c", SHUT_DOWN])
            .arg(&self.mount_point))
    }

    /// Mounts it again, with what was on stable media. Nobody may have files open on it.
    pub fn restore_power(&mut self) -> Result<(), String> {
        self.unmount()?;
        self.mount()
    }

    /// Takes it away: where it was is an empty directory. Nobody may have files open on it.
    pub fn unmount(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + UNMOUNT_LIMIT;
        while let Err(error) = run(Command::new("umount").arg(&self.mount_point)) {
            if Instant::now() > deadline {
                return Err(error);
            }
            thread::sleep(UNMOUNT_INTERVAL);
        }
        self.is_mounted = false;
        Ok(())
    }

    /// From here on every write waits until it is thawed, and nothing fails.
    pub fn freeze(&self) -> Result<(), String> {
        run(Command::new("fsfreeze").arg("-f").arg(&self.mount_point))
    }

    /// Lets what waits go on.
    pub fn thaw(&self) -> Result<(), String> {
        run(Command::new("fsfreeze").arg("-u").arg(&self.mount_point))
    }

    /// Makes everything on it durable.
    pub fn sync(&self) -> Result<(), String> {
        run(Command::new("sync").arg("-f").arg(&self.mount_point))
    }

    /// Leaves the image where it is when this is dropped.
    pub fn keep(&mut self) -> PathBuf {
        if let Some(dir) = self.dir.take() {
            let _ = dir.keep();
        }
        self.image.clone()
    }

    /// Brings it back.
    pub fn mount(&mut self) -> Result<(), String> {
        let mount = ["-o", "loop", "-t", "ext4"];
        run(Command::new("mount")
            .args(mount)
            .arg(&self.image)
            .arg(&self.mount_point))?;
        self.is_mounted = true;
        Ok(())
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        // Lazily, since this may be on the way out of a test that failed.
        if self.is_mounted {
            let _ = run(Command::new("umount").arg("-l").arg(&self.mount_point));
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program}: {}: {}", output.status, stderr.trim()))
}
