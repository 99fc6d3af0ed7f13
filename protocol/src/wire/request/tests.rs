use bytes::{BufMut, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::messages as codec;
use crate::wire::{MessageBody, encode_frame, encode_request_frame, supported};

#[test]
fn a_prefix_is_read_of_unknown_apis() {
    let mut frame = BytesMut::new();
    frame.put_i16(999);
    frame.put_i16(-4);
    frame.put_i32(5);
    let prefix = RequestPrefix::peek(&frame).expect("eight bytes");
    assert_eq!(
        (prefix.api_key, prefix.api_version, prefix.correlation_id),
        (999, -4, 5)
    );
    let error = RequestHeader::decode(&mut frame.freeze()).expect_err("it is unknown");
    assert!(matches!(error, WireError::UnknownApi(999)));
    assert!(RequestPrefix::peek(&[0; 7]).is_err());
}

#[test]
fn both_ways_to_decode_leave_the_body() {
    let request = codec::MetadataRequest::default();
    for version in supported(ApiKey::Metadata).iter() {
        let mut body = BytesMut::new();
        request.encode_body(&mut body, version).expect("valid");
        let frame = encode_request_frame(version, 3, Some("me"), &request).expect("valid");
        let mut shared = frame.clone().freeze().slice(4..);
        let mut unique = BytesMut::from(&frame[4..]);
        let header = RequestHeader::decode(&mut shared).expect("valid");
        assert_eq!(
            header,
            RequestHeader::decode_mut(&mut unique).expect("valid")
        );
        assert_eq!(header.client_id.as_deref(), Some("me"));
        assert_eq!((&shared[..], &unique[..]), (&body[..], &body[..]));
    }
}

#[test]
fn the_answer_to_api_versions_always_has_header_0() {
    let body = codec::ApiVersionsResponse::default();
    for version in supported(ApiKey::ApiVersions).iter() {
        let frame = encode_frame(ApiKey::ApiVersions, version, 9, &body).expect("valid");
        let mut expected = BytesMut::new();
        body.encode_body(&mut expected, version).expect("valid");
        assert_eq!(frame[8..], expected[..], "version {version}");
    }
}

proptest! {
    #[test]
    fn any_bytes_never_panic(key in 0i16..95, version in -1i16..20, rest in vec(any::<u8>(), 0..60)) {
        let mut frame = BytesMut::new();
        frame.put_i16(key);
        frame.put_i16(version);
        frame.put_slice(&rest);
        let decoded = RequestHeader::decode(&mut frame.clone().freeze());
        let decoded_mut = RequestHeader::decode_mut(&mut frame);
        prop_assert_eq!(decoded.is_ok(), decoded_mut.is_ok());
    }
}
