//! A disk that fills up under load, and has space again.

use std::{fs, path::PathBuf, thread, time::Duration};

use client::{OffsetSpec, PartitionBatch, Topic};
use protocol::batch::{BatchBuilder, NewRecord};
use rand::Rng;

use super::Life;
use crate::{failure::Failure, hog::Hog};

/// How long writers are refused before the next thing happens.
const REFUSED_MILLIS: std::ops::Range<u64> = 0..300;
const LOAD_BEFORE_MILLIS: std::ops::Range<u64> = 50..400;
/// What is deleted while the disk is full.
const BALLAST_BATCHES: usize = 8;
const BALLAST_BATCH_BYTES: usize = 900_000;

/// How a disk fills up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowd {
    /// Somebody takes the very last block, from one moment to the next.
    Suddenly,
    /// So many bytes are left for the load to use up.
    Nearly(u64),
}

/// What happens to the broker on the full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Lives,
    /// It is killed with writers being refused, and started again.
    IsKilled,
}

impl Life<'_> {
    /// Load on a disk that fills up: writers are refused, nothing that was acknowledged is lost, it is still read, a topic can be deleted; and
    /// when there is space again they are served, without a restart.
    pub fn crowd_once(&mut self, crowd: Crowd, fate: Fate) -> Result<(), Failure> {
        let hog = Hog::new(&self.disk_path()?);
        let hog = hog.map_err(|error| Failure::broken("fill the disk", error))?;
        self.wait_until("the reserve is there", |life| Ok(life.reserve()? > 0))?;
        let reserve = self.settled_reserve()?;
        let ballast = self.load_ballast()?;

        self.load_until_refused(&hog, crowd, fate)?;
        if fate == Fate::IsKilled {
            // A start needs no space.
            self.restart()?;
        } else {
            self.check()?;
        }
        if crowd == Crowd::Suddenly {
            // What was acknowledged and only in the journal needed it.
            self.wait_until("the reserve is given up", |life| {
                Ok(life.reserve()? < reserve)
            })?;
        }
        self.reserves += u64::from(self.reserve()? < reserve);

        let before = free(&hog)?;
        let mut connection = self.connect()?;
        let deleted = connection.delete_topic(&ballast);
        deleted.map_err(|error| Failure::broken("delete a topic on a full disk", error))?;
        let enough = before + (BALLAST_BATCHES * BALLAST_BATCH_BYTES / 2) as u64;
        self.wait_until("a deleted topic has freed its space", |life| {
            // Or the broker has taken it for what waited, or its reserve.
            Ok(free(&hog)? >= enough || life.reserve()? == reserve)
        })?;

        hog.go_away()
            .map_err(|error| Failure::broken("make space", error))?;
        self.load_until_acknowledged()?;
        self.wait_until("the reserve is whole again", |life| {
            Ok(life.reserve()? == reserve)
        })?;
        self.check()
    }

    fn load_until_refused(&mut self, hog: &Hog, crowd: Crowd, fate: Fate) -> Result<(), Failure> {
        let before = self.millis(LOAD_BEFORE_MILLIS);
        let refused_for = self.millis(REFUSED_MILLIS);
        let topics = self.topics.existing();
        let reader = topics[self.random.random_range(0..topics.len())].clone();
        self.load_patiently(fate == Fate::IsKilled, |life, pulses| {
            thread::sleep(before);
            let left = match crowd {
                Crowd::Suddenly => 0,
                Crowd::Nearly(bytes) => bytes,
            };
            hog.leave(left)
                .map_err(|error| Failure::broken("fill the disk", error))?;
            life.wait_until("all writers are refused", |_| {
                Ok(pulses.iter().all(|pulse| pulse.refused() > 0))
            })?;
            life.read_something(&reader)?;
            thread::sleep(refused_for);
            match fate {
                Fate::Lives => Ok(()),
                Fate::IsKilled => {
                    life.crash_process();
                    Ok(())
                }
            }
        })
    }

    fn load_until_acknowledged(&mut self) -> Result<(), Failure> {
        self.load_patiently(false, |life, pulses| {
            life.wait_until("all writers are served again", |_| {
                Ok(pulses.iter().all(|pulse| pulse.acknowledged() > 0))
            })
        })
    }

    /// Consumers are served while producers are refused.
    fn read_something(&self, topic: &Topic) -> Result<(), Failure> {
        let mut connection = self.connect()?;
        let read = |error| Failure::broken("read from a full disk", error);
        for partition in 0..topic.partitions {
            let start = connection.list_offset(topic, partition, OffsetSpec::Earliest);
            let start = start.map_err(read)?;
            connection
                .fetch(topic, partition, start, 1 << 20)
                .map_err(read)?;
        }
        Ok(())
    }

    /// A topic that takes space, and that nobody will miss.
    fn load_ballast(&mut self) -> Result<String, Failure> {
        self.ballasts += 1;
        let name = format!("ballast-{}", self.ballasts);
        let mut connection = self.connect()?;
        let broken = |error| Failure::broken("make a large topic", error);
        connection.create_topic(&name, 1).map_err(broken)?;
        let topic = connection.topic(&name).map_err(broken)?;
        let value = vec![b'x'; BALLAST_BATCH_BYTES];
        for _ in 0..BALLAST_BATCHES {
            let mut builder = BatchBuilder::new();
            builder.push(&NewRecord {
                value: Some(&value),
                ..NewRecord::default()
            });
            let batch = PartitionBatch {
                topic: &topic,
                partition: 0,
                batch: builder.build().freeze(),
            };
            connection.send_produce(&[batch]).map_err(broken)?;
            let produced = connection
                .receive_produced(&[(&topic, 0)])
                .map_err(broken)?;
            if let Err(code) = produced[0].outcome {
                return Err(Failure::broken("fill a large topic", code.name()));
            }
        }
        Ok(name)
    }

    fn disk_path(&self) -> Result<PathBuf, Failure> {
        let disk = self.disk.as_ref().map(|disk| disk.path().to_owned());
        disk.ok_or_else(|| Failure::Broken("there is no disk to fill".into()))
    }

    /// Bytes of the broker's reserve.
    fn reserve(&self) -> Result<u64, Failure> {
        let path = self.disk_path()?.join("data/reserve");
        Ok(fs::metadata(path).map_or(0, |metadata| metadata.len()))
    }

    /// The reserve, once it does not grow any more.
    fn settled_reserve(&self) -> Result<u64, Failure> {
        let mut reserve = self.reserve()?;
        loop {
            thread::sleep(Duration::from_millis(300));
            let now = self.reserve()?;
            if now == reserve {
                return Ok(now);
            }
            reserve = now;
        }
    }
}

fn free(hog: &Hog) -> Result<u64, Failure> {
    hog.free_bytes()
        .map_err(|error| Failure::broken("look how much space there is", error))
}
