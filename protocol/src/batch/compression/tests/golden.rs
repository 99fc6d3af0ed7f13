//! Batches that the Java producer of Apache Kafka 4.3.1 wrote: the only batch of a segment, after
//! `console-producer --compression-codec CODEC --reader-property parse.key=true
//! --reader-property parse.headers=true` was given six lines. What is expected is what
//! `kafka-dump-log` says of them.

use super::*;

const FIXTURES: [(Compression, &str, [i64; 6]); 4] = [
    (
        Compression::Gzip,
        include_str!("fixtures/kafka-4.3.1-gzip.hex"),
        [
            1795418698519,
            1795418698538,
            1795418698538,
            1795418698548,
            1795418698549,
            1795418698549,
        ],
    ),
    (
        Compression::Snappy,
        include_str!("fixtures/kafka-4.3.1-snappy.hex"),
        [
            1795418700084,
            1795418700148,
            1795418700148,
            1795418700156,
            1795418700156,
            1795418700157,
        ],
    ),
    (
        Compression::Lz4,
        include_str!("fixtures/kafka-4.3.1-lz4.hex"),
        [
            1795418701599,
            1795418701658,
            1795418701659,
            1795418701667,
            1795418701668,
            1795418701668,
        ],
    ),
    (
        Compression::Zstd,
        include_str!("fixtures/kafka-4.3.1-zstd.hex"),
        [
            1795418702944,
            1795418702994,
            1795418702994,
            1795418703003,
            1795418703008,
            1795418703009,
        ],
    ),
];

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// More than one block of Snappy and LZ4.
fn value(number: usize) -> Vec<u8> {
    match number {
        3 => vec![b'x'; 70_000],
        _ => format!("value {number}, and the same words again: value {number}").into_bytes(),
    }
}

#[test]
fn batches_of_the_java_producer_are_read() {
    for (codec, hex, timestamps) in FIXTURES {
        let batch = unhex(hex);
        assert!(verify_crc(&batch));
        let header = validate_for_append(&batch, NO_LIMIT).unwrap();
        assert_eq!((header.compression(), header.record_count), (codec, 6));

        let mut scratch = Vec::new();
        let mut count = 0;
        for record in records_in(&batch, 100_000, &mut scratch).unwrap() {
            let record = record.unwrap();
            assert_eq!(record.offset, Offset::new(i64::try_from(count).unwrap()));
            assert_eq!(record.timestamp, timestamps[count]);
            assert_eq!(record.key, Some(format!("key-{count}").as_bytes()));
            assert_eq!(record.value, Some(&value(count)[..]));
            let (a, b) = (format!("a{count}"), format!("b{count}"));
            let expected = [("name", a.as_str()), ("name", b.as_str()), ("other", "")];
            let expected = expected.map(|(name, value)| (name.as_bytes(), Some(value.as_bytes())));
            assert_eq!(record.headers.collect::<Vec<_>>(), expected);
            count += 1;
        }
        assert_eq!(count, 6);

        let size = decompress(&batch, NO_LIMIT).unwrap().len();
        let max = size - 1;
        assert_eq!(
            decompress(&batch, max),
            Err(BatchError::DecompressedTooLarge { max })
        );
    }
}

/// What Kafka 4.3.1 had in the log after these batches were produced to a topic with
/// `compression.type=uncompressed`: size and CRC, so that every byte but base offset and leader
/// epoch is the same.
#[test]
fn uncompressed_they_are_what_kafka_makes_of_them() {
    let by_kafka = [
        (70_490, 0xc0ea_91c1),
        (70_495, 0x15e3_41e7),
        (70_493, 0xcf65_d306),
        (70_492, 0x0171_2285),
    ];
    for ((codec, hex, _), (size, crc)) in FIXTURES.into_iter().zip(by_kafka) {
        let batch = compress(&unhex(hex), Compression::None, NO_LIMIT).unwrap();
        let header = BatchHeader::parse(&batch).unwrap();
        assert_eq!((batch.len(), header.crc), (size, crc), "{codec:?}");
        assert!(verify_crc(&batch));
    }
}
