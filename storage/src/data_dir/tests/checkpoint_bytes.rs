//! The checkpoint, byte by byte.

use std::collections::VecDeque;
use std::path::PathBuf;

use protocol::model::{
    LeaderEpoch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Sequence, TopicId,
    TopicIdPartition, Uuid,
};

use crate::data_dir::Checkpoint;
use crate::journal::format::NUMBER_END;
use crate::journal::{BadBytes, JournalEnd, JournalPosition, LogId};
use crate::log::{
    ActiveSegment, CheckpointedLog, DamagedRange, Durability, LeaderEpochs, OFFSET_END,
    ProducerBatch, ProducerState, Producers,
};

fn checkpoint() -> Checkpoint {
    let mut producers = Producers::default();
    let batch = ProducerBatch {
        base_sequence: Sequence::new(4),
        last_sequence: Sequence::new(5),
        base_offset: Offset::new(30),
        last_offset: Offset::new(31),
        timestamp: 1234,
    };
    let state = ProducerState {
        epoch: ProducerEpoch::new(2),
        batches: VecDeque::from([batch]),
        last_used_ms: 5678,
    };
    producers.restore(ProducerId::new(7), state);
    let bad = BadBytes {
        path: PathBuf::from("/x"),
        offset: 99,
        what: "known damage",
    };
    let damaged = DamagedRange {
        from: Offset::new(20),
        to: Offset::new(22),
        bad,
    };
    let log = CheckpointedLog {
        id: LogId(3),
        partition: TopicIdPartition {
            topic_id: TopicId::new(Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff))
                .expect("an id"),
            partition: PartitionIndex::new(1),
        },
        topic: "orders".into(),
        durability: Durability::Os,
        position: JournalPosition(500),
        start: Offset::new(10),
        written_end: Offset::new(40),
        high_watermark: Offset::new(39),
        active: Some(ActiveSegment {
            base: Offset::new(16),
            bytes: 1000,
            index_bytes: 8,
            time_index_bytes: 12,
        }),
        closed_bytes: 2000,
        damaged: vec![damaged],
        leader_epochs: LeaderEpochs::from_entries(vec![
            (LeaderEpoch::new(0), Offset::new(10)),
            (LeaderEpoch::new(4), Offset::new(33)),
        ]),
        producers,
    };
    Checkpoint {
        generation: 6,
        clean_end: Some(JournalEnd {
            generation: 7,
            sequence: 800,
        }),
        journal_files: 4,
        written_ms: Some(1_700_000_000_000),
        next_log_id: LogId(9),
        logs: vec![log],
    }
}

const HEAD: &str = concat!(
    "484643484b505432",
    "63309d05",
    "0600000000000000",
    "01",
    "0700000000000000",
    "2003000000000000",
    "04000000",
);
/// Version 1 had none.
const CLOCK: &str = "0068e5cf8b010000";
const REST: &str = concat!(
    "0900000000000000",
    "01000000",
    // The log.
    "0300000000000000",
);
/// Version 1 had none.
const DURABILITY: &str = "01";
const LOG: &str = concat!(
    "00112233445566778899aabbccddeeff",
    "01000000",
    "0600",
    "6f7264657273",
    "f401000000000000",
    "0a00000000000000",
    "2800000000000000",
    "2700000000000000",
    // Its segments.
    "01",
    "1000000000000000",
    "e803000000000000",
    "0800000000000000",
    "0c00000000000000",
    "d007000000000000",
    // Damage.
    "01000000",
    "1400000000000000",
    "1600000000000000",
    "6300000000000000",
    "0200",
    "2f78",
    // Leader epochs.
    "02000000",
    "00000000",
    "0a00000000000000",
    "04000000",
    "2100000000000000",
    // Producers.
    "01000000",
    "0700000000000000",
    "0200",
    "2e16000000000000",
    "01",
    "04000000",
    "05000000",
    "1e00000000000000",
    "1f00000000000000",
    "d204000000000000",
);

#[test]
fn checkpoint_bytes() {
    let bytes = checkpoint().encode();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, format!("{HEAD}{CLOCK}{REST}{DURABILITY}{LOG}"));
    assert_eq!(Checkpoint::decode(&bytes), Ok(checkpoint()));
}

#[test]
fn a_checkpoint_of_version_1_is_read() {
    let head = HEAD
        .replace("484643484b505432", "484643484b505431")
        .replace("63309d05", "f7c9b844");
    let hex = format!("{head}{REST}{LOG}");
    let bytes: Vec<u8> = hex
        .as_bytes()
        .chunks(2)
        .map(|digits| {
            let digits = std::str::from_utf8(digits).expect("ASCII");
            u8::from_str_radix(digits, 16).expect("hex")
        })
        .collect();
    let mut expected = checkpoint();
    expected.written_ms = None;
    expected.logs[0].durability = Durability::Fsync;
    assert_eq!(Checkpoint::decode(&bytes), Ok(expected));
}

#[test]
fn an_empty_checkpoint_is_read_back() {
    let empty = Checkpoint::default();
    assert_eq!(Checkpoint::decode(&empty.encode()), Ok(empty));
}

#[test]
fn any_flipped_bit_or_missing_byte_is_noticed() {
    let bytes = checkpoint().encode();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Checkpoint::decode(&flipped).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert!(Checkpoint::decode(&bytes[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn lengths_are_believed_only_as_far_as_bytes_are_left() {
    let mut bytes = Checkpoint::default().encode();
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&u32::MAX.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[12..]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    assert!(Checkpoint::decode(&bytes).is_err());
}

#[test]
fn contents_that_make_no_sense_are_refused_though_their_checksum_is_right() {
    type Change = fn(&mut Checkpoint);
    let changes: [(&str, Change); 11] = [
        ("a generation without a next one", |it| {
            it.generation = NUMBER_END;
        }),
        ("a log id without a next one", |it| {
            it.next_log_id = LogId(u64::MAX);
        }),
        ("a position without a next one", |it| {
            it.logs[0].position = JournalPosition(u64::MAX);
        }),
        ("an offset that cannot be computed with", |it| {
            it.logs[0].written_end = Offset::new(OFFSET_END);
        }),
        ("a start behind the end", |it| {
            it.logs[0].start = Offset::new(41);
        }),
        ("a segment behind the end", |it| {
            it.logs[0].active.as_mut().expect("it has one").base = Offset::new(41);
        }),
        ("a damaged range of nothing", |it| {
            it.logs[0].damaged[0].to = Offset::new(20);
        }),
        ("an epoch behind the end", |it| {
            it.logs[0].leader_epochs =
                LeaderEpochs::from_entries(vec![(LeaderEpoch::new(1), Offset::new(41))]);
        }),
        ("two logs of one partition", |it| {
            it.logs.push(it.logs[0].clone());
            it.logs[1].id = LogId(4);
            it.logs[1].topic = "orders-too".into();
        }),
        ("two logs of one id", |it| {
            it.logs.push(it.logs[0].clone());
            it.logs[1].partition.partition = PartitionIndex::new(2);
        }),
        ("more batches of a producer than are remembered", |it| {
            let producers = it.logs[0].producers.iter();
            let states: Vec<_> = producers.map(|(id, state)| (id, state.clone())).collect();
            for (id, mut state) in states {
                state.batches = state.batches.iter().cycle().take(6).copied().collect();
                it.logs[0].producers.restore(id, state);
            }
        }),
    ];
    for (what, change) in changes {
        let mut checkpoint = checkpoint();
        change(&mut checkpoint);
        assert_eq!(
            Checkpoint::decode(&checkpoint.encode()),
            Err("its contents make no sense"),
            "{what}"
        );
    }
}
