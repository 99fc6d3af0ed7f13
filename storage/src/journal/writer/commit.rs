//! The bytes of a commit, and who is told when they are durable.

use std::sync::Arc;

use super::Told;
use crate::io::AlignedBuf;
use crate::journal::format::{COMMIT_HEADER, CommitHeader, TABLE_ENTRY, TableEntry};
use crate::journal::queue::Queued;

/// How far back a commit's list of listeners is searched for one that is already there.
const LISTENER_LOOKBACK: usize = 16;

/// Fills `buf` with a whole commit and returns the checksum field of its header. Copies each payload once.
pub(super) fn encode_commit(
    buf: &mut AlignedBuf,
    mut header: CommitHeader,
    entries: &[Queued],
    total_len: usize,
) -> u32 {
    buf.set_len(total_len);
    let bytes = buf.as_mut_slice();
    let table_end = COMMIT_HEADER + entries.len() * TABLE_ENTRY;
    let mut payload_at = table_end;
    for (at, queued) in entries.iter().enumerate() {
        let entry = &queued.entry;
        let payload = &entry.payload;
        let payload_crc = crc32c::crc32c(payload);
        bytes[payload_at..payload_at + payload.len()].copy_from_slice(payload);
        payload_at += payload.len();
        let line = TableEntry {
            kind: entry.kind.to_wire(),
            leader_epoch: entry.leader_epoch.map_or(-1, |epoch| epoch.get()),
            log_id: entry.log_id.0,
            offset: entry.offset.get(),
            payload_len: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            payload_crc,
            end_offset: entry.end.get(),
        };
        line.encode(&mut bytes[COMMIT_HEADER + at * TABLE_ENTRY..]);
    }
    let trailer = total_len - COMMIT_HEADER;
    let trailer_table = trailer - entries.len() * TABLE_ENTRY;
    bytes[payload_at..trailer_table].fill(0);
    bytes.copy_within(COMMIT_HEADER..table_end, trailer_table);
    header.entries = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    header.table_crc = crc32c::crc32c(&bytes[COMMIT_HEADER..table_end]);
    header.payload_len = u32::try_from(payload_at - table_end).unwrap_or(u32::MAX);
    header.total_len = u32::try_from(total_len).unwrap_or(u32::MAX);
    header.encode_trailer(&mut bytes[trailer..]);
    header.encode(bytes)
}

/// Who is to be told, each with its greatest position; entries of the same log mostly follow each other closely.
pub(super) fn listeners_of(entries: Vec<Queued>) -> Vec<Told> {
    let mut listeners: Vec<Told> = Vec::new();
    for queued in entries {
        let from = listeners.len().saturating_sub(LISTENER_LOOKBACK);
        let known = listeners[from..].iter_mut().find(|(listener, _)| {
            std::ptr::addr_eq(Arc::as_ptr(listener), Arc::as_ptr(&queued.listener))
        });
        match known {
            Some((_, position)) => *position = queued.position,
            None => listeners.push((queued.listener, queued.position)),
        }
    }
    listeners
}
