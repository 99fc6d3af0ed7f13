//! The settings of the journal and of what is below it.

use super::definition::{
    Check,
    ConfigType::{Boolean, Int, Long, String},
    Definition,
};

const MIB: i64 = 1 << 20;

pub(super) const JOURNAL: &[Definition] = &[
    Definition::new(
        "io.engine",
        String,
        Some("auto"),
        "How the disk is driven: io_uring, plain calls on threads, or whichever works.",
    )
    .check(Check::OneOf(&["auto", "uring", "threads"]))
    .own(),
    Definition::new(
        "journal.files",
        Int,
        Some("16"),
        "Files of the journal, used in turn.",
    )
    .between(2, 64)
    .own(),
    Definition::new(
        "journal.file.bytes",
        Long,
        Some("67108864"),
        "The size of a journal file. Recovery reads at most the journal, and the last files hold \
         what is not in segments yet. On a small disk files are smaller and fewer, so that the \
         journal takes at most a twentieth of it.",
    )
    .check(Check::MultipleOf(MIB, 16 << 30, 4096))
    .high()
    .own(),
    Definition::new(
        "journal.initial.file.bytes",
        Long,
        Some("16777216"),
        "The size of the file that an empty data directory starts with, so that it is ready at \
         once; the others grow behind.",
    )
    .check(Check::MultipleOf(MIB, 16 << 30, 4096))
    .low()
    .own(),
    Definition::new(
        "journal.commit.bytes.max",
        Int,
        Some("4194304"),
        "The largest group commit, unless a single batch needs more.",
    )
    .check(Check::MultipleOf(65_536, 256 * MIB, 4096))
    .low()
    .own(),
    Definition::new(
        "journal.depth",
        Int,
        Some("4"),
        "Group commits in flight at once.",
    )
    .between(1, 64)
    .low()
    .own(),
    Definition::new(
        "journal.bypass.batch.bytes.min",
        Int,
        Some("16384"),
        "A batch of at least so many bytes may be written to its segment only, which is synced, \
         instead of to the journal first, while the journal is busy: every byte is written once \
         then. 0: never.",
    )
    .at_least(0)
    .low()
    .own(),
    Definition::new(
        "journal.bypass.backlog.bytes.min",
        Int,
        Some("524288"),
        "The journal is busy when so many bytes are on their way to the disk, with the batch: into \
         it, or past it.",
    )
    .at_least(0)
    .low()
    .own(),
    Definition::new(
        "journal.bypass.sync.bytes.min",
        Int,
        Some("98304"),
        "A batch bypasses the journal only if so many bytes of its partition, with it, wait to be \
         stored, or were stored with the partition's last sync of this kind: the journal does \
         better with what many partitions have a little of.",
    )
    .at_least(0)
    .low()
    .own(),
    Definition::new(
        "disk.free.bytes.min",
        Long,
        Some("-1"),
        "Free space on the disk of a data directory below which produce requests are refused, with \
         an error that clients retry, until there is a quarter more than this again. What is not \
         written to segments yet counts as written. -1: a twentieth of the disk, at most as much \
         as the journal takes.",
    )
    .at_least(-1)
    .high()
    .own(),
    Definition::new(
        "journal.unsafe.no.sync",
        Boolean,
        Some("false"),
        "Acknowledges records that are not on disk. Loses them with the power; for the tests that \
         show that a missing sync is noticed.",
    )
    .low()
    .own(),
    Definition::new(
        "clock.unsafe.offset.file",
        String,
        Some(""),
        "A file with the milliseconds by which the broker's wall clock is to be wrong, read again and again; \
         for the tests that show what a clock that jumps does.",
    )
    .low()
    .own(),
    Definition::new(
        "log.tail.bytes.max",
        Long,
        Some("67108864"),
        "Memory for the ends of all logs: what is not written to segments yet, and what \
         consumers at the end read.",
    )
    .at_least(MIB)
    .own(),
    Definition::new(
        "log.write.behind.ms",
        Long,
        Some("10000"),
        "The age at which a log's end is written to its segment, if it has not grown to 128 KiB \
         before: of many partitions with a little each, the fewer writes are in the way of the \
         journal's.",
    )
    .between(1, 3_600_000)
    .low()
    .own(),
];
