//! Data directories as they lie on disk.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Random;

/// Every file with its bytes' checksum, and every directory. Two that are equal are the same data.
pub(crate) fn snapshot(dir: &Path) -> BTreeMap<PathBuf, Option<u64>> {
    let mut entries = BTreeMap::new();
    for path in walk(dir) {
        let sum = path.is_file().then(|| {
            let bytes = fs::read(&path).expect("a file of the test");
            (u64::from(crc32c::crc32c(&bytes)) << 32) | bytes.len() as u64
        });
        entries.insert(path, sum);
    }
    entries
}

/// Everything below a directory.
fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory of the test") {
        let path = entry.expect("a directory of the test").path();
        if path.is_dir() {
            found.extend(walk(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

/// The journal files that have ever been written to.
pub(crate) fn journal_files(data_dir: &Path) -> Vec<PathBuf> {
    let mut files = with_extension(&data_dir.join("journal"), "journal");
    files.retain(|file| written_end(file) > 0);
    files
}

/// Files of one kind in a directory.
pub(crate) fn with_extension(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = walk(dir);
    files.retain(|path| path.extension().is_some_and(|it| it == extension));
    files
}

/// Where the last block ends that is not all zero: journal files are filled with zeros when made.
pub(crate) fn written_end(file: &Path) -> u64 {
    const BLOCK: usize = 4096;
    let bytes = fs::read(file).expect("a file of the test");
    let mut blocks = bytes.chunks(BLOCK);
    let last = blocks.rposition(|block| block.iter().any(|byte| *byte != 0));
    last.map_or(0, |block| ((block + 1) * BLOCK) as u64)
}

/// Turns one bit around.
pub(crate) fn flip_bit(file: &Path, at: u64, bit: usize) {
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(file)
        .expect("a file");
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).expect("a file");
    file.read_exact(&mut byte).expect("a place within the file");
    byte[0] ^= 1 << bit;
    file.seek(SeekFrom::Start(at)).expect("a file");
    file.write_all(&byte).expect("a file that can be written");
}

/// Writes over a part of a file.
pub(crate) fn overwrite(file: &Path, at: u64, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(file)
        .expect("a file");
    file.seek(SeekFrom::Start(at)).expect("a file");
    file.write_all(bytes).expect("a file that can be written");
}

/// Where `needle` stands, and in which file.
pub(crate) fn find(files: &[PathBuf], needle: &[u8]) -> Option<(PathBuf, u64)> {
    files.iter().find_map(|file| {
        let bytes = fs::read(file).expect("a file of the test");
        let first = *needle.first()?;
        let mut at = 0;
        loop {
            at += bytes[at..].iter().position(|byte| *byte == first)?;
            if bytes[at..].starts_with(needle) {
                return Some((file.clone(), at as u64));
            }
            at += 1;
        }
    })
}

/// What may happen to a file that can be made again.
pub(crate) fn ruin(file: &Path, random: &mut Random) -> &'static str {
    let length = fs::metadata(file).expect("a file of the test").len();
    match random.below(5) {
        0 => {
            fs::remove_file(file).expect("a file of the test");
            "removed"
        }
        1 => {
            fs::write(file, vec![0; length as usize]).expect("a file of the test");
            "zeroed"
        }
        2 => {
            let shorter = random.below(length.max(1) as usize) as u64;
            let file = fs::OpenOptions::new()
                .write(true)
                .open(file)
                .expect("a file");
            file.set_len(shorter).expect("a file of the test");
            "cut"
        }
        3 => {
            fs::write(file, random.bytes(length as usize)).expect("a file of the test");
            "random"
        }
        _ if length > 0 => {
            flip_bit(file, random.below(length as usize) as u64, random.below(8));
            "a bit of it turned"
        }
        _ => {
            fs::write(file, random.bytes(24)).expect("a file of the test");
            "made longer"
        }
    }
}
