use super::*;

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(Sequence::new(i32::MAX).plus(1), Sequence::new(0));
    assert_eq!(Sequence::new(i32::MAX - 1).plus(3), Sequence::new(1));
    assert_eq!(Sequence::new(5).plus(3), Sequence::new(8));
}

#[test]
fn uuids_print_as_kafka_prints_them() {
    // org.apache.kafka.common.Uuid.METADATA_TOPIC_ID is (0, 1) and prints so.
    assert_eq!(base64_uuid(Uuid::from_u128(1)), "AAAAAAAAAAAAAAAAAAAAAQ");
    assert_eq!(
        parse_base64_uuid("AAAAAAAAAAAAAAAAAAAAAQ"),
        Some(Uuid::from_u128(1))
    );
    for bits in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
        let id = Uuid::from_u128(bits);
        assert_eq!(parse_base64_uuid(&base64_uuid(id)), Some(id));
    }
    assert_eq!(parse_base64_uuid("AAAAAAAAAAAAAAAAAAAAAB"), None);
    assert_eq!(parse_base64_uuid("short"), None);
}
