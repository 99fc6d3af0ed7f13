//! A broker of which one disk does not work: half of it goes on.

use std::thread;

use client::ClientError;
use protocol::ErrorCode;

use super::Life;
use crate::{
    failure::{Failure, Finding},
    history::TopicPartition,
    load::Pulse,
    reader::read_back,
};

/// How long the rest is loaded beside a disk that does not work.
const LOAD_MILLIS: std::ops::Range<u64> = 100..500;

impl Life<'_> {
    /// Load, under which a disk is made to fail; and what is on the others is written and read.
    pub fn fail_once(&mut self, fail: impl FnOnce() -> Result<(), String>) -> Result<(), Failure> {
        let before = self.millis(LOAD_MILLIS);
        self.load_patiently(false, |life, pulses| {
            thread::sleep(before);
            fail().map_err(|error| Failure::broken("let a disk fail", error))?;
            life.wait_until("all writers are refused somewhere", |_| {
                Ok(pulses.iter().all(|pulse| pulse.refused() > 0))
            })?;
            life.go_on(pulses)
        })?;
        self.check_half()
    }

    /// Starts on a disk less, after a kill and `meanwhile`.
    pub fn restart_half(
        &mut self,
        meanwhile: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), Failure> {
        self.crash_process();
        meanwhile().map_err(|error| Failure::broken("change the disk", error))?;
        self.victim
            .restart()
            .map_err(|error| Failure::broken("start", error))?;
        self.check_half()?;
        let duration = self.millis(LOAD_MILLIS);
        self.load_patiently(false, |life, pulses| {
            life.go_on(pulses)?;
            thread::sleep(duration);
            Ok(())
        })?;
        self.check_half()
    }

    /// The same with all disks.
    pub fn restart_whole(
        &mut self,
        meanwhile: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), Failure> {
        self.crash_process();
        meanwhile().map_err(|error| Failure::broken("change the disk", error))?;
        self.restart()
    }

    /// Waits until every writer has had a batch acknowledged from now on.
    fn go_on(&self, pulses: &[Pulse]) -> Result<(), Failure> {
        let before: Vec<u64> = pulses.iter().map(|pulse| pulse.acknowledged()).collect();
        self.wait_until("what is on the other disks is written", |_| {
            let mut pulses = pulses.iter().zip(&before);
            Ok(pulses.all(|(pulse, before)| pulse.acknowledged() > *before))
        })
    }

    /// Reads what is served and compares it with the history. What is not served must be refused as being on a disk that does not work, and
    /// there must be some of both.
    fn check_half(&mut self) -> Result<(), Failure> {
        let mut connection = self.connect()?;
        let mut findings = Vec::new();
        let (mut served, mut offline) = (0, 0);
        for topic in self.topics.existing() {
            for partition in 0..topic.partitions {
                let at = TopicPartition {
                    topic: topic.name.clone(),
                    partition,
                };
                let read = match read_back(&mut connection, &topic, partition) {
                    Ok(read) => read,
                    Err(ClientError::Refused {
                        code: ErrorCode::KafkaStorageError,
                        ..
                    }) => {
                        offline += 1;
                        continue;
                    }
                    Err(error) => return Err(Failure::broken(&format!("read {at}"), error)),
                };
                served += 1;
                let batches = read.batches.iter();
                self.read += batches.map(|batch| batch.values.len() as u64).sum::<u64>();
                let anomalies = self.history.partition(&at).check(&read).into_iter();
                findings.extend(anomalies.map(|anomaly| Finding {
                    at: at.clone(),
                    anomaly,
                }));
            }
        }
        if !findings.is_empty() {
            return Err(Failure::Contradicted(findings));
        }
        if served == 0 || offline == 0 {
            let what = format!("{served} partitions are served and {offline} are not");
            return Err(Failure::Broken(what));
        }
        Ok(())
    }
}
