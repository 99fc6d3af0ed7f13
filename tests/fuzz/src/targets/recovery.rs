//! A data directory that was damaged, or forged with right checksums: opened, read, worked with, and
//! opened again.
//!
//! An input says which of the directories in [`life`] it is, and what is done to its files until it
//! is used up.
//!
//! Whatever it is: opening answers, and what is served is right by its own checksum. A start that is
//! refused for what the files say changes nothing. As long as no checksum was made right: what is
//! served was written there once; if neither the journal nor the checkpoint was touched, what is
//! served is the last that was written there, and the log ends where it did; and after it has been
//! worked with, it opens again. If nothing was done, everything is there.

use std::path::Path;
use std::sync::Arc;

use protocol::batch::{BatchBuilder, BatchHeader, NewRecord};
use protocol::batch::{set_base_offset, set_partition_leader_epoch};
use protocol::model::LeaderEpoch;
use storage::data_dir::{DataDir, OpenError};
use storage::io::BLOCK;
use storage::io::sim::SimDisk;
use storage::journal::format::{CommitHeader, FIRST_COMMIT, FileHeader};
use storage::journal::{JournalWriter, ScanError, WriterStep};
use storage::log::Log;

use super::disk::{Image, damage, damage_file, disk_with};
use super::formats::fix_checkpoint;
use super::journal::forge_commit;
use super::life::{self, NOW_MS, Past, open};
use super::segments::{forge_batch, forge_snapshot};
use super::served::{Places, Served, check_kept};
use crate::Random;
use crate::input::Input;

const FORGERIES_MAX: usize = 10;
/// A writer that has not come to rest after so many steps never will.
const STEPS_MAX: usize = 1000;

pub(crate) fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let past = life::past(input.u8());
    let mut image = past.image.clone();
    let mut is_forged = false;
    let mut seed = input.clone();
    for _ in 0..FORGERIES_MAX {
        if input.is_empty() {
            break;
        }
        is_forged |= forge(&mut image, &mut input);
    }
    let case = Case {
        past,
        is_forged,
        is_untouched: image == past.image,
        journal_is_whole: past.image.iter().all(|(path, bytes)| {
            path.components().count() > 3 && !path.starts_with("/data/journal")
                || image.get(path) == Some(bytes)
        }),
    };
    let disk = disk_with(&image);
    match open(&disk) {
        Ok((dir, _)) => case.live(&disk, &dir, &mut seed),
        Err(error) => {
            assert!(!case.is_untouched, "{error}");
            if is_of_the_files(&error) {
                assert!(
                    disk.image() == image,
                    "refused, and something was changed: {error}"
                );
            }
        }
    }
}

/// An error that says that nothing was changed.
fn is_of_the_files(error: &OpenError) -> bool {
    !matches!(
        error,
        OpenError::Io { .. } | OpenError::Journal(ScanError::Io { .. })
    )
}

/// Does something to the files. True if a checksum was made right.
fn forge(image: &mut Image, input: &mut Input<'_>) -> bool {
    match input.u8() % 10 {
        0 | 1 => {
            damage(image, input);
            false
        }
        2 | 3 => {
            let index = input.below(3);
            damage_file(image, &life::journal_file(index), input);
            false
        }
        4 => {
            damage_file(
                image,
                Path::new(life::ROOT).join("checkpoint").as_path(),
                input,
            );
            false
        }
        5 => forge_batch(image, input),
        6 => forge_snapshot(image, input),
        7 => forge_checkpoint(image, input),
        _ => forge_journal(image, input),
    }
}

fn forge_checkpoint(image: &mut Image, input: &mut Input<'_>) -> bool {
    let Some(bytes) = image.get_mut(Path::new("/data/checkpoint")) else {
        return false;
    };
    let at = input.place(bytes.len());
    let mut value = Input::new(input.take(9));
    if let Some(before) = bytes.get_mut(at..at + 8) {
        let number = before
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte));
        before.copy_from_slice(&value.forged(number).to_le_bytes());
    }
    fix_checkpoint(bytes);
    true
}

fn forge_journal(image: &mut Image, input: &mut Input<'_>) -> bool {
    let path = life::journal_file(input.below(3));
    let number = input.below(256);
    let Some(bytes) = image.get_mut(&path) else {
        return false;
    };
    let Some(header) = FileHeader::decode(bytes) else {
        return false;
    };
    let commits: Vec<usize> = (FIRST_COMMIT as usize..bytes.len())
        .step_by(BLOCK)
        .filter(|at| CommitHeader::decode(&bytes[*at..], &header.salt).is_some())
        .collect();
    if commits.is_empty() {
        return false;
    }
    forge_commit(bytes, commits[number % commits.len()], &header.salt, input);
    true
}

struct Case<'a> {
    past: &'a Past,
    is_forged: bool,
    is_untouched: bool,
    /// Neither the journal nor anything beside it was touched.
    journal_is_whole: bool,
}

impl Case<'_> {
    fn live(&self, disk: &SimDisk, dir: &Arc<DataDir>, input: &mut Input<'_>) {
        let mut writer = dir.take_writer().expect("a fresh directory has its writer");
        let mut before = Vec::new();
        for log in dir.logs() {
            before.push((log.partition(), self.read(&log, input)));
        }
        if self.is_untouched {
            let live = self.past.topics.values().filter(|topic| topic.is_live);
            assert_eq!(dir.logs().len(), live.count());
        }
        let logs = dir.logs();
        for log in &logs {
            if input.one_in(4) {
                let span = log.offsets().end.since(log.offsets().start).max(1) as usize;
                let to = log
                    .offsets()
                    .start
                    .plus(input.below(span.min(1 << 16)) as i64);
                let _ = log.truncate(to);
            }
        }
        let appended: Vec<Served> = logs.iter().map(|log| append(log, input)).collect();
        settle(dir, &mut writer);
        let is_sound = dir.fault().is_none();
        let mut kept = Vec::new();
        for ((log, (partition, mut before)), appended) in logs.iter().zip(before).zip(appended) {
            let end = log.offsets().end;
            before.retain(|_, bytes| header_of(bytes).end_offset() <= end);
            before.retain(|base, _| !appended.contains_key(base));
            let (places, _) = self.places(log, input, &appended);
            let now = places.read(log);
            check_kept(&before, &now, self.is_untouched);
            check_kept(&appended, &now, is_sound);
            kept.push((partition, places, now, appended));
        }
        drop((logs, writer));
        disk.crash();
        let (dir, _) = match open(disk) {
            Ok(opened) => opened,
            Err(error) => {
                assert!(
                    self.is_forged || !is_sound,
                    "it does not open again: {error}"
                );
                return;
            }
        };
        for (partition, places, before, appended) in kept {
            let Some(log) = dir.log(partition) else {
                assert!(self.is_forged || !is_sound, "a log is gone");
                continue;
            };
            let now = places.read(&log);
            check_kept(&before, &now, self.is_untouched);
            check_kept(&appended, &now, is_sound && !self.is_forged);
        }
    }

    fn places(&self, log: &Log, input: &mut Input<'_>, appended: &Served) -> (Places, bool) {
        let topic = self.past.topics.get(&log.partition());
        let mut places = Places::of(log, topic.map(|topic| &topic.written), input);
        places.add(appended);
        (places, topic.is_some())
    }

    /// Reads a log as it was opened.
    fn read(&self, log: &Log, input: &mut Input<'_>) -> Served {
        let (places, _) = self.places(log, input, &Served::new());
        let served = places.read(log);
        let _ = log.find_timestamp(NOW_MS, log.offsets().durable_end);
        let _ = log.find_max_timestamp(log.offsets().durable_end);
        if self.is_forged {
            return served;
        }
        let topic = self.past.topics.get(&log.partition());
        let topic = topic.unwrap_or_else(|| panic!("{log:?} was never made"));
        topic.written.check(&served);
        if self.journal_is_whole {
            assert!(topic.is_live, "{log:?} was deleted");
            let offsets = (log.offsets().start.get(), log.offsets().end.get());
            assert_eq!(offsets, (topic.start, topic.end));
            // The batch that holds the start may begin before it.
            for (base, bytes) in served.range(topic.start..) {
                assert_eq!(topic.now.get(base), Some(bytes), "taken back at {base}");
            }
        }
        if self.is_untouched {
            check_kept(&topic.now, &served, true);
        }
        served
    }
}

fn header_of(batch: &[u8]) -> BatchHeader {
    BatchHeader::parse(batch).expect("a batch")
}

fn append(log: &Arc<Log>, input: &mut Input<'_>) -> Served {
    let mut appended = Served::new();
    for number in 0..input.below(3) {
        let mut builder = BatchBuilder::new();
        builder.push(&NewRecord {
            timestamp: NOW_MS,
            value: Some(&[number as u8; 300]),
            ..NewRecord::default()
        });
        let mut batch = builder.build();
        let header = header_of(&batch);
        let epoch = log.latest_epoch().unwrap_or(LeaderEpoch::new(0));
        let done = log.append(batch.clone(), &header, epoch, NOW_MS, None);
        if let Ok(done) = done {
            set_base_offset(&mut batch, done.base);
            set_partition_leader_epoch(&mut batch, epoch);
            appended.insert(done.base.get(), batch.to_vec());
        }
    }
    appended
}

/// Makes everything durable, writes it behind and takes a checkpoint, as far as the directory lets it.
fn settle(dir: &DataDir, writer: &mut JournalWriter) {
    for _ in 0..2 {
        let mut steps = (0..STEPS_MAX).map(|_| writer.step());
        let rest = steps.find(|step| *step != WriterStep::Progress);
        assert!(rest.is_some(), "the writer does not come to rest");
        let _ = dir.write_waiting_page_cache(NOW_MS);
        let _ = dir.write_behind(NOW_MS + 1_000_000);
        let _ = dir.checkpoint(None);
        while let Ok(true) = dir.grow_journal() {}
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for past in 0..life::PASTS as u8 {
        seeds.push(vec![past]);
        let mut random = Random::new(past.into());
        let length = 8 << random.below(4);
        seeds.push([vec![past], random.bytes(length)].concat());
    }
    seeds
}
