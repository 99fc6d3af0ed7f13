use super::*;

#[test]
fn names_are_judged_as_kafka_judges_them() {
    for good in ["a", "A.b_c-9", "...", "-", &"x".repeat(249)] {
        assert_eq!(validate(good), Ok(()), "{good}");
    }
    let refused = [
        ("", "Topic name is invalid: the empty string is not allowed"),
        (".", "Topic name is invalid: '.' is not allowed"),
        ("..", "Topic name is invalid: '..' is not allowed"),
        (
            "a b",
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII \
             alphanumerics, '.', '_' and '-'",
        ),
    ];
    for (name, message) in refused {
        assert_eq!(validate(name), Err(message.to_owned()));
    }
    let long = "x".repeat(250);
    assert_eq!(
        validate(&long),
        Err(format!(
            "Topic name is invalid: the length of '{long}' is longer than the max allowed length 249"
        ))
    );
    for bad in ["ä", "a/b", "a\0", "a\n", "a+b"] {
        assert!(validate(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_huge_name_is_not_repeated_in_full() {
    assert!(validate(&"y".repeat(100_000)).unwrap_err().len() < 1200);
}

#[test]
fn internal_topics_are_kafkas() {
    assert!(is_internal("__consumer_offsets"));
    assert!(is_internal("__transaction_state"));
    assert!(is_internal("__share_group_state"));
    assert!(!is_internal("__cluster_metadata"));
    assert!(!is_internal("__mine"));
}
