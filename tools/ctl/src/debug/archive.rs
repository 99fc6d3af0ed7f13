//! A tar archive, packed, that is written as things come.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter},
    path::{Path, PathBuf},
    time::SystemTime,
};

use flate2::{Compression, write::GzEncoder};
use serde::Serialize;

use crate::{CtlError, clock::ms_since_epoch};

/// Everything is in a directory of this name.
const ROOT: &str = "holdfast-debug";
/// No file in an archive is larger.
const FILE_BYTES_MAX: usize = 64 << 20;
const MODE: u32 = 0o644;

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BundledFile {
    /// Its name.
    pub name: String,
    /// How large it is.
    pub bytes: usize,
    /// Why it could not be gathered. `None`: it was.
    pub error: Option<String>,
}

/// One that is being written.
pub(super) struct Archive {
    path: PathBuf,
    tar: tar::Builder<GzEncoder<BufWriter<File>>>,
    /// Seconds since the epoch.
    time: u64,
    files: Vec<BundledFile>,
}

impl Archive {
    /// Begins one, where nothing is yet.
    pub fn create(path: &Path, now: SystemTime) -> Result<Archive, CtlError> {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CtlError::Refused(format!(
                "{} is there already, and is not overwritten",
                path.display()
            )),
            _ => CtlError::file("cannot make", path)(error),
        })?;
        let packed = GzEncoder::new(BufWriter::new(file), Compression::default());
        Ok(Archive {
            path: path.to_owned(),
            tar: tar::Builder::new(packed),
            time: u64::try_from(ms_since_epoch(now) / 1_000).unwrap_or_default(),
            files: Vec::new(),
        })
    }

    /// Adds a file, or why there is none. An error means that nothing can be written.
    pub fn add(&mut self, name: &str, content: Result<Vec<u8>, CtlError>) -> Result<(), CtlError> {
        let content = content.map_err(|error| error.to_string());
        let content = content.and_then(|it| match it.len() {
            0..=FILE_BYTES_MAX => Ok(it),
            _ => Err(format!("larger than {FILE_BYTES_MAX} bytes")),
        });
        let (name, content, error) = match content {
            Ok(content) => (name.to_owned(), content, None),
            Err(error) => {
                let content = format!("{error}\n").into_bytes();
                (format!("{name}.error.txt"), content, Some(error))
            }
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(MODE);
        header.set_mtime(self.time);
        let path = format!("{ROOT}/{name}");
        let added = self.tar.append_data(&mut header, path, content.as_slice());
        added.map_err(CtlError::file("cannot write", &self.path))?;
        self.files.push(BundledFile {
            name,
            bytes: content.len(),
            error,
        });
        Ok(())
    }

    /// Ends it. Done means: the system has all of it.
    pub fn finish(self) -> Result<Vec<BundledFile>, CtlError> {
        let packed = self.tar.into_inner();
        let written = packed.and_then(GzEncoder::finish);
        let file = written.and_then(|it| it.into_inner().map_err(io::IntoInnerError::into_error));
        file.map_err(CtlError::file("cannot write", &self.path))?;
        Ok(self.files)
    }
}
