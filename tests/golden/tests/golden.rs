//! What Kafka's serializers wrote is read and written again to the same bytes.

use bytes::{Bytes, BytesMut};
use protocol::messages::{ApiVersionsRequest, MetadataRequest, MetadataResponse};
use protocol::wire::fetch_response::{FetchResponse, Piece};
use protocol::wire::produce::{ProduceRequest, TopicRef};
use protocol::wire::request::request_header_version;
use protocol::wire::response::response_header_version;
use protocol::wire::{RequestHeader, encode_frame, encode_request_frame};
use protocol::{ApiKey, ErrorCode};
use tests_golden::{Kind, Payload, apis, errors, headers, is_supported, reencode};

/// What Kafka 4.3.1 offers to clients and cannot be decoded and encoded here yet.
const NOT_SUPPORTED: &[(&str, &[i16])] = &[
    ("WriteTxnMarkers", &[2]),
    ("ShareFetch", &[2]),
    ("ShareAcknowledge", &[2]),
    ("WriteShareGroupState", &[1]),
    ("ReadShareGroupStateSummary", &[1]),
    ("StreamsGroupHeartbeat", &[0]),
    ("StreamsGroupDescribe", &[0]),
    ("DescribeShareGroupOffsets", &[1]),
];

#[test]
fn payloads_reencode_to_the_same_bytes() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for api in apis() {
        for payload in &api.payloads {
            if !is_supported(api.key, payload.version) {
                continue;
            }
            seen += 1;
            let key = ApiKey::try_from(api.key).expect("a supported API has a key");
            let got = reencode(payload.kind, key, payload.version, payload.bytes.clone());
            let what = format!(
                "{} {:?} v{} {}",
                api.name, payload.kind, payload.version, payload.fill
            );
            match got {
                Ok(bytes) if bytes == payload.bytes => {}
                Ok(bytes) => wrong.push(format!("{what}: {:?} became {bytes:?}", payload.bytes)),
                Err(error) => wrong.push(format!("{what}: {error}")),
            }
        }
    }
    assert!(seen > 800, "only {seen} payloads were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_not_supported_is_known_by_name() {
    let mut missing = Vec::new();
    for api in apis() {
        let versions: Vec<i16> = api
            .versions
            .iter()
            .filter(|version| !is_supported(api.key, *version))
            .collect();
        if !versions.is_empty() {
            missing.push((api.name, versions));
        }
    }
    let known: Vec<(String, Vec<i16>)> = NOT_SUPPORTED
        .iter()
        .map(|(name, versions)| ((*name).to_owned(), versions.to_vec()))
        .collect();
    assert_eq!(missing, known);
}

#[test]
fn header_versions_are_kafkas() {
    for api in apis() {
        let Ok(key) = ApiKey::try_from(api.key) else {
            continue;
        };
        for (version, request, response) in api.header_versions {
            assert_eq!(
                request_header_version(key, version),
                request,
                "{} v{version}",
                api.name
            );
            assert_eq!(
                response_header_version(key, version),
                response,
                "{} v{version}",
                api.name
            );
        }
    }
}

#[test]
fn one_byte_more_is_refused() {
    for api in apis() {
        for payload in &api.payloads {
            if !is_supported(api.key, payload.version) {
                continue;
            }
            let mut bytes = payload.bytes.to_vec();
            bytes.push(0);
            let key = ApiKey::try_from(api.key).expect("a supported API has a key");
            let got = reencode(payload.kind, key, payload.version, Bytes::from(bytes));
            assert!(
                got.is_err(),
                "{} {:?} v{}",
                api.name,
                payload.kind,
                payload.version
            );
        }
    }
}

/// The first Metadata versions with request header 1 and 2.
const METADATA_BY_HEADER: [(i16, i16); 2] = [(1, 0), (2, 9)];

#[test]
fn request_headers_are_kafkas() {
    for (header_version, version) in METADATA_BY_HEADER {
        let payload = headers()
            .into_iter()
            .find(|header| header.kind == Kind::Request && header.version == header_version)
            .filter(|header| header.fill == "default")
            .expect("there are vectors of both versions");
        // The default is API 0 at version 0, correlation id 0 and an empty client id.
        let mut expected = payload.bytes.to_vec();
        expected[..2].copy_from_slice(&3i16.to_be_bytes());
        expected[2..4].copy_from_slice(&version.to_be_bytes());

        let request = MetadataRequest::default().with_topics(Some(Vec::new()));
        let frame = encode_request_frame(version, 0, Some(""), &request).expect("it is valid");
        assert_eq!(
            frame[4..4 + expected.len()],
            expected,
            "header version {header_version}"
        );

        let mut frame = frame.freeze().slice(4..);
        let header = RequestHeader::decode(&mut frame).expect("it is valid");
        assert_eq!(
            (header.api_key, header.api_version),
            (ApiKey::Metadata, version)
        );
        assert_eq!(header.client_id.as_deref(), Some(""));
    }
}

#[test]
fn filled_request_headers_are_read() {
    for header in headers()
        .into_iter()
        .filter(|h| h.kind == Kind::Request && h.fill == "filled")
    {
        let (_, version) = METADATA_BY_HEADER[usize::from(header.version == 2)];
        let mut bytes = header.bytes.to_vec();
        bytes[..2].copy_from_slice(&3i16.to_be_bytes());
        bytes[2..4].copy_from_slice(&version.to_be_bytes());
        let mut frame = Bytes::from(bytes);
        let decoded = RequestHeader::decode(&mut frame).expect("Kafka wrote it");
        assert_eq!(decoded.correlation_id, 10_003);
        assert_eq!(decoded.client_id.as_deref(), Some("string-4"));
        assert!(frame.is_empty(), "the header was not read to its end");
    }
}

#[test]
fn response_headers_are_kafkas() {
    for header in headers()
        .into_iter()
        .filter(|h| h.kind == Kind::Response && h.fill == "filled")
    {
        let (_, version) = METADATA_BY_HEADER[usize::from(header.version == 1)];
        let body = MetadataResponse::default();
        let frame = encode_frame(ApiKey::Metadata, version, 10_001, &body).expect("it is valid");
        assert_eq!(frame[4..4 + header.bytes.len()], header.bytes);
        let size = i32::from_be_bytes(frame[..4].try_into().expect("four bytes"));
        assert_eq!(usize::try_from(size), Ok(frame.len() - 4));
    }
}

/// Java 4.4 sends version 5 first. Its header has to be read, whatever follows.
#[test]
fn api_versions_of_an_unknown_version_has_a_header() {
    let request = ApiVersionsRequest::default();
    let frame = encode_request_frame(3, 7, Some("java"), &request).expect("it is valid");
    let mut frame = frame[4..].to_vec();
    frame[2..4].copy_from_slice(&99i16.to_be_bytes());
    frame.truncate(8 + 2 + 4);
    let header = RequestHeader::decode(&mut Bytes::from(frame)).expect("it has a prefix");
    assert_eq!(
        (header.api_key, header.api_version),
        (ApiKey::ApiVersions, 99)
    );
    assert_eq!(
        (header.correlation_id, header.client_id.as_deref()),
        (7, Some("java"))
    );
}

#[test]
fn error_codes_are_kafkas() {
    let ours: Vec<_> = ErrorCode::ALL
        .iter()
        .map(|error| (error.code(), error.name().to_owned(), error.is_retriable()))
        .collect();
    assert_eq!(ours, errors());
}

#[test]
fn produce_requests_are_taken_apart() {
    let api = apis()
        .into_iter()
        .find(|api| api.key == 0)
        .expect("there is Produce");
    for payload in api
        .payloads
        .iter()
        .filter(|payload| payload.kind == Kind::Request)
    {
        let body = BytesMut::from(&payload.bytes[..]);
        let request = ProduceRequest::decode(body, payload.version).expect("Kafka wrote it");
        if payload.fill == "default" {
            assert!(request.topics.is_empty());
            continue;
        }
        assert_eq!(request.transactional_id.as_deref(), Some("string-1"));
        assert_eq!((request.acks, request.timeout_ms), (1002, 10_003));
        assert_eq!(request.topics.len(), 2);
        for (topic, named) in request.topics.iter().zip(["string-5", "string-13"]) {
            match &topic.topic {
                TopicRef::Name(name) => assert_eq!(&**name, named),
                TopicRef::Id(id) => assert!(payload.version >= 13 && !id.is_nil()),
            }
            assert_eq!(topic.partitions.len(), 2);
            for partition in &topic.partitions {
                let records = partition.records.as_deref().expect("there are records");
                let text = std::str::from_utf8(records).expect("text stands for the records");
                let number = text
                    .strip_prefix("bytes-")
                    .expect("text stands for the records");
                // The generator counts the fields: the records come right after the index.
                let number: i32 = number.parse().expect("a number");
                assert_eq!(partition.partition_index, 10_000 + number - 1);
            }
        }
    }
}

#[test]
fn empty_fetch_responses_are_kafkas() {
    let api = apis()
        .into_iter()
        .find(|api| api.key == 1)
        .expect("there is Fetch");
    let default = |payload: &&Payload| payload.kind == Kind::Response && payload.fill == "default";
    for payload in api.payloads.iter().filter(default) {
        let response = FetchResponse::<Bytes> {
            throttle_time_ms: 0,
            error_code: ErrorCode::None,
            session_id: 0,
            topics: Vec::new(),
            node_endpoints: Vec::new(),
        };
        let pieces = response.encode(payload.version, 1).expect("it is valid");
        let [Piece::Wire(bytes)] = &pieces[..] else {
            panic!("there are no records: {pieces:?}");
        };
        let header_bytes = if payload.version >= 12 { 5 } else { 4 };
        assert_eq!(
            bytes[4 + header_bytes..],
            payload.bytes,
            "v{}",
            payload.version
        );
    }
}
