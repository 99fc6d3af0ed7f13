use super::*;

/// Version 3, subscribed to `a` and `bb`, user data `u`, owns `a` 0 and 2, generation 7, rack `r`.
const SUBSCRIPTION: &[u8] = b"\0\x03\0\0\0\x02\0\x01a\0\x02bb\0\0\0\x01u\
\0\0\0\x01\0\x01a\0\0\0\x02\0\0\0\0\0\0\0\x02\0\0\0\x07\0\x01r";

#[test]
fn topics_are_read_and_what_follows_is_not() {
    let two = b"\0\x03\0\0\0\x02\0\x01a\0\x02bb\xff\xff\xff\xff";
    assert_eq!(subscribed_topics(two).expect("well-formed"), ["a", "bb"]);
    for end in 0..13 {
        assert!(subscribed_topics(&two[..end]).is_err(), "{end}");
    }
    assert!(subscribed_topics(b"\xff\xff\0\0\0\0").is_err());
    assert!(subscribed_topics(b"\0\0\x7f\xff\xff\xff").is_err());
}

#[test]
fn a_subscription_is_read_whole_and_by_version() {
    let mut expected = ConsumerSubscription {
        topics: vec!["a".into(), "bb".into()],
        owned: vec![("a".into(), vec![0, 2])],
        rack: Some("r".into()),
    };
    assert_eq!(subscription(SUBSCRIPTION).expect("well-formed"), expected);
    for end in 0..SUBSCRIPTION.len() {
        assert!(subscription(&SUBSCRIPTION[..end]).is_err(), "{end}");
    }
    let of_version = |version: u8| {
        let mut bytes = SUBSCRIPTION.to_vec();
        bytes[1] = version;
        subscription(&bytes).expect("well-formed")
    };
    // What a later version has added is there, and not known.
    assert_eq!(of_version(9), expected);
    expected.rack = None;
    assert_eq!(of_version(2), expected);
    assert_eq!(of_version(1), expected);
    expected.owned.clear();
    assert_eq!(of_version(0), expected);
}

#[test]
fn an_assignment_is_read_as_it_was_written() {
    let assigned = [("a", vec![0, 2]), ("b", Vec::new())];
    let bytes = encode_assignment(SUBSCRIPTION, &assigned).expect("it fits");
    assert_eq!(
        &bytes[..],
        b"\0\x03\0\0\0\x02\0\x01a\0\0\0\x02\0\0\0\0\0\0\0\x02\0\x01b\0\0\0\0\xff\xff\xff\xff"
    );
    let read = assignment(&bytes).expect("well-formed");
    assert_eq!(read, [("a".into(), vec![0, 2]), ("b".into(), Vec::new())]);
    assert!(assignment(b"").is_err());
    assert!(encode_assignment(b"", &assigned).is_err());
}
