//! Which records were acknowledged, and which were read: what is missing in the end was lost, what is there twice was doubled.
//!
//! Records are numbered by producer from zero on, without gaps, so that two bits are enough for each.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Of all records of a run.
#[derive(Debug)]
pub struct Ledger {
    producers: Vec<Mutex<Page>>,
}

#[derive(Debug, Default)]
struct Page {
    acknowledged: Bits,
    read: Bits,
    sums: Sums,
}

/// What a ledger comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Records that were acknowledged.
    pub acknowledged: u64,
    /// Of these, those that were read.
    pub acknowledged_and_read: u64,
    /// Records that were read, each counted once.
    pub read: u64,
    /// How often a record was read that had been read before.
    pub duplicates: u64,
}

impl Sums {
    /// Records that were acknowledged and not read.
    pub fn unread(&self) -> u64 {
        self.acknowledged - self.acknowledged_and_read
    }

    fn add(&mut self, other: &Sums) {
        self.acknowledged += other.acknowledged;
        self.acknowledged_and_read += other.acknowledged_and_read;
        self.read += other.read;
        self.duplicates += other.duplicates;
    }
}

#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn has(&self, number: u64) -> bool {
        let word = self.0.get((number / 64) as usize);
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Whether it was not there before.
    fn insert(&mut self, number: u64) -> bool {
        let is_new = !self.has(number);
        let word = (number / 64) as usize;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (number % 64);
        is_new
    }
}

impl Ledger {
    /// Of so many producers.
    pub fn new(producers: usize) -> Ledger {
        Ledger {
            producers: (0..producers).map(|_| Mutex::default()).collect(),
        }
    }

    /// A producer was told that its record is there.
    pub fn on_acknowledged(&self, producer: usize, number: u64) {
        let Some(page) = self.producers.get(producer) else {
            return;
        };
        let page = &mut *page.lock();
        if page.acknowledged.insert(number) {
            page.sums.acknowledged += 1;
            page.sums.acknowledged_and_read += u64::from(page.read.has(number));
        }
    }

    /// A consumer has it. One that nobody can have written is not counted: `numbers` is how many there are of the producer.
    pub fn on_read(&self, producer: usize, number: u64, numbers: u64) {
        let Some(page) = self.producers.get(producer).filter(|_| number < numbers) else {
            return;
        };
        let page = &mut *page.lock();
        if page.read.insert(number) {
            page.sums.read += 1;
            page.sums.acknowledged_and_read += u64::from(page.acknowledged.has(number));
        } else {
            page.sums.duplicates += 1;
        }
    }

    /// Of all producers.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for page in &self.producers {
            sums.add(&page.lock().sums);
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_is_doubled_is_counted() {
        let ledger = Ledger::new(2);
        for number in 0..100 {
            ledger.on_acknowledged(1, number);
        }
        // One was read before it was acknowledged, and one that never was.
        ledger.on_read(0, 7, 10);
        ledger.on_acknowledged(0, 7);
        ledger.on_read(0, 9, 10);
        for number in (0..100).filter(|number| number % 10 != 3) {
            ledger.on_read(1, number, 100);
        }
        ledger.on_read(1, 5, 100);
        let sums = ledger.sums();
        assert_eq!((sums.acknowledged, sums.unread()), (101, 10));
        assert_eq!((sums.read, sums.duplicates), (92, 1));
    }

    #[test]
    fn what_nobody_wrote_is_not_counted() {
        let ledger = Ledger::new(1);
        ledger.on_read(0, u64::MAX, 10);
        ledger.on_read(5, 0, 10);
        assert_eq!(ledger.sums(), Sums::default());
    }
}
