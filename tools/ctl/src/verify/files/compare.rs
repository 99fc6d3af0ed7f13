//! One partition.

use std::{
    io,
    path::{Path, PathBuf},
};

use protocol::batch::{BatchHeader, verify_crc};

use super::{
    PartitionFiles, ReplicaFiles,
    walk::{Step, Walk},
};
use crate::CtlError;

/// Of one replica so many problems are named.
const PROBLEMS_MAX: usize = 5;

/// A replica while it is compared.
struct Replica {
    report: ReplicaFiles,
    walk: Walk,
    next: Option<BatchHeader>,
    bytes: Vec<u8>,
    crc: u32,
    length: u64,
    /// From where on it has nothing to do with the first one.
    differs: bool,
}

/// Compares the replicas in these directories before `end`, or where there is none, before the smallest of their ends. What
/// begins earlier than others is left out up to where the last of them begins.
pub(super) fn partition(
    partition: i32,
    directories: &[PathBuf],
    end: Option<i64>,
) -> Result<PartitionFiles, CtlError> {
    let reports = directories.iter().map(|directory| survey(directory));
    let reports = reports.collect::<Result<Vec<_>, _>>()?;
    let start = reports.iter().map(|it| it.start).max().unwrap_or(0);
    let smallest = reports.iter().map(|it| it.end).min().unwrap_or(0);
    let end = end.unwrap_or(smallest);
    let mut replicas = Vec::new();
    for report in reports {
        let read = CtlError::file("read", report.directory.clone());
        replicas.push(Replica::begin(report, start, end).map_err(read)?);
    }
    let batches = in_step(&mut replicas, end)?;
    Ok(PartitionFiles {
        partition,
        start,
        end,
        batches,
        replicas: replicas.into_iter().map(Replica::finish).collect(),
    })
}

/// Where a replica begins and ends.
fn survey(directory: &Path) -> Result<ReplicaFiles, CtlError> {
    let survey = || {
        let mut walk = Walk::begin(directory)?;
        let (mut start, mut end, mut problems) = (None, 0, Vec::new());
        loop {
            match walk.next(None)? {
                Step::Batch(header) => {
                    let base = header.base_offset.get();
                    if base < end {
                        let problem = format!("offset {base} comes after {end}");
                        push(&mut problems, problem);
                    }
                    start.get_or_insert(base);
                    end = header.end_offset().get();
                }
                Step::Broken(what) => push(&mut problems, what),
                Step::End => break,
            }
        }
        Ok(ReplicaFiles {
            directory: directory.to_owned(),
            start: start.unwrap_or(0),
            end,
            digest: String::new(),
            problems,
        })
    };
    survey().map_err(CtlError::file("read", directory))
}

fn push(problems: &mut Vec<String>, problem: String) {
    if problems.len() < PROBLEMS_MAX {
        problems.push(problem);
    }
}

/// Goes through all of them at once, batch by batch. Returns how many batches all have alike.
fn in_step(replicas: &mut [Replica], end: i64) -> Result<u64, CtlError> {
    let Some((first, others)) = replicas.split_first_mut() else {
        return Ok(0);
    };
    let mut alike = 0;
    while let Some(header) = first.next {
        let mut all = true;
        for other in others.iter_mut() {
            if !other.differs {
                other.compare(&header, &first.bytes, &first.report.directory);
                if !other.differs {
                    other.advance(end)?;
                }
            }
            all &= !other.differs;
        }
        alike += u64::from(all);
        first.advance(end)?;
    }
    for other in others {
        if let Some(header) = other.next.filter(|_| !other.differs) {
            let base = header.base_offset;
            let first = first.report.directory.display();
            other.differ(format!(
                "a batch at offset {base} that {first} does not have"
            ));
        }
        // What is left counts for the digest.
        while other.next.is_some() {
            other.advance(end)?;
        }
    }
    Ok(alike)
}

impl Replica {
    /// At the first batch that is compared.
    fn begin(report: ReplicaFiles, start: i64, end: i64) -> io::Result<Replica> {
        let mut replica = Replica {
            walk: Walk::begin(&report.directory)?,
            report,
            next: None,
            bytes: Vec::new(),
            crc: 0,
            length: 0,
            differs: false,
        };
        if replica.report.end < end {
            let problem = format!("it ends at {}, before {end}", replica.report.end);
            push(&mut replica.report.problems, problem);
        }
        replica.read(start, end)?;
        Ok(replica)
    }

    fn advance(&mut self, end: i64) -> Result<(), CtlError> {
        let read = self.read(i64::MIN, end);
        read.map_err(CtlError::file("read", &self.report.directory))
    }

    /// The next batch that ends after `start` and begins before `end`.
    fn read(&mut self, start: i64, end: i64) -> io::Result<()> {
        self.next = None;
        while let Step::Batch(header) = self.walk.next(Some(&mut self.bytes))? {
            if header.end_offset().get() <= start {
                continue;
            }
            if header.base_offset.get() < end {
                self.crc = crc32c::crc32c_append(self.crc, &self.bytes);
                self.length += self.bytes.len() as u64;
                self.check(&header);
                self.next = Some(header);
            }
            break;
        }
        Ok(())
    }

    fn check(&mut self, header: &BatchHeader) {
        if !verify_crc(&self.bytes) {
            let base = header.base_offset;
            let problem = format!("the batch at offset {base} has a wrong checksum");
            push(&mut self.report.problems, problem);
        }
    }

    fn compare(&mut self, header: &BatchHeader, bytes: &[u8], with: &Path) {
        let (base, with) = (header.base_offset, with.display());
        match self.next {
            None => self.differ(format!("no batch at offset {base}, which {with} has")),
            Some(own) if own.base_offset != base => {
                let own = own.base_offset;
                self.differ(format!("a batch at offset {own} where {with} has {base}"));
            }
            Some(_) if self.bytes != bytes => {
                let mut pairs = self.bytes.iter().zip(bytes);
                let at = pairs.position(|(own, other)| own != other);
                let at = at.unwrap_or(self.bytes.len().min(bytes.len()));
                self.differ(format!(
                    "byte {at} of the batch at offset {base} is not as in {with}"
                ));
            }
            Some(_) => {}
        }
    }

    fn differ(&mut self, how: String) {
        self.differs = true;
        push(&mut self.report.problems, how);
    }

    fn finish(mut self) -> ReplicaFiles {
        self.report.digest = format!("{}-{:08x}", self.length, self.crc);
        self.report
    }
}
