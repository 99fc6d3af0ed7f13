//! `meta.properties`: whose directory this is. Kafka's format and names, with our own format version.

use std::io;
use std::path::{Path, PathBuf};

use protocol::model::{BrokerId, base64_uuid, parse_base64_uuid};
use uuid::Uuid;

use super::OpenError;
use crate::io::{Io, OpenOptions};
use crate::log::SyncFailed;

/// The layout of a data directory that this version writes.
pub const FORMAT: u32 = 3;
/// The least that it reads: without entries of the journal that say what files hold.
const FORMAT_MIN: u32 = 2;
const NAME: &str = "meta.properties";

/// What a data directory says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The cluster it belongs to.
    pub cluster_id: String,
    /// The broker it belongs to.
    pub node_id: BrokerId,
    /// Its own id: an empty or replaced directory has another.
    pub directory_id: Uuid,
    /// `holdfast.format`, which a start brings up to [`FORMAT`].
    pub format: u32,
}

impl Meta {
    /// The file's path.
    pub fn path(dir: &Path) -> PathBuf {
        dir.join(NAME)
    }

    /// Reads the file; `None` when there is none.
    pub fn read(io: &dyn Io, dir: &Path) -> Result<Option<Meta>, OpenError> {
        let path = Meta::path(dir);
        let failed = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        if !io.exists(&path).map_err(failed)? {
            return Ok(None);
        }
        let bytes = read_small(io, &path).map_err(failed)?;
        let text = String::from_utf8_lossy(&bytes);
        Meta::parse(&text)
            .map(Some)
            .map_err(|what| OpenError::Meta { path, what })
    }

    fn parse(text: &str) -> Result<Meta, String> {
        let value = |key: &str| {
            text.lines()
                .filter_map(|line| line.split_once('='))
                .find(|(name, _)| name.trim() == key)
                .map(|(_, value)| value.trim().to_owned())
                .ok_or_else(|| format!("{key} is missing"))
        };
        let format: u32 = value("holdfast.format")?
            .parse()
            .map_err(|_| "holdfast.format is not a number".to_owned())?;
        if !(FORMAT_MIN..=FORMAT).contains(&format) {
            return Err(format!(
                "it has format {format}, this version reads formats {FORMAT_MIN} to {FORMAT}; use the version that wrote it"
            ));
        }
        let node = value("node.id")?;
        let directory = value("directory.id")?;
        Ok(Meta {
            cluster_id: value("cluster.id")?,
            node_id: node
                .parse()
                .ok()
                .and_then(BrokerId::from_wire)
                .ok_or_else(|| format!("node.id is {node:?}, not a broker id"))?,
            directory_id: parse_base64_uuid(&directory)
                .ok_or_else(|| format!("directory.id is {directory:?}, not an id"))?,
            format,
        })
    }

    /// Writes the file durably: the last step of formatting a directory, and the first of what only this version reads.
    pub fn write(&self, io: &dyn Io, dir: &Path) -> io::Result<()> {
        let text = format!(
            "version=1\nholdfast.format={}\ncluster.id={}\nnode.id={}\ndirectory.id={}\n",
            self.format,
            self.cluster_id,
            self.node_id,
            base64_uuid(self.directory_id)
        );
        write_durably(io, &Meta::path(dir), text.as_bytes())
    }
}

/// Replaces a small file whole: temporary name, sync, rename, sync of the directory.
pub fn write_durably(io: &dyn Io, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let options = OpenOptions {
        create: true,
        truncate: true,
        ..OpenOptions::default()
    };
    let file = io.open(&temporary, options)?;
    file.write_all_at(&[bytes], 0)?;
    // Never merely a full disk: see `SyncFailed`.
    file.sync()
        .map_err(|error| io::Error::other(SyncFailed(error)))?;
    io.rename(&temporary, path)?;
    match path.parent() {
        Some(parent) => io.sync_dir(parent),
        None => Ok(()),
    }
}

/// Reads a whole file of a directory's own.
pub fn read_small(io: &dyn Io, path: &Path) -> io::Result<Vec<u8>> {
    let file = io.open(
        path,
        OpenOptions {
            read_only: true,
            ..OpenOptions::default()
        },
    )?;
    let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}
