//! A valid journal: what it holds, and its bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use storage::io::BLOCK;
use storage::journal::format::{
    COMMIT_HEADER, CommitHeader, FIRST_COMMIT, FileHeader, TABLE_ENTRY, TableEntry,
};
use storage::journal::{EntryKind, JournalEnd, JournalFiles, ScanStart};
use uuid::Uuid;

use crate::Random;
use crate::input::Input;
use crate::targets::disk::Image;

pub(super) const DIR: &str = "/data/journal";
const DIRECTORY_ID: Uuid = Uuid::from_u128(7);

/// An entry of the plan, or as it was served; without a payload if that is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: u8,
    pub(super) log_id: u64,
    pub(super) leader_epoch: i32,
    pub(super) offset: i64,
    pub(super) end: i64,
    pub(super) payload: Option<Vec<u8>>,
}

/// A file of the plan.
pub(super) struct PlannedFile {
    pub(super) path: PathBuf,
    pub(super) header: FileHeader,
    pub(super) commits: Vec<PlannedCommit>,
}

pub(super) struct PlannedCommit {
    pub(super) at: u64,
    pub(super) sequence: u64,
    pub(super) first_position: u64,
    pub(super) entries: usize,
}

/// A valid journal.
pub(super) struct Plan {
    pub(super) start: ScanStart,
    /// Those that a scan reads, by generation.
    pub(super) files: Vec<PlannedFile>,
    pub(super) entries: BTreeMap<u64, Entry>,
    pub(super) next_sequence: u64,
    pub(super) image: Image,
}

impl Plan {
    pub(super) fn read(input: &mut Input<'_>) -> Plan {
        let files = 1 + input.below(4);
        let free_files = input.below(2);
        let rotated = input.below(files);
        let skipped = if input.one_in(4) { 1.min(files - 1) } else { 0 };
        let is_clean = input.one_in(4);
        let generation = 1 + input.below(3) as u64;
        let mut plan = Plan {
            start: ScanStart {
                directory_id: DIRECTORY_ID,
                generation: generation + skipped as u64,
                clean_end: None,
                files: (files + free_files) as u32,
            },
            files: Vec::new(),
            entries: BTreeMap::new(),
            next_sequence: 1 + input.below(3) as u64,
            image: Image::new(),
        };
        let (mut position, mut previous_header_crc) = (input.below(3) as u64, 0);
        for at in 0..files {
            // A run that followed a cut leaves out positions.
            position += u64::from(input.u8() % 4 == 1);
            let header = FileHeader {
                directory_id: DIRECTORY_ID,
                generation: generation + at as u64,
                run: 1 + at as u64 / 2,
                salt: [at as u8 + 1; 16],
                first_sequence: plan.next_sequence,
                first_position: position,
                previous_header_crc,
            };
            let index = (at + rotated) % files;
            let path = JournalFiles::path(Path::new(DIR), index as u32);
            let is_read = at >= skipped;
            let (file, bytes) = plan.file(
                input,
                path.clone(),
                header,
                &mut position,
                &mut previous_header_crc,
                is_read,
            );
            plan.image.insert(path, bytes);
            if is_read {
                plan.files.push(file);
            }
        }
        for at in 0..free_files {
            let path = JournalFiles::path(Path::new(DIR), (files + at) as u32);
            plan.image.insert(path, vec![0; 4 * BLOCK]);
        }
        if is_clean {
            plan.start.clean_end = Some(JournalEnd {
                generation: generation + files as u64 - 1,
                sequence: plan.next_sequence - 1,
            });
        }
        plan
    }

    fn file(
        &mut self,
        input: &mut Input<'_>,
        path: PathBuf,
        header: FileHeader,
        position: &mut u64,
        previous_header_crc: &mut u32,
        is_read: bool,
    ) -> (PlannedFile, Vec<u8>) {
        let mut bytes = vec![0; FIRST_COMMIT as usize];
        header.encode(&mut bytes);
        header.encode(&mut bytes[BLOCK..]);
        let mut commits = Vec::new();
        for _ in 0..input.below(5) {
            let entries: Vec<Entry> = (0..input.below(4)).map(|_| planned_entry(input)).collect();
            commits.push(PlannedCommit {
                at: bytes.len() as u64,
                sequence: self.next_sequence,
                first_position: *position,
                entries: entries.len(),
            });
            let commit = CommitHeader {
                salt: header.salt,
                sequence: self.next_sequence,
                durable_through: (self.next_sequence - 1).saturating_sub(input.below(3) as u64),
                first_position: *position,
                previous_header_crc: *previous_header_crc,
                seal: entries.is_empty(),
                ..CommitHeader::default()
            };
            *previous_header_crc = put_commit(&mut bytes, commit, &entries);
            for entry in entries {
                if is_read {
                    self.entries.insert(*position, entry);
                }
                *position += 1;
            }
            self.next_sequence += 1;
        }
        // Room for one commit more, as every file of use has.
        bytes.resize(bytes.len() + (1 + input.below(2)) * BLOCK, 0);
        let file = PlannedFile {
            path,
            header,
            commits,
        };
        (file, bytes)
    }
}

fn planned_entry(input: &mut Input<'_>) -> Entry {
    let kinds = [
        EntryKind::Append,
        EntryKind::Open,
        EntryKind::OpenUnjournaled,
        EntryKind::Truncate,
        EntryKind::NewLogStart,
        EntryKind::Drop,
    ];
    let kind = kinds[input.below(kinds.len())];
    let offset = i64::from(input.u8());
    let length = match input.u8() {
        // More than a block.
        255 => 5000,
        length => usize::from(length),
    };
    Entry {
        kind: kind.to_wire(),
        log_id: 1 + input.below(3) as u64,
        leader_epoch: if kind == EntryKind::Append { 3 } else { -1 },
        offset,
        end: offset + 1,
        payload: Some(Random::new(length as u64).bytes(length)),
    }
}

/// Appends a commit of these entries, whose lengths and checksums are made right; returns the checksum of its header.
fn put_commit(bytes: &mut Vec<u8>, header: CommitHeader, entries: &[Entry]) -> u32 {
    let payloads: Vec<&[u8]> = entries
        .iter()
        .map(|entry| entry.payload.as_deref().unwrap_or_default())
        .collect();
    let payload_len: usize = payloads.iter().map(|payload| payload.len()).sum();
    let total_len = CommitHeader::total_len_for(entries.len(), payload_len);
    let mut table = vec![0; entries.len() * TABLE_ENTRY];
    for ((line, entry), payload) in table.chunks_mut(TABLE_ENTRY).zip(entries).zip(&payloads) {
        let line_of = TableEntry {
            kind: entry.kind,
            leader_epoch: entry.leader_epoch,
            log_id: entry.log_id,
            offset: entry.offset,
            payload_len: payload.len() as u32,
            payload_crc: crc32c::crc32c(payload),
            end_offset: entry.end,
        };
        line_of.encode(line);
    }
    let header = CommitHeader {
        entries: entries.len() as u32,
        table_crc: crc32c::crc32c(&table),
        payload_len: payload_len as u32,
        total_len: total_len as u32,
        ..header
    };
    let at = bytes.len();
    bytes.resize(at + total_len, 0);
    let commit = &mut bytes[at..];
    let crc = header.encode(commit);
    let mut place = COMMIT_HEADER;
    for part in std::iter::once(&table[..]).chain(payloads) {
        commit[place..place + part.len()].copy_from_slice(part);
        place += part.len();
    }
    let trailer = total_len - COMMIT_HEADER;
    commit[trailer - table.len()..trailer].copy_from_slice(&table);
    header.encode_trailer(&mut commit[trailer..]);
    crc
}
