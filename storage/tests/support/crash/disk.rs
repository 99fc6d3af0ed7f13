//! What the disk does: it refuses, and it rots.

use std::path::PathBuf;

use rand::Rng;
use storage::data_dir::OpenError;

use super::Life;

impl Life {
    /// Lets the disk refuse something soon.
    pub(super) fn refuse(&mut self) {
        const PLACES: [&str; 8] = [
            "journal",
            ".journal",
            ".log",
            "index",
            "checkpoint",
            "partition",
            "-0",
            "/data",
        ];
        const EIO: i32 = 5;
        const ENOSPC: i32 = 28;
        match self.random.random_range(0..200) {
            0..2 => {
                let place = PLACES[self.random.random_range(0..PLACES.len())];
                let errno = if self.random.random_bool(0.3) {
                    EIO
                } else {
                    ENOSPC
                };
                if self.random.random_bool(0.7) {
                    self.disk.fail_next_write(place, errno);
                } else {
                    self.disk.fail_next_sync(place, errno);
                }
            }
            2..5 => {
                self.is_tight = true;
                self.disk.set_free(0);
            }
            5..12 => {
                self.is_tight = false;
                self.disk.set_capacity(u64::MAX);
            }
            _ => {}
        }
    }

    /// Flips a bit anywhere, and starts: reported or refused, never served; and no business of logs that have nothing there.
    pub(super) fn rot(&mut self) -> Result<(), String> {
        let files: Vec<(PathBuf, usize)> = self
            .disk
            .image()
            .into_iter()
            .map(|(path, bytes)| (path, bytes.len()))
            .filter(|(path, len)| *len > 0 && !path.to_string_lossy().contains("-delete"))
            .collect();
        if files.is_empty() {
            return Ok(());
        }
        let (path, len) = &files[self.random.random_range(0..files.len())];
        let bytes = self.disk.image().remove(path).unwrap_or_default();
        // Where something is: most of a journal file is zeros.
        let used: Vec<usize> = (0..*len).filter(|at| bytes[*at] != 0).collect();
        let at = match used.get(self.random.random_range(0..used.len().max(1))) {
            Some(at) if self.random.random_bool(0.9) => *at,
            _ => self.random.random_range(0..*len),
        };
        let mask = 1 << self.random.random_range(0..8);
        self.disk
            .rot(path, at as u64, mask)
            .map_err(|error| error.to_string())?;
        let context = format!("bit {mask:#x} of byte {at} of {}", path.display());
        let (data_dir, report) = match self.try_open() {
            Ok(opened) => opened,
            Err(OpenError::Io { path, source }) => {
                return Err(format!("{context}: {}: {source}", path.display()));
            }
            Err(_) => {
                self.outcome.refused += 1;
                return Ok(());
            }
        };
        let in_journal = path.starts_with("/data/journal");
        let mut is_whole = true;
        for log in data_dir.logs() {
            let known = self.expected.get_mut(&log.partition());
            let Some((_, expected)) = known.or_else(|| self.dropped.get_mut(&log.partition()))
            else {
                return Err(format!("{context}: {log:?} was never created"));
            };
            let whole = expected
                .verify_damaged(&log, self.lost_power)
                .map_err(|error| format!("{context}: {error}"))?;
            let is_its_own = in_journal || path.starts_with(log.dir());
            if !whole && !is_its_own {
                return Err(format!("{context}: {log:?} lost something"));
            }
            let is_segment = path.extension().is_some_and(|name| name == "log")
                // Until the first checkpoint it says whose the directory of a log is that is not in the journal.
                || (expected.is_unjournaled && path.ends_with("partition.metadata"));
            if !whole && !in_journal && !is_segment {
                return Err(format!(
                    "{context}: {log:?} lost something with a file that can be rebuilt"
                ));
            }
            is_whole &= whole;
        }
        if in_journal && !is_whole && report.damage.is_empty() && report.cut.is_none() {
            return Err(format!(
                "{context}: records are lost and nothing is reported"
            ));
        }
        if is_whole {
            self.outcome.harmless += 1;
        } else {
            self.outcome.damaged += 1;
        }
        Ok(())
    }
}
