use super::*;
use crate::messages as codec;

#[test]
fn versions_beyond_the_codec_are_refused() {
    let body = codec::ListOffsetsRequest::default();
    let mut buf = BytesMut::new();
    assert!(body.encode_body(&mut buf, 11).is_ok());
    assert!(matches!(
        body.encode_body(&mut buf, 12),
        Err(WireError::UnknownVersion {
            api: ApiKey::ListOffsets,
            version: 12
        }),
    ));
    let decoded = decode_body::<codec::MetadataRequest>(Bytes::new(), -1);
    assert!(matches!(
        decoded,
        Err(WireError::UnknownVersion { version: -1, .. })
    ));
}

/// The limit on arrays must not become one on strings and bytes.
#[test]
fn large_fields_pass() {
    let assignment = Bytes::from(vec![7; 3 * ARRAY_ELEMENTS_MAX]);
    let response = codec::SyncGroupResponse::default().with_assignment(assignment);
    let mut buf = BytesMut::new();
    response.encode_body(&mut buf, 5).expect("valid");
    let decoded = decode_body::<codec::SyncGroupResponse>(buf.freeze(), 5);
    assert_eq!(decoded.expect("valid"), response);
}
