//! What is on the disk in one piece: the checkpoint, a producer snapshot, and the structures of the
//! journal. What is read can be written, and is then the same.
//!
//! First byte: which, and 8: checksum and magic are made right. Then the bytes.

use protocol::batch::{BatchHeader, BatchProducer};
use protocol::model::{
    LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, TopicId,
    TopicIdPartition,
};
use storage::data_dir::Checkpoint;
use storage::journal::format::{
    COMMIT_HEADER, CommitHeader, FileHeader, TABLE_ENTRY, TableEntry, decode_table,
};
use storage::journal::{BadBytes, JournalEnd, JournalPosition, LogId, OpenEntry};
use storage::log::{
    ActiveSegment, CheckpointedLog, DamagedRange, Durability, LeaderEpochs, ProducerBatch,
    ProducerState, Producers,
};
use uuid::Uuid;

use super::batch::examples;
use crate::input::Input;

const SALT: [u8; 16] = [0x5a; 16];

pub(crate) fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let selector = input.u8();
    let made_right = selector & 8 != 0;
    let bytes = input.rest();
    match selector % 5 {
        0 => checkpoint(bytes, made_right),
        1 => snapshot(bytes, made_right),
        2 => open_entry(bytes),
        3 => file_header(bytes, made_right),
        _ => commit(bytes, made_right),
    }
}

fn checkpoint(bytes: &[u8], made_right: bool) {
    let mut bytes = bytes.to_vec();
    if made_right {
        fix_checkpoint(&mut bytes);
    }
    let Ok(checkpoint) = Checkpoint::decode(&bytes) else {
        return;
    };
    let encoded = checkpoint.encode();
    let again = Checkpoint::decode(&encoded).expect("what was written can be read");
    assert_eq!(again, checkpoint);
    assert_eq!(again.encode(), encoded);
}

/// Magic and checksum.
pub(super) fn fix_checkpoint(bytes: &mut [u8]) {
    const BODY: usize = 12;
    if bytes.len() >= BODY {
        // The version before stays what it is.
        if &bytes[..8] != b"HFCHKPT1" {
            bytes[..8].copy_from_slice(&Checkpoint::default().encode()[..8]);
        }
        let crc = crc32c::crc32c(&bytes[BODY..]);
        bytes[8..BODY].copy_from_slice(&crc.to_le_bytes());
    }
}

fn snapshot(bytes: &[u8], made_right: bool) {
    let mut bytes = bytes.to_vec();
    if made_right {
        fix_snapshot(&mut bytes);
    }
    let Some(producers) = Producers::from_snapshot(&bytes) else {
        return;
    };
    let written = producers.to_snapshot();
    let again = Producers::from_snapshot(&written).expect("what was written can be read");
    assert_eq!(again, producers);
    use_producers(producers);
}

/// Version and checksum.
pub(super) fn fix_snapshot(bytes: &mut [u8]) {
    const BODY: usize = 6;
    if bytes.len() >= BODY {
        bytes[..2].copy_from_slice(&1_i16.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[BODY..]);
        bytes[2..BODY].copy_from_slice(&crc.to_be_bytes());
    }
}

/// What a log asks of its producers: of each whether its next batch follows.
fn use_producers(mut producers: Producers) {
    let known: Vec<_> = producers
        .iter()
        .map(|(id, state)| (id, state.clone()))
        .collect();
    for (id, state) in &known {
        let next = state.batches.back();
        let next = next.map_or(Sequence::new(0), |batch| batch.last_sequence.plus(1));
        let producer = BatchProducer {
            id: *id,
            epoch: state.epoch,
            base_sequence: Some(next),
        };
        let judged = producers.check(&producer, Some(next.plus(2)));
        assert!(judged.is_ok(), "{judged:?}: {state:?}");
        let mut header = BatchHeader::parse(&examples()[2]).expect("a batch");
        header.producer = Some(producer);
        producers.on_append(&header, 5);
    }
    let cut = producers
        .clone()
        .truncated_to(Offset::new(100), Producers::default());
    assert!(cut.iter().len() <= known.len());
    producers.expire(0);
}

fn open_entry(bytes: &[u8]) {
    if let Some(entry) = OpenEntry::decode(bytes) {
        assert_eq!(entry.encode(), bytes);
    }
}

fn file_header(bytes: &[u8], made_right: bool) {
    let mut bytes = bytes.to_vec();
    if made_right {
        fix_file_header(&mut bytes);
    }
    if let Some(header) = FileHeader::decode(&bytes) {
        let mut again = bytes.clone();
        header.encode(&mut again);
        assert_eq!(again, bytes, "the same bytes");
    }
}

/// Magic and checksum.
pub(super) fn fix_file_header(block: &mut [u8]) {
    if block.len() >= 80 {
        block[..8].copy_from_slice(b"HFJOURN1");
        let crc = crc32c::crc32c(&block[..76]);
        block[76..80].copy_from_slice(&crc.to_le_bytes());
    }
}

fn commit(bytes: &[u8], made_right: bool) {
    let mut bytes = bytes.to_vec();
    if made_right {
        fix_commit_header(&mut bytes, &SALT);
    }
    let Some((header, crc)) = CommitHeader::decode(&bytes, &SALT) else {
        return;
    };
    let mut again = vec![0; COMMIT_HEADER];
    assert_eq!(header.encode(&mut again), crc_of_written(&again));
    let (decoded, _) = CommitHeader::decode(&again, &SALT).expect("what was written can be read");
    assert_eq!(decoded, header);
    // A writer writes zeros where nothing is; only then is the checksum the same.
    if again[..COMMIT_HEADER] == bytes[..COMMIT_HEADER] {
        assert_eq!(crc_of_written(&again), crc);
    }
    assert!(header.total_len as usize >= 2 * (COMMIT_HEADER + header.table_len()));
    let end = (COMMIT_HEADER + header.table_len()).min(bytes.len());
    let table = &bytes[COMMIT_HEADER..end];
    if let Some(entries) = decode_table(&header, table) {
        assert_eq!(entries.len(), header.entries as usize);
        for (entry, line) in entries.iter().zip(table.chunks(TABLE_ENTRY)) {
            let mut again = [0; TABLE_ENTRY];
            entry.encode(&mut again);
            assert_eq!(TableEntry::decode(&again), *entry);
            assert_eq!((again[0], &again[4..]), (line[0], &line[4..]));
        }
    }
}

fn crc_of_written(header: &[u8]) -> u32 {
    crc32c::crc32c(&header[8..COMMIT_HEADER])
}

/// Magic, salt, the length of the whole, and the checksums of table and header.
fn fix_commit_header(bytes: &mut [u8], salt: &[u8; 16]) {
    if bytes.len() < COMMIT_HEADER {
        return;
    }
    bytes[..4].copy_from_slice(b"HFCM");
    bytes[8..24].copy_from_slice(salt);
    // So many entries as there are bytes for.
    let entries = (bytes.len() - COMMIT_HEADER) / TABLE_ENTRY;
    bytes[52..56].copy_from_slice(&(entries as u32).to_le_bytes());
    let table = &bytes[COMMIT_HEADER..COMMIT_HEADER + entries * TABLE_ENTRY];
    let (table_crc, lines) = (crc32c::crc32c(table), table.chunks(TABLE_ENTRY));
    let payload: u64 = lines
        .map(|line| u64::from(TableEntry::decode(line).payload_len))
        .sum();
    let total = CommitHeader::total_len_for(entries, payload as usize);
    bytes[56..60].copy_from_slice(&table_crc.to_le_bytes());
    bytes[60..64].copy_from_slice(&(payload as u32).to_le_bytes());
    bytes[64..68].copy_from_slice(&(total as u32).to_le_bytes());
    let crc = crc32c::crc32c(&bytes[8..COMMIT_HEADER]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut add = |which: u8, bytes: &[u8]| {
        // 8 leaves 3 of 5: the numbers that name the same and make it right.
        let made_right = (8..16).find(|number| number % 5 == which).unwrap_or(which);
        for selector in [which, made_right] {
            seeds.push([&[selector], bytes].concat());
        }
    };
    let logs = vec![log_line(1), log_line(2)];
    for logs in [Vec::new(), logs] {
        let checkpoint = Checkpoint {
            generation: 4,
            clean_end: Some(JournalEnd {
                generation: 5,
                sequence: 77,
            }),
            journal_files: 3,
            written_ms: Some(1_750_000_000_000),
            next_log_id: LogId(3),
            logs,
        };
        add(0, &checkpoint.encode());
    }
    add(1, &Producers::default().to_snapshot());
    add(1, &log_line(2).producers.to_snapshot());
    let entry = OpenEntry {
        topic_id: TopicId::new(Uuid::from_u128(1)).expect("an id"),
        partition: PartitionIndex::new(3),
        topic: "orders".to_owned(),
    };
    add(2, &entry.encode());
    let header = FileHeader {
        directory_id: Uuid::from_u128(2),
        generation: 3,
        run: 2,
        salt: SALT,
        first_sequence: 10,
        first_position: 20,
        previous_header_crc: 30,
    };
    let mut block = [0; 80];
    header.encode(&mut block);
    add(3, &block);
    for entries in 0..3 {
        let mut bytes = vec![0; COMMIT_HEADER + entries * TABLE_ENTRY];
        for line in bytes[COMMIT_HEADER..].chunks_mut(TABLE_ENTRY) {
            let entry = TableEntry {
                kind: 2,
                leader_epoch: 1,
                log_id: 2,
                offset: 3,
                payload_len: 100,
                payload_crc: 4,
                end_offset: 5,
            };
            entry.encode(line);
        }
        fix_commit_header(&mut bytes, &SALT);
        add(4, &bytes);
    }
    seeds
}

/// A line with something of everything.
fn log_line(id: u64) -> CheckpointedLog {
    let mut producers = Producers::default();
    for producer in 0..id {
        let batches = (0..producer + 1).map(|at| ProducerBatch {
            base_sequence: Sequence::new(10 * at as i32),
            last_sequence: Sequence::new(10 * at as i32 + 9),
            base_offset: Offset::new(10 * at as i64),
            last_offset: Offset::new(10 * at as i64 + 9),
            timestamp: 1000,
        });
        let state = ProducerState {
            epoch: ProducerEpoch::new(1),
            batches: batches.collect(),
            last_used_ms: 1000,
        };
        producers.restore(ProducerId::new(producer as i64), state);
    }
    let bad = BadBytes {
        path: "/data/journal/0000.journal".into(),
        offset: 4096,
        what: "known damage",
    };
    CheckpointedLog {
        id: LogId(id),
        durability: match id {
            1 => Durability::Fsync,
            _ => Durability::Os,
        },
        partition: TopicIdPartition {
            topic_id: TopicId::new(Uuid::from_u128(id.into())).expect("an id"),
            partition: PartitionIndex::new(0),
        },
        topic: "orders".to_owned(),
        position: JournalPosition(50),
        start: Offset::new(3),
        written_end: Offset::new(40),
        high_watermark: Offset::new(30),
        active: Some(ActiveSegment {
            base: Offset::new(20),
            bytes: 4000,
            index_bytes: 16,
            time_index_bytes: 12,
        }),
        closed_bytes: 5000,
        damaged: vec![DamagedRange {
            from: Offset::new(7),
            to: Offset::new(9),
            bad,
        }],
        leader_epochs: LeaderEpochs::from_entries(vec![
            (LeaderEpoch::new(0), Offset::new(0)),
            (LeaderEpoch::new(4), Offset::new(11)),
        ]),
        producers,
    }
}
