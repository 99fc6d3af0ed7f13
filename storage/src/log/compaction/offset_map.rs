//! The last offset of each key, in bounded memory (Kafka's `SkimpyOffsetMap`).
//!
//! Of a key 128 bits are kept, of a hash that nobody can foresee: that two keys of a log have the same is less likely than that all its copies fail.

use protocol::model::Offset;
use siphasher::sip128::SipHasher24;

/// What hashes depend on; different in each process.
pub type HashKey = [u8; 16];

/// Two words of the hash, and the offset.
type Entry = [u64; 3];

const ENTRY_BYTES: usize = size_of::<Entry>();

/// In the place of an offset: there is no entry. No log gets there.
const VACANT: u64 = u64::MAX;

/// Of so many places only this share is taken: in quarters, as in memory that is not bounded, or in tenths.
const LOAD: (usize, usize) = (3, 4);
const LOAD_MAX: (usize, usize) = (9, 10);

/// See the module.
pub struct OffsetMap {
    hash_key: HashKey,
    entries: Vec<Entry>,
    len: usize,
    len_max: usize,
}

impl std::fmt::Debug for OffsetMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OffsetMap({} of {})", self.len, self.len_max)
    }
}

impl OffsetMap {
    /// One for up to `expected` keys, or for as many as `bytes_max` hold.
    pub fn new(hash_key: HashKey, expected: u64, bytes_max: usize) -> OffsetMap {
        let places_max = (bytes_max / ENTRY_BYTES).max(2);
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        let wanted = (expected.saturating_mul(LOAD.1) / LOAD.0).saturating_add(2);
        let places = wanted.min(places_max);
        OffsetMap {
            hash_key,
            entries: vec![[0, 0, VACANT]; places],
            len: 0,
            len_max: (places * LOAD_MAX.0 / LOAD_MAX.1).max(1),
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Notes that a record at `offset` has the key. Offsets come in rising order. False when there is no room for another key.
    pub fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let hash = self.hash(key);
        let at = self.place_of(hash);
        if self.entries[at][2] == VACANT {
            if self.len == self.len_max {
                return false;
            }
            self.len += 1;
        }
        self.entries[at] = [hash[0], hash[1], offset.get().cast_unsigned()];
        true
    }

    /// Where the last record with the key is, if there is one.
    pub fn latest(&self, key: &[u8]) -> Option<Offset> {
        let at = self.place_of(self.hash(key));
        match self.entries[at][2] {
            VACANT => None,
            offset => Some(Offset::new(offset.cast_signed())),
        }
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        let hash = SipHasher24::new_with_key(&self.hash_key).hash(key);
        [hash.h1, hash.h2]
    }

    /// The place of the hash, or the vacant one it would get. There is always one.
    fn place_of(&self, hash: [u64; 2]) -> usize {
        let places = self.entries.len();
        // The upper half of the product is as evenly spread as the hash, without a division.
        let start = (u128::from(hash[0]) * places as u128) >> 64;
        let mut at = usize::try_from(start).unwrap_or(0);
        loop {
            let entry = &self.entries[at];
            if entry[2] == VACANT || [entry[0], entry[1]] == hash {
                return at;
            }
            at = if at + 1 == places { 0 } else { at + 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn it_knows_the_last_offset_of_each_key() {
        let mut map = OffsetMap::new([7; 16], 1_000, usize::MAX);
        let mut expected = HashMap::new();
        for offset in 0..3_000_i64 {
            let key = (offset * 7919 % 1_000).to_string();
            assert!(map.put(key.as_bytes(), Offset::new(offset)));
            expected.insert(key, Offset::new(offset));
        }
        assert_eq!(map.len(), expected.len());
        for (key, offset) in expected {
            assert_eq!(map.latest(key.as_bytes()), Some(offset));
        }
        assert_eq!(map.latest(b"other"), None);
        assert_eq!(map.latest(b""), None);
    }

    #[test]
    fn it_is_full_before_there_is_no_vacant_place() {
        for places in [2, 3, 10, 1_000] {
            let mut map = OffsetMap::new([1; 16], u64::MAX, places * ENTRY_BYTES);
            let mut offset = 0;
            while map.put(format!("k{offset}").as_bytes(), Offset::new(offset)) {
                offset += 1;
            }
            assert!(map.len() < places, "{places}");
            assert!(map.len() * 10 >= places * 8 || places <= 3, "{places}");
            // Keys that are there can still be noted.
            assert!(map.put(b"k0", Offset::new(offset + 1)));
            assert_eq!(map.latest(b"k0"), Some(Offset::new(offset + 1)));
            assert_eq!(map.latest(b"other"), None);
        }
    }
}
