//! A log opened from segments, indexes and a checkpoint that were damaged, or forged with right
//! checksums; read, searched, truncated, appended to, written behind, checkpointed and opened again.
//!
//! An input says what a valid log holds ([`Plan::read`]), what is done to its files and to its line
//! in the checkpoint ([`forge`]), and which offsets and times are asked for.
//!
//! Whatever it is: a batch is served only with its checksum, right behind the one before it, and
//! within the log; what is served at an offset never changes; and what is appended is served. As
//! long as no checksum was made right: what is served is what was written. If the batches are whole,
//! however the indexes are, all of them are served, each time is found, and so it is after the log
//! is opened again.

use std::path::Path;
use std::sync::Arc;

use protocol::batch::{BatchBuilder, BatchHeader, NewRecord};
use protocol::model::LeaderEpoch;
use storage::data_dir::Checkpoint;
use storage::io::sim::SimDisk;
use storage::journal::{DurableListener, JournalFault, JournalPosition, JournalQueue};
use storage::log::descriptors::Descriptors;
use storage::log::{
    Bypass, BypassConfig, CheckpointedLog, DirtyCount, Log, LogEnvironment, RetentionTime,
    TailBudget,
};

mod plan;

use plan::{DIR, POSITION, Plan, TIME, config};

use super::disk::{Image, damage, disk_with};
use super::formats::{fix_checkpoint, fix_snapshot};
use super::headers::{self, FIELDS};
use super::served::{Nobody, Places, Served, Written, check_kept};
use crate::Random;
use crate::input::Input;

const FORGERIES_MAX: usize = 8;

pub(crate) fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut plan = Plan::read(&mut input);
    let untouched = plan.image.clone();
    let mut is_forged = false;
    let mut line = plan.checkpoint.encode();
    for _ in 0..input.below(FORGERIES_MAX) {
        is_forged |= forge(&mut plan.image, &mut line, &mut input);
    }
    let Ok(checkpoint) = Checkpoint::decode(&line) else {
        return;
    };
    let logs_are_whole = untouched
        .iter()
        .filter(|(path, _)| path.extension().is_some_and(|it| it == "log"))
        .all(|(path, bytes)| plan.image.get(path) == Some(bytes));
    let expected = Expected {
        written: (!is_forged).then_some(&plan.written),
        is_whole: !is_forged && logs_are_whole,
    };
    let disk = disk_with(&plan.image);
    for line in checkpoint.logs {
        live(&disk, line, &expected, &mut input.clone());
    }
}

/// What may be said of what is served.
struct Expected<'a> {
    /// What was written, unless it was forged.
    written: Option<&'a Written>,
    /// All of it is there.
    is_whole: bool,
}

/// Does something to the files or the line. True if a checksum was made right, or if what has none says something else.
fn forge(image: &mut Image, line: &mut [u8], input: &mut Input<'_>) -> bool {
    match input.u8() % 8 {
        0..4 => {
            damage(image, input);
            false
        }
        4 | 5 => forge_batch(image, input),
        6 => forge_snapshot(image, input),
        _ => forge_line(line, input),
    }
}

/// Gives a field of a batch another value and makes its checksum right.
pub(super) fn forge_batch(image: &mut Image, input: &mut Input<'_>) -> bool {
    let (file, number) = (input.below(8), input.below(8));
    let field = FIELDS[input.below(FIELDS.len())];
    let mut value = Input::new(input.take(9));
    let logs = image
        .iter_mut()
        .filter(|(path, _)| path.extension().is_some_and(|extension| extension == "log"));
    let logs: Vec<&mut Vec<u8>> = logs.map(|(_, bytes)| bytes).collect();
    let count = logs.len().max(1);
    let Some(bytes) = logs.into_iter().nth(file % count) else {
        return false;
    };
    let mut starts = vec![0];
    for batch in protocol::batch::batches(bytes).map_while(Result::ok) {
        starts.push(starts[starts.len() - 1] + batch.1.len());
    }
    let at = starts[number % starts.len()];
    let end = starts.get(number % starts.len() + 1).copied();
    let end = end.unwrap_or(bytes.len());
    let batch = &mut bytes[at..end];
    let forged = value.forged(headers::field(batch, field));
    headers::set_field(batch, field, forged);
    headers::fix_crc(batch);
    true
}

/// Writes into a producer snapshot and makes its checksum right.
pub(super) fn forge_snapshot(image: &mut Image, input: &mut Input<'_>) -> bool {
    let mut snapshots = image.iter_mut().filter(|(path, _)| {
        path.extension()
            .is_some_and(|extension| extension == "snapshot")
    });
    let Some((_, bytes)) = snapshots.next() else {
        return false;
    };
    let at = input.place(bytes.len());
    let value = input.take(8);
    let end = bytes.len().min(at + value.len());
    bytes[at..end].copy_from_slice(&value[..end - at]);
    fix_snapshot(bytes);
    true
}

fn forge_line(line: &mut [u8], input: &mut Input<'_>) -> bool {
    let at = input.place(line.len());
    let mut value = Input::new(input.take(9));
    let Some(before) = line.get_mut(at..at + 8) else {
        return false;
    };
    let number = before
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    before.copy_from_slice(&value.forged(number).to_le_bytes());
    fix_checkpoint(line);
    true
}

fn environment(disk: &SimDisk) -> LogEnvironment {
    LogEnvironment {
        files: Arc::new(Descriptors::new(disk.io(), 5)),
        journal: Arc::new(JournalQueue::new(
            JournalPosition(POSITION.0 + 100),
            1 << 20,
        )),
        tails: Arc::new(TailBudget::new(usize::MAX)),
        waiting: Arc::default(),
        unwritten: Arc::default(),
        dirty: Arc::new(DirtyCount::new(usize::MAX)),
        condemned: Arc::default(),
        page_cache: Arc::default(),
        bypass: Arc::new(Bypass::new(BypassConfig::NEVER)),
        checkpoints: Arc::default(),
    }
}

/// What is served in a life of the log is served in the next, unless it was taken back.
fn live(disk: &SimDisk, line: CheckpointedLog, expected: &Expected<'_>, input: &mut Input<'_>) {
    let environment = environment(disk);
    let journal = Arc::clone(&environment.journal);
    let log = Arc::new(Log::restore(line, Path::new(DIR), config(), environment));
    let mut places = Places::of(&log, expected.written, input);
    let first = read_places(&log, &places, expected);
    search(&log, expected, input);

    let end = log.offsets().end;
    if input.one_in(4) {
        let to = places.any(input);
        if let Ok(to) = log.truncate(to) {
            assert!(to <= end, "a truncation makes the log longer");
            assert_eq!(log.offsets().end, to);
        }
    }
    if input.one_in(4) {
        let to = places.any(input).min(log.offsets().durable_end);
        let _ = log.advance_start(to, Arc::new(Nobody));
    }
    let kept_end = log.offsets().end;
    let mut appended = Served::new();
    for at in 0..input.below(4) {
        append(&log, at, &mut appended);
        if input.one_in(2) {
            settle(&log, &journal);
        }
    }
    settle(&log, &journal);
    if input.one_in(4) {
        // By size, which leaves a segment or two.
        log.set_high_watermark(log.offsets().durable_end);
        let now = RetentionTime {
            wall_ms: None,
            monotonic_ms: 0,
        };
        let _ = log.retain(now);
    }
    let start = log.offsets().start.get();
    appended.retain(|base, _| *base >= start);
    places.add(&appended);
    let second = read_places(
        &log,
        &places,
        &Expected {
            written: None,
            ..*expected
        },
    );
    let mut kept = first;
    kept.retain(|base, bytes| *base >= start && header_of(bytes).end_offset() <= kept_end);
    check_kept(&kept, &second, expected.is_whole);
    check_kept(&appended, &second, true);
    let again = again(disk, &log, &places);
    if let Some(again) = again {
        check_kept(&second, &again, expected.is_whole);
        check_kept(&appended, &again, true);
    }
    // What is queued keeps its log, which keeps the queue.
    let fault = JournalFault {
        what: "ending",
        error: Arc::new(std::io::ErrorKind::Other.into()),
    };
    journal.fail(&fault);
}

/// Closes the log, opens it again, and reads it. `None` where the disk does not let it.
fn again(disk: &SimDisk, log: &Log, places: &Places) -> Option<Served> {
    let end = log.offsets().written_end;
    let (line, unsynced) = log.checkpoint(true).ok()??;
    unsynced.sync().ok()?;
    unsynced.done();
    let checkpoint = Checkpoint {
        logs: vec![line],
        ..Checkpoint::default()
    };
    let checkpoint = Checkpoint::decode(&checkpoint.encode());
    let checkpoint = checkpoint.expect("what was written can be read");
    let line = checkpoint.logs.into_iter().next().expect("it has a log");
    let log = Arc::new(Log::restore(
        line,
        Path::new(DIR),
        config(),
        environment(disk),
    ));
    assert_eq!(log.offsets().end, end);
    let nothing = Expected {
        written: None,
        is_whole: false,
    };
    Some(read_places(&log, places, &nothing))
}

fn header_of(batch: &[u8]) -> BatchHeader {
    BatchHeader::parse(batch).expect("a batch")
}

fn append(log: &Arc<Log>, number: usize, appended: &mut Served) {
    let epoch = log.latest_epoch().unwrap_or(LeaderEpoch::new(0));
    let mut builder = BatchBuilder::new();
    let value = [number as u8; 200];
    builder.push(&NewRecord {
        timestamp: TIME,
        value: Some(&value),
        ..NewRecord::default()
    });
    let batch = builder.build();
    let header = BatchHeader::parse(&batch).expect("a batch");
    let mut expected = batch.clone();
    if let Ok(done) = log.append(batch, &header, epoch, TIME, None) {
        protocol::batch::set_base_offset(&mut expected, done.base);
        protocol::batch::set_partition_leader_epoch(&mut expected, epoch);
        appended.insert(done.base.get(), expected.to_vec());
    }
}

/// Makes everything durable, and writes it behind as far as the disk lets it.
fn settle(log: &Arc<Log>, journal: &JournalQueue) {
    let last = JournalPosition(journal.next_position().0 - 1);
    log.on_durable(last);
    let _ = log.write_behind(usize::MAX);
}

/// Reads at all places, and compares with what is expected.
fn read_places(log: &Log, places: &Places, expected: &Expected<'_>) -> Served {
    let served = places.read(log);
    if let Some(written) = expected.written {
        written.check(&served);
        if expected.is_whole {
            let bases = written.bases().filter(|base| *base >= log.offsets().start);
            for base in bases {
                assert!(served.contains_key(&base.get()), "{base} is not served");
            }
        }
    }
    served
}

/// The first batch at or after a time is the one it is, however the indexes are.
fn search(log: &Log, expected: &Expected<'_>, input: &mut Input<'_>) {
    let end = log.offsets().durable_end;
    for _ in 0..3 {
        let timestamp = TIME - 100 + i64::from(input.u16() % 3000);
        let found = log.find_timestamp(timestamp, end);
        if let (Some(written), true) = (expected.written, expected.is_whole) {
            let found = found.expect("all of it can be read");
            let batch = written.first_at(timestamp);
            assert_eq!(found.map(|found| found.batch_base), batch, "at {timestamp}");
        }
    }
    let _ = log.find_timestamp(i64::MIN, end);
    let _ = log.find_timestamp(i64::MAX, end);
    let greatest = log.find_max_timestamp(end);
    if let (Some(written), true) = (expected.written, expected.is_whole) {
        let greatest = greatest.expect("all of it can be read");
        assert_eq!(greatest.map(|found| found.batch_base), written.latest());
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![Vec::new()];
    for seed in 0..40 {
        let mut random = Random::new(seed);
        let length = 32 << random.below(3);
        let mut bytes = random.bytes(length);
        // Many batches.
        bytes[1] = 12 + bytes[1] % 4;
        seeds.push(bytes);
    }
    seeds
}
