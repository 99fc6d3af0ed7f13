//! The formats, byte by byte: what an older version wrote must be read for ever.

use bytes::Bytes;
use protocol::model::{Offset, PartitionIndex, TopicId};
use uuid::Uuid;

use crate::journal::format::{
    COMMIT_HEADER, CommitHeader, FileHeader, TABLE_ENTRY, TableEntry, decode_table,
};
use crate::journal::{EntryKind, OpenEntry, StoredEntry};

const SALT: [u8; 16] = *b"0123456789abcdef";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file_header() -> FileHeader {
    FileHeader {
        directory_id: Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff),
        generation: 3,
        run: 2,
        salt: SALT,
        first_sequence: 0x0102_0304,
        first_position: 77,
        previous_header_crc: 0xdead_beef,
    }
}

fn commit_header() -> CommitHeader {
    CommitHeader {
        salt: SALT,
        sequence: 9,
        durable_through: 7,
        first_position: 1000,
        previous_header_crc: 0x0bad_cafe,
        entries: 2,
        table_crc: 0x1234_5678,
        payload_len: 100,
        total_len: 4096,
        seal: true,
    }
}

#[test]
fn file_header_bytes() {
    let mut block = [0; 96];
    file_header().encode(&mut block);
    assert_eq!(
        hex(&block),
        concat!(
            "48464a4f55524e31",
            "00112233445566778899aabbccddeeff",
            "0300000000000000",
            "0200000000000000",
            "30313233343536373839616263646566",
            "0403020100000000",
            "4d00000000000000",
            "efbeadde",
            "88813973",
            "00000000000000000000000000000000",
        )
    );
    assert_eq!(FileHeader::decode(&block), Some(file_header()));
}

#[test]
fn any_flipped_bit_of_a_file_header_is_noticed() {
    let mut block = [0; 80];
    file_header().encode(&mut block);
    for bit in 0..block.len() * 8 {
        let mut flipped = block;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(FileHeader::decode(&flipped), None, "bit {bit}");
    }
    assert_eq!(FileHeader::decode(&block[..79]), None);
}

#[test]
fn commit_header_bytes() {
    let mut bytes = [0xff; COMMIT_HEADER];
    let crc = commit_header().encode(&mut bytes);
    assert_eq!(
        hex(&bytes),
        concat!(
            "4846434d",
            "7e63054f",
            "30313233343536373839616263646566",
            "0900000000000000",
            "0700000000000000",
            "e803000000000000",
            "fecaad0b",
            "02000000",
            "78563412",
            "64000000",
            "00100000",
            "01000000",
            "000000000000000000000000000000000000000000000000",
        )
    );
    assert_eq!(
        CommitHeader::decode(&bytes, &SALT),
        Some((commit_header(), crc))
    );
    assert_eq!(CommitHeader::decode(&bytes, b"another salt...."), None);
    assert_eq!(CommitHeader::decode_trailer(&bytes, &SALT), None);
    commit_header().encode_trailer(&mut bytes);
    assert_eq!(&bytes[..4], b"HFCT");
    assert_eq!(
        CommitHeader::decode_trailer(&bytes, &SALT),
        Some(commit_header())
    );
}

#[test]
fn any_flipped_bit_of_a_commit_header_is_noticed() {
    let mut bytes = [0; COMMIT_HEADER];
    commit_header().encode(&mut bytes);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(CommitHeader::decode(&flipped, &SALT), None, "bit {bit}");
    }
}

#[test]
fn a_commit_header_whose_lengths_disagree_is_none() {
    let mut bytes = [0; COMMIT_HEADER];
    CommitHeader {
        total_len: u32::MAX,
        ..commit_header()
    }
    .encode(&mut bytes);
    assert_eq!(CommitHeader::decode(&bytes, &SALT), None);
}

#[test]
fn table_entry_bytes() {
    let entry = TableEntry {
        kind: 2,
        leader_epoch: -1,
        log_id: 5,
        offset: 42,
        payload_len: 61,
        payload_crc: 0xcafe_f00d,
        end_offset: 45,
    };
    let mut bytes = [0xff; TABLE_ENTRY];
    entry.encode(&mut bytes);
    assert_eq!(
        hex(&bytes),
        concat!(
            "02000000",
            "ffffffff",
            "0500000000000000",
            "2a00000000000000",
            "3d000000",
            "0df0feca",
            "2d00000000000000",
        )
    );
    assert_eq!(TableEntry::decode(&bytes), entry);
    let header = CommitHeader {
        entries: 1,
        table_crc: crc32c::crc32c(&bytes),
        payload_len: 61,
        ..CommitHeader::default()
    };
    assert_eq!(decode_table(&header, &bytes), Some(vec![entry]));
    let other_payload = CommitHeader {
        payload_len: 62,
        ..header
    };
    assert_eq!(decode_table(&other_payload, &bytes), None);
}

#[test]
fn open_entry_bytes() {
    let entry = OpenEntry {
        topic_id: TopicId::new(Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff))
            .expect("an id"),
        partition: PartitionIndex::new(3),
        topic: "orders".into(),
    };
    let bytes = entry.encode();
    assert_eq!(
        hex(&bytes),
        "00112233445566778899aabbccddeeff030000006f7264657273"
    );
    assert_eq!(OpenEntry::decode(&bytes), Some(entry));
    assert_eq!(OpenEntry::decode(&bytes[..19]), None);
}

#[test]
fn entry_kinds_keep_their_numbers() {
    let kinds = [
        (1, EntryKind::Open),
        (2, EntryKind::Append),
        (3, EntryKind::Truncate),
        (4, EntryKind::NewLogStart),
        (5, EntryKind::Drop),
        (6, EntryKind::OpenUnjournaled),
        (7, EntryKind::Stored),
    ];
    for (byte, kind) in kinds {
        assert_eq!(kind.to_wire(), byte);
        assert_eq!(EntryKind::from_wire(byte), Some(kind));
    }
    assert_eq!(EntryKind::from_wire(0), None);
    assert_eq!(EntryKind::from_wire(8), None);
}

#[test]
fn what_is_stored_is_told_in_these_bytes() {
    let stored = StoredEntry {
        start: Offset::new(1),
        closed_bytes: 2,
        base: Offset::new(3),
        bytes: 4,
        index_bytes: 5,
        time_index_bytes: 6,
        headers: Bytes::from_static(b"headers"),
    };
    let bytes = stored.encode();
    let numbers = (1..=6_u64).flat_map(u64::to_le_bytes);
    assert_eq!(bytes, numbers.chain(*b"headers").collect::<Vec<_>>());
    assert_eq!(StoredEntry::decode(&bytes), Some(stored.clone()));
    assert_eq!(StoredEntry::decode(&bytes[..47]), None);
    assert_eq!(stored.headers(), None, "there is no such header");
    let negative = [[0xff; 8].as_slice(), &bytes[8..]].concat();
    assert_eq!(StoredEntry::decode(&negative), None);
}
