//! Files by path, and the simulated disk that holds them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use storage::io::OpenOptions;
use storage::io::sim::{SECTOR, SimConfig, SimDisk};

use crate::input::Input;

/// What all files hold.
pub(super) type Image = BTreeMap<PathBuf, Vec<u8>>;

/// A disk on which these files are, durable.
pub(super) fn disk_with(image: &Image) -> SimDisk {
    let disk = SimDisk::new(1, SimConfig::default());
    let io = disk.io();
    let mut directories: Vec<&Path> = Vec::new();
    for path in image.keys() {
        let directory = path.parent().expect("a file is in a directory");
        if directories.last() != Some(&directory) {
            io.create_dir_all(directory).expect("an empty disk");
            directories.push(directory);
        }
    }
    for (path, bytes) in image {
        let options = OpenOptions {
            create: true,
            ..OpenOptions::default()
        };
        let file = io.open(path, options).expect("its directory is there");
        file.write_all_at(&[bytes], 0).expect("there is space");
        file.sync().expect("a sound disk");
    }
    for directory in directories {
        for directory in directory.ancestors() {
            io.sync_dir(directory).expect("a sound disk");
        }
    }
    disk
}

/// Does something to a file, whatever it is.
pub(super) fn damage(image: &mut Image, input: &mut Input<'_>) {
    let at = input.below(image.len());
    if let Some(path) = image.keys().nth(at).cloned() {
        damage_file(image, &path, input);
    }
}

/// Does something to this file.
pub(super) fn damage_file(image: &mut Image, path: &Path, input: &mut Input<'_>) {
    let kind = input.u8() % 8;
    if kind == 7 {
        image.remove(path);
        return;
    }
    let Some(bytes) = image.get_mut(path).filter(|bytes| !bytes.is_empty()) else {
        return;
    };
    let at = input.place(bytes.len());
    match kind {
        0 | 1 => bytes[at] ^= input.u8().max(1),
        2 => {
            let value = input.take(8);
            let end = bytes.len().min(at + value.len());
            bytes[at..end].copy_from_slice(&value[..end - at]);
        }
        3 => {
            let sector = at / SECTOR * SECTOR;
            let end = bytes.len().min(sector + SECTOR);
            bytes[sector..end].fill(0);
        }
        4 => bytes.truncate(at),
        5 => {
            // One sector where another belongs.
            let from = input.place(bytes.len()) / SECTOR * SECTOR;
            let to = at / SECTOR * SECTOR;
            let sector = bytes[from..bytes.len().min(from + SECTOR)].to_vec();
            let end = bytes.len().min(to + sector.len());
            bytes[to..end].copy_from_slice(&sector[..end - to]);
        }
        _ => {
            let more = input.below(100);
            bytes.resize(bytes.len() + more, input.u8());
        }
    }
}
