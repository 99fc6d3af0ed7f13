//! Deadlines, each under a key of its own.

use std::collections::{BTreeMap, BTreeSet};

/// Deadlines by key. Setting one again moves it.
#[derive(Debug)]
pub struct Timers<K> {
    by_key: BTreeMap<K, i64>,
    by_deadline: BTreeSet<(i64, K)>,
}

impl<K> Default for Timers<K> {
    fn default() -> Timers<K> {
        Timers {
            by_key: BTreeMap::new(),
            by_deadline: BTreeSet::new(),
        }
    }
}

impl<K: Ord + Clone> Timers<K> {
    /// Sets or moves a deadline.
    pub fn set(&mut self, key: K, deadline_ms: i64) {
        if let Some(before) = self.by_key.insert(key.clone(), deadline_ms) {
            self.by_deadline.remove(&(before, key.clone()));
        }
        self.by_deadline.insert((deadline_ms, key));
    }

    /// Forgets a deadline, if there is one.
    pub fn cancel(&mut self, key: &K) {
        if let Some(deadline_ms) = self.by_key.remove(key) {
            self.by_deadline.remove(&(deadline_ms, key.clone()));
        }
    }

    /// Whether there is a deadline.
    pub fn is_set(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    /// The earliest.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        self.by_deadline
            .first()
            .map(|(deadline_ms, _)| *deadline_ms)
    }

    /// Takes out the earliest, if it is due.
    pub fn pop_due(&mut self, now_ms: i64) -> Option<K> {
        if self.next_deadline_ms()? > now_ms {
            return None;
        }
        let (_, key) = self.by_deadline.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Timers;

    #[test]
    fn deadlines_come_in_order_and_move() {
        let mut timers = Timers::default();
        timers.set("a", 30);
        timers.set("b", 10);
        timers.set("c", 20);
        timers.set("b", 40);
        timers.cancel(&"c");
        timers.cancel(&"none");
        assert_eq!((timers.next_deadline_ms(), timers.len()), (Some(30), 2));
        assert_eq!(timers.pop_due(29), None);
        assert_eq!(timers.pop_due(100), Some("a"));
        assert_eq!(timers.pop_due(100), Some("b"));
        assert_eq!((timers.pop_due(100), timers.is_empty()), (None, true));
    }
}
