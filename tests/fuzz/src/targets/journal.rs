//! The journal's reader over files that were damaged, or forged with right checksums.
//!
//! An input says what a valid journal holds ([`Plan::read`]), and then what is done to it
//! ([`forge`]), until it is used up.
//!
//! Whatever it is: an entry is served as intact only if some table in the file gives that payload
//! its checksum, positions grow, and nothing is written but what was there. As long as no checksum
//! was made right: what is served is what was written, and of every commit that something that can
//! be read knows to be durable, every entry is served or reported. An untouched journal is read to
//! its last entry.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use protocol::model::LeaderEpoch;
use storage::io::BLOCK;
use storage::journal::format::{
    COMMIT_HEADER, CommitHeader, FIRST_COMMIT, FileHeader, decode_table,
};
use storage::journal::{JournalPosition, Scan, ScanError, scan};

pub(super) use forge::forge_commit;

mod forge;
mod plan;

use forge::forge;
use plan::{DIR, Entry, Plan, PlannedCommit, PlannedFile};

use super::disk::{Image, disk_with};
use crate::Random;
use crate::input::Input;

/// What is done to one journal, at most.
const FORGERIES_MAX: usize = 12;

pub(crate) fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let plan = Plan::read(&mut input);
    let mut image = plan.image.clone();
    let mut is_forged = false;
    for _ in 0..FORGERIES_MAX {
        if input.is_empty() {
            break;
        }
        is_forged |= forge(&plan, &mut image, &mut input);
    }
    let disk = disk_with(&image);
    let mut served = Vec::new();
    let scanned = scan(
        disk.io().as_ref(),
        Path::new(DIR),
        plan.start,
        &mut |entry| {
            if let Ok(payload) = entry.payload {
                let path = entry.file.path().to_owned();
                check_payload(&image, &path, entry.payload_at, payload);
            }
            served.push(Served {
                position: entry.position.0,
                entry: Entry {
                    kind: entry.kind.to_wire(),
                    log_id: entry.log_id.0,
                    leader_epoch: entry.leader_epoch.map_or(-1, LeaderEpoch::get),
                    offset: entry.offset.get(),
                    end: entry.end.get(),
                    payload: entry.payload.ok().map(<[u8]>::to_vec),
                },
            });
        },
    );
    assert!(disk.image() == image, "the scan changed a file");
    assert!(served.is_sorted_by(|a, b| a.position < b.position));
    if image == plan.image {
        check_untouched(&plan, &served, scanned);
    } else if !is_forged {
        check_damaged(&plan, &image, &served, scanned);
    } else if let Ok(scanned) = scanned {
        let last = served.last();
        assert!(last.is_none_or(|last| last.position < scanned.next.position.0));
    }
}

#[derive(Debug)]
struct Served {
    position: u64,
    entry: Entry,
}

/// An intact payload is what lies at its place, and some table of the file gives it its checksum.
fn check_payload(image: &Image, path: &Path, at: u64, payload: &[u8]) {
    let bytes = &image[path];
    let start = usize::try_from(at).expect("a place in a file");
    let lies_there = (start < bytes.len() || payload.is_empty())
        && payload
            .iter()
            .enumerate()
            .all(|(index, byte)| bytes.get(start + index).unwrap_or(&0) == byte);
    assert!(lies_there, "not the bytes at {at} of {}", path.display());
    let crc = crc32c::crc32c(payload);
    assert!(
        checksums_in(bytes).contains(&(at, payload.len(), crc)),
        "no table vouches for the payload at {at} of {}",
        path.display()
    );
}

/// The places, lengths and checksums of payloads, as any table in a file gives them.
fn checksums_in(bytes: &[u8]) -> BTreeSet<(u64, usize, u32)> {
    let mut found = BTreeSet::new();
    let headers: Vec<FileHeader> = [bytes, bytes.get(BLOCK..).unwrap_or_default()]
        .into_iter()
        .filter_map(FileHeader::decode)
        .collect();
    for header in headers {
        for at in (FIRST_COMMIT as usize..bytes.len()).step_by(BLOCK) {
            if let Some((commit, _)) = CommitHeader::decode(&bytes[at..], &header.salt) {
                let total_len = commit.total_len as usize;
                add_table(&mut found, bytes, at, at + COMMIT_HEADER, &commit);
                let copy = (at + total_len).checked_sub(COMMIT_HEADER + commit.table_len());
                if let Some(copy) = copy {
                    add_table(&mut found, bytes, at, copy, &commit);
                }
            }
            let end = at + BLOCK;
            let trailer = bytes.get(end - COMMIT_HEADER..end);
            let commit =
                trailer.and_then(|bytes| CommitHeader::decode_trailer(bytes, &header.salt));
            if let Some(commit) = commit
                && let Some(front) = end.checked_sub(commit.total_len as usize)
                && let Some(table) = end.checked_sub(COMMIT_HEADER + commit.table_len())
            {
                add_table(&mut found, bytes, front, table, &commit);
            }
        }
    }
    found
}

fn add_table(
    found: &mut BTreeSet<(u64, usize, u32)>,
    bytes: &[u8],
    commit_at: usize,
    table_at: usize,
    header: &CommitHeader,
) {
    let table = bytes.get(table_at..table_at.saturating_add(header.table_len()));
    let Some(table) = table.and_then(|table| decode_table(header, table)) else {
        return;
    };
    let mut at = (commit_at + COMMIT_HEADER + header.table_len()) as u64;
    for line in table {
        found.insert((at, line.payload_len as usize, line.payload_crc));
        at += u64::from(line.payload_len);
    }
}

fn check_untouched(plan: &Plan, served: &[Served], scanned: Result<Scan, ScanError>) {
    let scanned = scanned.expect("nothing was done to it");
    let found = served
        .iter()
        .map(|served| (&served.position, &served.entry));
    assert!(found.eq(&plan.entries), "{served:?}");
    assert_eq!(scanned.damage, []);
    assert_eq!(scanned.next.sequence, plan.next_sequence);
    assert_eq!(scanned.cut.is_none(), plan.start.clean_end.is_some());
    let commits: usize = plan.files.iter().map(|file| file.commits.len()).sum();
    assert_eq!(scanned.commits, commits as u64);
    let last = plan.files.last().expect("there is one");
    let is_reopened = last.commits.is_empty() && plan.start.clean_end.is_none();
    assert_eq!(scanned.reopen.is_some(), is_reopened);
}

fn check_damaged(plan: &Plan, image: &Image, served: &[Served], scanned: Result<Scan, ScanError>) {
    let mut by_position = BTreeMap::new();
    for served in served {
        let written = plan.entries.get(&served.position);
        let same = written.is_some_and(|written| match &served.entry.payload {
            Some(_) => *written == served.entry,
            None => {
                let payload = None;
                Entry {
                    payload,
                    ..written.clone()
                } == served.entry
            }
        });
        assert!(same, "{served:?} where {written:?} was written");
        by_position.insert(JournalPosition(served.position), served);
    }
    let Ok(scanned) = scanned else { return };
    for file in known_durable(plan, image) {
        for commit in file {
            for position in (commit.first_position..).take(commit.entries) {
                assert!(
                    by_position.contains_key(&JournalPosition(position)),
                    "entry {position} was durable and is passed over: {:?}",
                    scanned.damage
                );
            }
        }
    }
    for served in served
        .iter()
        .filter(|served| served.entry.payload.is_none())
    {
        assert!(!scanned.damage.is_empty(), "{served:?} is not reported");
    }
}

/// The commits that something that can still be read knows to be durable: all those before another file, and
/// in the last file those up to the mark that a header there sets.
fn known_durable<'a>(plan: &'a Plan, image: &Image) -> Vec<&'a [PlannedCommit]> {
    let mut durable: Vec<&[PlannedCommit]> = Vec::new();
    let readable: Vec<&PlannedFile> = plan
        .files
        .iter()
        .filter(|file| {
            let bytes = image.get(&file.path).map_or(&[][..], Vec::as_slice);
            let copies = [bytes, bytes.get(BLOCK..).unwrap_or_default()];
            copies
                .into_iter()
                .any(|copy| FileHeader::decode(copy).is_some())
        })
        .collect();
    let Some((last, before)) = readable.split_last() else {
        return durable;
    };
    durable.extend(before.iter().map(|file| &file.commits[..]));
    let bytes = &image[&last.path];
    let capacity = bytes.len() / BLOCK * BLOCK;
    let mark = (FIRST_COMMIT as usize..capacity)
        .step_by(BLOCK)
        .filter_map(|at| CommitHeader::decode(&bytes[at..], &last.header.salt))
        .map(|(header, _)| header.durable_through)
        .max()
        .unwrap_or(0);
    let end = last
        .commits
        .partition_point(|commit| commit.sequence <= mark);
    durable.push(&last.commits[..end]);
    durable
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![Vec::new()];
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let length = 16 << random.below(4);
        seeds.push(random.bytes(length));
    }
    seeds
}
