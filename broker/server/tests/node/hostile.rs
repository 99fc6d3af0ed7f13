//! Bytes that no client means: each gets an error answer or the end of its own connection, and nobody else notices.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use protocol::wire::{decode_body, supported};
use protocol::{ApiKey, ErrorCode};
use tests_golden::{Kind, apis};

use crate::support::{Bystander, Client, Node, NodeConfig, Outcome, Random, http::Scrape};

/// What hostile clients may add to the broker's memory: buffers of the allocator, not what they claim.
const GROWTH_MAX: u64 = 48 << 20;
/// Connections at once; a soft limit of 1024 descriptors is common.
const AT_ONCE: usize = 300;

fn start() -> Node {
    let config = NodeConfig::new()
        .set("auto.create.topics.enable", "false")
        // What happens to decode as a fetch is not waited for.
        .set("fetch.wait.ms.max", "100");
    Node::start(config)
}

/// Size, header at the version that the API has, body.
fn frame(api: i16, version: i16, header_version: i16, body: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    frame.put_i16(api);
    frame.put_i16(version);
    frame.put_i32(77);
    frame.put_i16(-1);
    if header_version >= 2 {
        frame.put_u8(0);
    }
    frame.put_slice(body);
    sized(frame)
}

fn sized(mut frame: BytesMut) -> BytesMut {
    let size = frame.len() as i32 - 4;
    frame[..4].copy_from_slice(&size.to_be_bytes());
    frame
}

/// What came for one connection's bytes, up to its end.
#[derive(Debug, PartialEq, Eq)]
struct End {
    answers: usize,
}

/// Sends each of these on a connection of its own, says that it was all, and reads to the end.
#[track_caller]
fn send_each(node: &Node, inputs: &[BytesMut], mut check: impl FnMut(usize, &End)) {
    let mut at = 0;
    for inputs in inputs.chunks(AT_ONCE) {
        let mut clients = Vec::new();
        for input in inputs {
            let mut client = node.client();
            client.send_raw(input);
            client.finish_sending();
            clients.push(client);
        }
        for mut client in clients {
            let mut answers = 0;
            while let Outcome::Answer(_) = client.outcome() {
                answers += 1;
            }
            check(at, &End { answers });
            at += 1;
        }
    }
}

/// The broker lives, nothing of it panicked, it did not grow, and its log is no flood.
#[track_caller]
fn nothing_happened(node: &mut Node, resident_before: u64) {
    assert!(node.runs());
    let grown = node.resident_bytes().saturating_sub(resident_before);
    assert!(grown < GROWTH_MAX, "it grew by {grown} bytes");
    let log = node.log();
    assert!(!log.contains("panicked"), "{log}");
    assert!(log.len() < 1 << 20, "{} bytes were logged", log.len());
}

#[test]
fn random_bytes_end_their_own_connection() {
    let mut node = start();
    let bystander = Bystander::start(&node);
    let mut random = Random::new(1);
    let before = node.resident_bytes();
    let mut inputs: Vec<BytesMut> = (0..300)
        .map(|_| {
            let length = 1 + random.below(2000);
            BytesMut::from(&random.bytes(length)[..])
        })
        .collect();
    // With a size that is right, so that they are taken for a request.
    inputs.extend((0..300).map(|_| {
        let length = random.below(600);
        let mut frame = BytesMut::zeroed(4);
        frame.extend_from_slice(&random.bytes(length));
        sized(frame)
    }));
    // And as an API that exists.
    inputs.extend((0..300).map(|i| {
        let api = [0, 1, 2, 3, 18, 19, 20, 22][i % 8];
        let version = random.below(14) as i16;
        let length = random.below(300);
        frame(
            api,
            version,
            1 + random.below(2) as i16,
            &random.bytes(length),
        )
    }));
    send_each(&node, &inputs, |at, end| {
        assert!(end.answers <= 1, "{:?}", inputs[at])
    });
    nothing_happened(&mut node, before);
    bystander.finish();
}

#[test]
fn sizes_that_lie_reserve_nothing() {
    let mut node = start();
    let bystander = Bystander::start(&node);
    // One connection's worth of everything is there before the count.
    send_each(&node, &[frame(18, 0, 1, &[])], |_, end| {
        assert_eq!(end.answers, 1)
    });
    let before = node.resident_bytes();
    // Over the limit, or negative: closed at once.
    for size in [
        -1,
        i32::MIN,
        i32::MAX,
        104_857_601,
        i32::from_be_bytes(*b"GET "),
    ] {
        let mut client = node.client();
        client.send_raw(&size.to_be_bytes());
        assert!(matches!(client.outcome(), Outcome::Closed), "size {size}");
    }
    // Within it: waited for, at no cost.
    let mut clients: Vec<Client> = (0..AT_ONCE).map(|_| node.client()).collect();
    for client in &mut clients {
        client.send_raw(&100_000_000_i32.to_be_bytes());
        client.send_raw(&[0; 1000]);
    }
    send_each(&node, &[frame(18, 0, 1, &[])], |_, end| {
        assert_eq!(end.answers, 1)
    });
    nothing_happened(&mut node, before);
    for mut client in clients {
        client.finish_sending();
        assert!(
            matches!(client.outcome(), Outcome::Closed),
            "a frame that was cut"
        );
    }
    // Too short for a header.
    for size in 0..8 {
        let mut client = node.client();
        client.send_raw(&sized(BytesMut::zeroed(4 + size)));
        assert!(
            matches!(client.outcome(), Outcome::Closed),
            "a frame of {size} bytes"
        );
    }
    nothing_happened(&mut node, before);
    bystander.finish();
}

#[test]
fn each_is_logged_once_with_its_peer() {
    let node = start();
    let unknown_api = frame(9999, 0, 1, &[]);
    let old_version = frame(ApiKey::Metadata as i16, 99, 2, &[]);
    let no_body = frame(ApiKey::Metadata as i16, 12, 2, &[]);
    let cut = BytesMut::from(&[0, 0, 1, 0, 5][..]);
    let too_large = BytesMut::from(&i32::MAX.to_be_bytes()[..]);
    let cases = [
        (unknown_api, "malformed", "unknown API key 9999"),
        (
            old_version,
            "malformed",
            "Metadata version 99 is not supported, 0-13 are",
        ),
        (no_body, "malformed", ""),
        (cut, "truncated", "the peer closed within a frame"),
        (too_large, "frame_size", "2147483647"),
    ];
    for (input, reason, detail) in cases {
        let mark = node.log_mark();
        send_each(&node, &[input], |_, end| assert_eq!(end.answers, 0));
        let line = node.wait_for_log(mark, |line| line.contains("connection closed"));
        for word in [reason, detail, "127.0.0.1:"] {
            assert!(line.contains(word), "{word:?} is not in {line}");
        }
        // Another connection comes and goes after it, so that a second line would be there.
        send_each(&node, &[frame(18, 0, 1, &[])], |_, end| {
            assert_eq!(end.answers, 1)
        });
        let log = node.log_since(mark);
        assert_eq!(log.matches("connection closed").count(), 1, "{log}");
    }
    let scrape = Scrape::of(node.admin());
    assert_eq!(
        scrape.value("holdfast_connections_closed_total{reason=\"malformed\"}"),
        3.0
    );
    assert_eq!(
        scrape.value("holdfast_connections_closed_total{reason=\"truncated\"}"),
        1.0
    );
    assert_eq!(
        scrape.value("holdfast_connections_closed_total{reason=\"frame_size\"}"),
        1.0
    );
    assert_eq!(scrape.value("holdfast_malformed_requests_total"), 3.0);
}

#[test]
fn versions_of_apiversions_that_are_not_known_get_the_ranges() {
    let node = start();
    for version in [5, 6, 99, i16::MAX, -1, i16::MIN] {
        let mut client = node.client();
        // As new versions may look: another header, and a body that cannot be read.
        client.send_raw(&frame(
            ApiKey::ApiVersions as i16,
            version,
            2,
            b"\xff\xff\xff\xff",
        ));
        let Outcome::Answer(mut answer) = client.outcome() else {
            panic!("version {version} is not answered");
        };
        assert_eq!(answer.get_i32(), 77);
        let answer: ApiVersionsResponse = decode_body(answer, 0).expect("version 0");
        assert_eq!(answer.error_code, ErrorCode::UnsupportedVersion.code());
        let range = answer
            .api_keys
            .iter()
            .find(|api| api.api_key == 18)
            .expect("itself");
        assert_eq!((range.min_version, range.max_version), (0, 4));
        // The client tries again on the same connection.
        assert_eq!(client.call(0, &ApiVersionsRequest::default()).error_code, 0);
    }
}

#[test]
fn apis_and_versions_that_are_not_known_end_the_connection() {
    let mut node = start();
    let bystander = Bystander::start(&node);
    let advertised = advertised(&node);
    let mut inputs = Vec::new();
    for key in [-1, i16::MIN, 4, 6, 7, 200, 1000, i16::MAX] {
        inputs.push(frame(key, 0, 1, &[]));
    }
    for (key, min, max) in advertised {
        if key != ApiKey::ApiVersions as i16 {
            let least = supported(ApiKey::try_from(key).expect("known")).min;
            let versions = [min - 1, least - 1, max + 1, i16::MAX, i16::MIN];
            inputs.extend(versions.map(|version| frame(key, version, 2, &[0; 16])));
        }
    }
    // Advertised for librdkafka's sake, and refused.
    inputs.extend((0..3).map(|version| frame(ApiKey::Produce as i16, version, 1, &[0; 16])));
    send_each(&node, &inputs, |at, end| {
        assert_eq!(end.answers, 0, "{:?}", inputs[at])
    });
    let before = node.resident_bytes();
    nothing_happened(&mut node, before);
    bystander.finish();
}

#[test]
fn headers_that_lie_end_the_connection() {
    let mut node = start();
    let bystander = Bystander::start(&node);
    let before = node.resident_bytes();
    let header = |api: ApiKey, version: i16, rest: &[u8]| {
        let mut frame = BytesMut::zeroed(4);
        frame.put_i16(api as i16);
        frame.put_i16(version);
        frame.put_i32(77);
        frame.put_slice(rest);
        sized(frame)
    };
    let inputs = [
        // The client id: longer than the frame, of a negative length, no UTF-8, cut in its length.
        header(ApiKey::Metadata, 1, &[0x7f, 0xff, b'a']),
        header(ApiKey::Metadata, 1, &[0xff, 0xfe, b'a']),
        header(ApiKey::Metadata, 1, &[0x80, 0x00]),
        header(ApiKey::Metadata, 1, &[0, 2, 0xff, 0xfe, 0, 0, 0, 0]),
        header(ApiKey::Metadata, 1, &[0]),
        // Tagged fields: more than there are, longer than the frame, an endless number.
        header(ApiKey::Metadata, 12, &[0xff, 0xff, 200]),
        header(
            ApiKey::Metadata,
            12,
            &[0xff, 0xff, 1, 0, 0xff, 0xff, 0xff, 0x7f],
        ),
        header(
            ApiKey::Metadata,
            12,
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        header(
            ApiKey::Metadata,
            12,
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
        ),
        // The header of another version: the byte of its tagged fields is missing.
        header(ApiKey::Metadata, 12, &[0xff, 0xff]),
        // Or is one too many, which makes 65,536 topics of one.
        frame(ApiKey::Metadata as i16, 1, 2, &[1, 0, 0, 0, 1, b'a']),
    ];
    send_each(&node, &inputs, |at, end| {
        assert_eq!(end.answers, 0, "{:?}", inputs[at])
    });
    nothing_happened(&mut node, before);
    bystander.finish();
}

#[test]
fn bodies_that_lie_cost_only_their_connection() {
    let mut node = start();
    let bystander = Bystander::start(&node);
    let before = node.resident_bytes();
    let mut random = Random::new(3);
    let (mut cut, mut odd) = (Vec::new(), Vec::new());
    let advertised = advertised(&node);
    for api in apis() {
        let Some((_, min, max)) = advertised.iter().find(|(key, ..)| *key == api.key) else {
            continue;
        };
        let min = supported(ApiKey::try_from(api.key).expect("known"))
            .min
            .max(*min);
        for &(version, header_version, _) in &api.header_versions {
            if !(min..=*max).contains(&version) {
                continue;
            }
            for _ in 0..3 {
                let length = random.below(200);
                odd.push(frame(
                    api.key,
                    version,
                    header_version,
                    &random.bytes(length),
                ));
            }
            let payloads = api.payloads.iter();
            for payload in payloads.filter(|it| it.kind == Kind::Request && it.version == version) {
                let bytes = &payload.bytes;
                for _ in 0..5.min(bytes.len()) {
                    let end = random.below(bytes.len());
                    cut.push(frame(api.key, version, header_version, &bytes[..end]));
                    odd.push(frame(
                        api.key,
                        version,
                        header_version,
                        &lie(&mut random, bytes),
                    ));
                }
            }
        }
    }
    assert!(
        cut.len() > 300 && odd.len() > 300,
        "{} and {} inputs",
        cut.len(),
        odd.len()
    );
    send_each(&node, &cut, |at, end| {
        assert_eq!(end.answers, 0, "{:?}", cut[at])
    });
    send_each(&node, &odd, |at, end| {
        assert!(end.answers <= 1, "{:?}", odd[at])
    });
    nothing_happened(&mut node, before);
    bystander.finish();
}

/// A payload in which something that may be a length is much greater than it was, or negative; often
/// with enough bytes behind it to be nearly true.
fn lie(random: &mut Random, payload: &Bytes) -> Vec<u8> {
    const CLAIMS: [&[u8]; 6] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0x80, 0x00, 0x00, 0x00],
        &[0xff, 0xff, 0xff, 0xfe],
        &[0x00, 0x3d, 0x09, 0x00],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0x7f, 0xff],
    ];
    let claim = CLAIMS[random.below(CLAIMS.len())];
    let at = random.below(payload.len());
    let mut bytes = payload.to_vec();
    bytes.truncate(at);
    bytes.extend_from_slice(claim);
    bytes.extend(payload.iter().skip(at + claim.len()));
    if random.below(2) == 0 {
        bytes.resize(bytes.len() + 100_000, 0xff);
    }
    bytes
}

fn advertised(node: &Node) -> Vec<(i16, i16, i16)> {
    let answer = node.client().call(0, &ApiVersionsRequest::default());
    let keys = answer.api_keys.iter();
    keys.map(|api| (api.api_key, api.min_version, api.max_version))
        .collect()
}
