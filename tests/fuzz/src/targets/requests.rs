//! Frames, headers and requests, as a listener gets them.
//!
//! | first byte | the rest |
//! |---|---|
//! | 0 mod 4 | a stream of frames, in pieces |
//! | else | API, version, how the header is, body: one frame, its size right |

use bytes::{BufMut, Bytes, BytesMut};
use protocol::ApiKey;
use protocol::codec::StrBytes;
use protocol::messages::ProduceRequest as CodecProduceRequest;
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::wire::produce::{ProduceRequest, TopicRef};
use protocol::wire::request::request_header_version;
use protocol::wire::{
    FRAME_SIZE_BYTES, RequestHeader, RequestPrefix, decode_body, frame_size, split_frame, supported,
};
use tests_golden::{Kind, apis, is_supported};

use super::bodies;
use crate::input::Input;

const FRAME_BYTES_MAX: usize = 1 << 20;

pub(crate) fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    if input.u8().is_multiple_of(4) {
        let piece = 1 + input.below(64);
        stream(input.rest(), piece);
    } else {
        let frame = frame_of(&mut input);
        request(frame);
    }
}

/// A frame of a request, without its size.
fn frame_of(input: &mut Input<'_>) -> BytesMut {
    let (api, version) = bodies::api_and_version(input);
    let header = input.u8();
    let mut frame = BytesMut::new();
    frame.put_i16(api as i16);
    frame.put_i16(version);
    frame.put_i32(77);
    // The header is another one now and then, or cut.
    if header & 1 == 0 {
        frame.put_i16(-1);
        if request_header_version(api, version) >= 2 {
            frame.put_u8(0);
        }
    }
    frame.put_slice(input.rest());
    frame
}

/// Frames that come in pieces are those that come at once.
fn stream(bytes: &[u8], piece: usize) {
    let mut at_once = Vec::new();
    let mut rest = bytes;
    let failed = loop {
        match frame_size(rest, FRAME_BYTES_MAX) {
            Ok(Some(size)) if rest.len() - FRAME_SIZE_BYTES >= size => {
                let (frame, behind) = rest[FRAME_SIZE_BYTES..].split_at(size);
                at_once.push(frame);
                rest = behind;
            }
            Ok(_) => break false,
            Err(_) => break true,
        }
    };
    let mut received = BytesMut::new();
    let mut in_pieces = Vec::new();
    let mut has_failed = false;
    for piece in bytes.chunks(piece) {
        received.extend_from_slice(piece);
        loop {
            match split_frame(&mut received, FRAME_BYTES_MAX) {
                Ok(Some(frame)) => in_pieces.push(frame),
                Ok(None) => break,
                Err(_) => {
                    has_failed = true;
                    break;
                }
            }
        }
        if has_failed {
            break;
        }
    }
    assert_eq!(failed, has_failed);
    assert!(in_pieces.iter().eq(at_once.iter()), "other frames");
    in_pieces.into_iter().for_each(request);
}

/// What becomes of a frame.
fn request(mut frame: BytesMut) {
    let Ok(prefix) = RequestPrefix::peek(&frame) else {
        assert!(frame.len() < 8);
        return;
    };
    let mut shared = frame.clone().freeze();
    let of_shared = RequestHeader::decode(&mut shared);
    let header = RequestHeader::decode_mut(&mut frame);
    let header = match (header, of_shared) {
        (Ok(header), Ok(of_shared)) => {
            assert_eq!(header, of_shared);
            assert_eq!(frame, shared, "the headers end at different places");
            header
        }
        (Err(_), Err(_)) => return,
        (ours, theirs) => panic!("{ours:?} and {theirs:?} of the same bytes"),
    };
    assert_eq!(header.api_key as i16, prefix.api_key);
    assert_eq!(header.api_version, prefix.api_version);
    assert_eq!(header.correlation_id, prefix.correlation_id);
    let (api, version) = (header.api_key, header.api_version);
    if supported(api).contains(version) {
        bodies::check_request(api, version, &shared);
        if api == ApiKey::Produce {
            produce(frame, version);
        }
    }
}

/// What is taken apart by hand is what the codec decodes, and the records are where they were.
fn produce(body: BytesMut, version: i16) {
    let all = body.clone().freeze();
    let codec = decode_body::<CodecProduceRequest>(all.clone(), version);
    let Ok(ours) = ProduceRequest::decode(body, version) else {
        return;
    };
    let records = ours.topics.iter().flat_map(|topic| &topic.partitions);
    let bytes: usize = records
        .filter_map(|partition| partition.records.as_ref())
        .map(BytesMut::len)
        .sum();
    assert!(bytes <= all.len(), "the records overlap");
    let codec = codec.expect("the codec decodes what is taken apart by hand");
    assert_eq!(as_codec(ours), without_tags(codec));
}

fn as_codec(ours: ProduceRequest) -> CodecProduceRequest {
    let topics = ours.topics.into_iter().map(|topic| {
        let data = match topic.topic {
            TopicRef::Name(name) => TopicProduceData::default()
                .with_name(StrBytes::from_string(name.to_string()).into()),
            TopicRef::Id(id) => TopicProduceData::default().with_topic_id(id),
        };
        let partitions = topic.partitions.into_iter().map(|partition| {
            PartitionProduceData::default()
                .with_index(partition.partition_index)
                .with_records(partition.records.map(BytesMut::freeze))
        });
        data.with_partition_data(partitions.collect())
    });
    let id = ours.transactional_id.map(|id| id.to_string());
    CodecProduceRequest::default()
        .with_transactional_id(id.map(|id| StrBytes::from_string(id).into()))
        .with_acks(ours.acks)
        .with_timeout_ms(ours.timeout_ms)
        .with_topic_data(topics.collect())
}

/// The codec keeps tagged fields that it does not know.
fn without_tags(mut request: CodecProduceRequest) -> CodecProduceRequest {
    request.unknown_tagged_fields.clear();
    for topic in &mut request.topic_data {
        topic.unknown_tagged_fields.clear();
        for partition in &mut topic.partition_data {
            partition.unknown_tagged_fields.clear();
        }
    }
    request
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for api in apis() {
        for payload in &api.payloads {
            if payload.kind != Kind::Request || !is_supported(api.key, payload.version) {
                continue;
            }
            let key = ApiKey::try_from(api.key).expect("a supported API has a key");
            let mut seed = vec![1];
            seed.extend_from_slice(&bodies::selector(key, payload.version));
            seed.push(0);
            seed.extend_from_slice(&payload.bytes);
            seeds.push(seed);
        }
    }
    // A few of them as a stream.
    for step in [37, 91] {
        let mut stream = vec![0, 5];
        for seed in seeds.iter().step_by(step).filter(|seed| seed.len() < 400) {
            let frame = frame_of(&mut Input::new(&seed[1..]));
            stream.put_i32(i32::try_from(frame.len()).expect("it is small"));
            stream.put_slice(&Bytes::from(frame));
        }
        seeds.push(stream);
    }
    seeds
}
