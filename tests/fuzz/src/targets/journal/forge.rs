//! What is done to a journal, with checksums made right again afterwards.

use std::ops::Range;

use storage::io::BLOCK;
use storage::journal::format::{COMMIT_HEADER, CommitHeader, FileHeader, TABLE_ENTRY, TableEntry};
use uuid::Uuid;

use super::plan::Plan;
use crate::input::Input;
use crate::targets::disk::{Image, damage};
use crate::targets::headers::{self, FIELDS};

/// Does something to the files. True if a checksum was made right, so that it cannot be noticed.
pub(super) fn forge(plan: &Plan, image: &mut Image, input: &mut Input<'_>) -> bool {
    let kind = input.u8() % 8;
    if kind < 4 {
        damage(image, input);
        return false;
    }
    let file = &plan.files[input.below(plan.files.len())];
    let Some(bytes) = image.get_mut(&file.path) else {
        return false;
    };
    if kind == 4 {
        forge_file_header(bytes, input);
        return true;
    }
    if file.commits.is_empty() {
        return false;
    }
    let commit = &file.commits[input.below(file.commits.len())];
    forge_commit(bytes, commit.at as usize, &file.header.salt, input);
    true
}

/// Gives one field of a file's header another value, in one copy or both.
fn forge_file_header(bytes: &mut [u8], input: &mut Input<'_>) {
    let spared = input.below(3);
    let field = input.below(7);
    let value = Input::new(input.take(9));
    for (copy, block) in bytes.chunks_exact_mut(BLOCK).take(2).enumerate() {
        let Some(mut header) = FileHeader::decode(block).filter(|_| copy != spared) else {
            continue;
        };
        let mut value = value.clone();
        match field {
            0 => header.generation = value.forged(header.generation),
            1 => header.run = value.forged(header.run),
            2 => header.first_sequence = value.forged(header.first_sequence),
            3 => header.first_position = value.forged(header.first_position),
            4 => header.previous_header_crc ^= 1,
            5 => header.salt[0] = value.u8(),
            _ => header.directory_id = Uuid::from_u128(value.u8().into()),
        }
        header.encode(block);
    }
}

/// Gives one field of a commit another value and makes its checksums right, at the front, at the end or both.
pub(in crate::targets) fn forge_commit(
    bytes: &mut [u8],
    at: usize,
    salt: &[u8; 16],
    input: &mut Input<'_>,
) {
    let spared = input.below(3);
    let field = input.below(11);
    let line = input.u8();
    let mut value = Input::new(input.take(9));
    let Some((header, _)) = bytes
        .get(at..)
        .and_then(|bytes| CommitHeader::decode(bytes, salt))
    else {
        return;
    };
    let (total_len, table_len) = (header.total_len as usize, header.table_len());
    let Some(commit) = bytes.get_mut(at..at + total_len) else {
        return;
    };
    let line = usize::from(line) % header.entries.max(1) as usize;
    let trailer = total_len - COMMIT_HEADER;
    if field >= 9 {
        forge_payload(commit, &header, line, field == 10, &mut value);
    }
    let header = forged_header(header, field, &mut value.clone());
    let ends = [COMMIT_HEADER, trailer - table_len];
    for (end, place) in ends.into_iter().enumerate() {
        if end == spared {
            continue;
        }
        let mut table = commit[place..place + table_len].to_vec();
        if field == 8
            && let Some(bytes) = table.chunks_exact_mut(TABLE_ENTRY).nth(line)
        {
            let mut entry = TableEntry::decode(bytes);
            forge_line(&mut entry, &mut value.clone());
            entry.encode(bytes);
        }
        if field >= 9 {
            sum_payloads(commit, &mut table);
        }
        commit[place..place + table_len].copy_from_slice(&table);
        let header = CommitHeader {
            table_crc: crc32c::crc32c(&table),
            ..header.clone()
        };
        if end == 0 {
            header.encode(commit);
        } else {
            header.encode_trailer(&mut commit[trailer..]);
        }
    }
}

fn forged_header(mut header: CommitHeader, field: usize, value: &mut Input<'_>) -> CommitHeader {
    match field {
        0 => header.sequence = value.forged(header.sequence),
        1 => header.durable_through = value.forged(header.durable_through),
        2 => header.first_position = value.forged(header.first_position),
        3 => header.previous_header_crc = value.forged(header.previous_header_crc.into()) as u32,
        4 => header.entries = value.forged(header.entries.into()) as u32,
        5 => header.payload_len = value.forged(header.payload_len.into()) as u32,
        6 => header.total_len = value.forged(header.total_len.into()) as u32,
        7 => header.seal = !header.seal,
        _ => {}
    }
    if field == 4 || field == 5 {
        let (entries, payload_len) = (header.entries as usize, header.payload_len as usize);
        header.total_len = CommitHeader::total_len_for(entries, payload_len) as u32;
    }
    header
}

/// Where the payloads of a commit lie, by its table.
fn payloads(table: &[u8]) -> Vec<Range<usize>> {
    let mut at = COMMIT_HEADER + table.len();
    let lines = table.chunks_exact(TABLE_ENTRY).map(TableEntry::decode);
    lines
        .map(|line| {
            let start = at;
            at = at.saturating_add(line.payload_len as usize);
            start..at
        })
        .collect()
}

/// Writes into a payload; as a batch, it gets the checksum of one.
fn forge_payload(
    commit: &mut [u8],
    header: &CommitHeader,
    line: usize,
    is_batch: bool,
    value: &mut Input<'_>,
) {
    let table = &commit[COMMIT_HEADER..COMMIT_HEADER + header.table_len()];
    let Some(place) = payloads(table).into_iter().nth(line) else {
        return;
    };
    let Some(payload) = commit.get_mut(place).filter(|payload| !payload.is_empty()) else {
        return;
    };
    if is_batch {
        let field = FIELDS[value.below(FIELDS.len())];
        let forged = value.forged(headers::field(payload, field));
        headers::set_field(payload, field, forged);
        headers::fix_crc(payload);
    } else {
        let at = value.place(payload.len());
        payload[at] ^= value.u8().max(1);
    }
}

/// Makes the checksums of payloads right in a table.
fn sum_payloads(commit: &[u8], table: &mut [u8]) {
    let places = payloads(table);
    for (line, place) in table.chunks_exact_mut(TABLE_ENTRY).zip(places) {
        let mut entry = TableEntry::decode(line);
        if let Some(payload) = commit.get(place) {
            entry.payload_crc = crc32c::crc32c(payload);
        }
        entry.encode(line);
    }
}

fn forge_line(entry: &mut TableEntry, input: &mut Input<'_>) {
    match input.u8() % 6 {
        0 => entry.kind = input.u8(),
        1 => entry.log_id = input.forged(entry.log_id),
        2 => entry.offset = input.forged(entry.offset.cast_unsigned()).cast_signed(),
        3 => entry.end_offset = input.forged(entry.end_offset.cast_unsigned()).cast_signed(),
        4 => entry.payload_len = input.forged(entry.payload_len.into()) as u32,
        _ => entry.leader_epoch = input.forged(3) as i32,
    }
}
