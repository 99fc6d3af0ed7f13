//! What a log serves, and what may be served.

use std::collections::{BTreeMap, BTreeSet};

use protocol::batch::{BatchHeader, batches};
use protocol::model::Offset;
use storage::journal::{DurableListener, JournalFault, JournalPosition};
use storage::log::{Log, TailRead};

use super::headers;
use crate::input::Input;

/// Who does not care what becomes durable.
pub(super) struct Nobody;

impl DurableListener for Nobody {
    fn on_durable(&self, _: JournalPosition) {}
    fn on_fault(&self, _: &JournalFault) {}
}

/// Batches by their base offsets.
pub(super) type Served = BTreeMap<i64, Vec<u8>>;

/// What was written to a log, by base offset; more than one batch where some were taken back.
#[derive(Clone, Debug, Default)]
pub(super) struct Written(BTreeMap<i64, BTreeSet<Vec<u8>>>);

impl Written {
    pub(super) fn add(&mut self, batch: &[u8]) {
        let header = BatchHeader::parse(batch).expect("a batch");
        let versions = self.0.entry(header.base_offset.get()).or_default();
        versions.insert(batch.to_vec());
    }

    pub(super) fn bases(&self) -> impl Iterator<Item = Offset> {
        self.0.keys().map(|base| Offset::new(*base))
    }

    /// Whatever is served was written there.
    #[track_caller]
    pub(super) fn check(&self, served: &Served) {
        for (base, bytes) in served {
            let versions = self.0.get(base);
            let is_known = versions.is_some_and(|versions| versions.contains(bytes));
            assert!(is_known, "what is served at {base} was never written there");
        }
    }

    fn headers(&self) -> impl Iterator<Item = BatchHeader> {
        let batches = self.0.values().flatten();
        batches.map(|batch| BatchHeader::parse(batch).expect("a batch"))
    }

    /// The base offset of the first batch at or after a time.
    pub(super) fn first_at(&self, timestamp: i64) -> Option<Offset> {
        let mut headers = self.headers();
        let first = headers.find(|header| header.max_timestamp >= timestamp);
        first.map(|header| header.base_offset)
    }

    /// The base offset of the first of the batches with the greatest timestamp.
    pub(super) fn latest(&self) -> Option<Offset> {
        let greatest = self.headers().map(|header| header.max_timestamp).max()?;
        self.first_at(greatest)
    }
}

/// Of the batches that were served, none is another one now, and if `all` must be, none is missing.
#[track_caller]
pub(super) fn check_kept(before: &Served, now: &Served, all: bool) {
    for (base, bytes) in before {
        match now.get(base) {
            Some(now) => assert_eq!(now, bytes, "the batch at {base} has changed"),
            None => assert!(!all, "the batch at {base} is not served any more"),
        }
    }
}

/// The offsets that are asked for: a forged log may claim any number of them.
pub(super) struct Places(Vec<Offset>);

impl Places {
    /// The ends of the log and some offsets between them, every batch that was written, and offsets that no log has.
    pub(super) fn of(log: &Log, written: Option<&Written>, input: &mut Input<'_>) -> Places {
        let offsets = log.offsets();
        let mut places = vec![
            offsets.start,
            offsets.end,
            offsets.end.plus(-1),
            Offset::new(-1),
            Offset::ZERO,
            Offset::new(i64::MAX),
        ];
        if let Some(written) = written {
            places.extend(written.bases());
        }
        let span = u64::try_from(offsets.end.since(offsets.start)).unwrap_or(0);
        for _ in 0..4 {
            let at = (u128::from(input.u16()) * u128::from(span)) >> 16;
            places.push(offsets.start.plus(at as i64));
        }
        Places(places)
    }

    pub(super) fn any(&self, input: &mut Input<'_>) -> Offset {
        self.0[input.below(self.0.len())]
    }

    pub(super) fn add(&mut self, appended: &Served) {
        let bases = appended.keys().map(|base| Offset::new(*base));
        self.0.extend(bases);
    }

    /// Reads at each, and a little further.
    #[track_caller]
    pub(super) fn read(&self, log: &Log) -> Served {
        let mut served = Served::new();
        for place in &self.0 {
            let mut at = *place;
            for _ in 0..4 {
                let end = log.offsets().durable_end;
                let Some(next) = read_at(log, at, end, &mut served) else {
                    break;
                };
                at = next;
            }
        }
        served
    }
}

/// Reads once at an offset, sees to what is always so, and notes the batches. Returns where to read on; `None` where nothing
/// is served.
#[track_caller]
fn read_at(log: &Log, at: Offset, end: Offset, served: &mut Served) -> Option<Offset> {
    const BYTES_MAX: usize = 500;
    let chunks = match log.read_tail(at, end, BYTES_MAX) {
        Ok(TailRead::Batches(chunks)) => chunks,
        Ok(TailRead::Files) => log.read_files(at, end, BYTES_MAX).ok()?,
        Err(_) => return None,
    };
    let mut next: Option<Offset> = None;
    for batch in chunks.iter().flat_map(|chunk| batches(chunk)) {
        let (header, bytes) = batch.expect("whole batches are served");
        assert!(
            headers::crc_is_right(bytes),
            "a batch without its checksum is served"
        );
        match next {
            Some(next) => assert!(header.base_offset >= next, "batches overlap"),
            None => assert!(header.base_offset <= at && at < header.end_offset()),
        }
        assert!(
            header.end_offset() <= end,
            "a batch beyond the end is served"
        );
        let before = served.insert(header.base_offset.get(), bytes.to_vec());
        assert!(
            before.is_none_or(|before| before == bytes),
            "two batches at {}",
            header.base_offset
        );
        next = Some(header.end_offset());
    }
    next
}
