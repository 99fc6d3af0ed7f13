//! Somebody else on the disk, who takes what there is.

use std::{io, path::Path, path::PathBuf, sync::Arc};

use storage::io::{EngineChoice, Io, OpenOptions, open_engine};

/// Space taken at once.
const STEP: u64 = 1 << 20;

/// A file of nothing on a disk that is to be full.
pub struct Hog {
    io: Arc<dyn Io>,
    path: PathBuf,
}

impl Hog {
    /// A hog in this directory, which takes nothing yet.
    pub fn new(dir: &Path) -> Result<Hog, String> {
        let engine = open_engine(EngineChoice::Threads).map_err(|error| error.to_string())?;
        Ok(Hog {
            io: engine.io,
            path: dir.join("hog"),
        })
    }

    /// What everybody may still take.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let dir = self.path.parent().unwrap_or(&self.path);
        self.io.disk_space(dir).map(|space| space.available)
    }

    /// Takes all but so many bytes.
    pub fn leave(&self, bytes: u64) -> io::Result<()> {
        let create = OpenOptions {
            create: true,
            ..OpenOptions::default()
        };
        let file = self.io.open(&self.path, create)?;
        loop {
            let free = self.free_bytes()?;
            if free <= bytes {
                return Ok(());
            }
            match file.allocate(file.len()? + (free - bytes).min(STEP)) {
                Ok(()) => {}
                // Somebody else was faster.
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives back all it has.
    pub fn go_away(&self) -> io::Result<()> {
        self.io.remove_file(&self.path)
    }
}
