//! Bytes that no client means: whatever they are, decoding ends, without a panic and without
//! room for more than was sent.

use bytes::Bytes;
use protocol::ApiKey;
use tests_golden::{Api, Kind, apis, is_supported, reencode};

/// Calls `check` with every payload that can be decoded.
fn for_each_payload(mut check: impl FnMut(&Api, ApiKey, Kind, i16, &Bytes)) {
    for api in apis() {
        for payload in &api.payloads {
            if is_supported(api.key, payload.version) {
                let key = ApiKey::try_from(api.key).expect("a supported API has a key");
                check(&api, key, payload.kind, payload.version, &payload.bytes);
            }
        }
    }
}

/// A small generator, so that a failure is the same the next time (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).expect("small")).expect("small")
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_be_bytes()[0]).collect()
    }
}

#[test]
fn cut_payloads_are_refused() {
    for_each_payload(|api, key, kind, version, bytes| {
        for end in 0..bytes.len() {
            let got = reencode(kind, key, version, bytes.slice(..end));
            assert!(
                got.is_err(),
                "{} {kind:?} v{version} cut at {end}",
                api.name
            );
        }
    });
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(1);
    for_each_payload(|_, key, kind, version, _| {
        for _ in 0..20 {
            let length = random.below(200);
            let bytes = Bytes::from(random.bytes(length));
            let _ = reencode_if_valid(kind, key, version, bytes);
        }
    });
}

#[test]
fn damaged_payloads_never_panic() {
    let mut random = Random(2);
    for_each_payload(|_, key, kind, version, bytes| {
        if bytes.is_empty() {
            return;
        }
        for _ in 0..50 {
            let mut bytes = bytes.to_vec();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] = random.next().to_be_bytes()[0];
            }
            let _ = reencode_if_valid(kind, key, version, Bytes::from(bytes));
        }
    });
}

/// Each length in turn, and much else, becomes millions, with enough bytes behind it to be true.
#[test]
fn great_lengths_take_no_room() {
    const FRAME_BYTES: usize = 4 << 20;
    const CLAIM: u32 = 4_000_000;
    let claims: [&[u8]; 3] = [
        &CLAIM.to_be_bytes(),
        &varint(CLAIM + 1),
        &[0x7f, 0xff, 0xff, 0xff],
    ];
    let before = peak_virtual_kib();
    let mut frame = vec![0xff; FRAME_BYTES];
    for_each_payload(|_, key, kind, version, payload| {
        for claim in claims {
            for at in 0..payload.len() {
                frame[..payload.len()].copy_from_slice(payload);
                frame[payload.len()..payload.len() + 8].fill(0xff);
                frame[at..at + claim.len()].copy_from_slice(claim);
                let bytes = Bytes::from(std::mem::take(&mut frame));
                let _ = reencode_if_valid(kind, key, version, bytes.clone());
                frame = bytes
                    .try_into_mut()
                    .map(Vec::from)
                    .unwrap_or_else(|bytes| bytes.to_vec());
            }
        }
    });
    let grown = peak_virtual_kib() - before;
    assert!(
        grown < 256 << 10,
        "{grown} KiB were reserved for frames of {FRAME_BYTES} bytes"
    );
}

/// What decodes may be a value that cannot be written at its version; it is only not to panic.
fn reencode_if_valid(kind: Kind, key: ApiKey, version: i16, bytes: Bytes) -> Option<Bytes> {
    reencode(kind, key, version, bytes).ok()
}

fn varint(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value.to_be_bytes()[3] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_be_bytes()[3]);
    bytes
}

/// The most address space the process has had: what was asked for, not only what was filled.
fn peak_virtual_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmPeak:"))
        .expect("Linux");
    let kib = line.split_whitespace().nth(1).expect("a number");
    kib.parse().expect("a number")
}
