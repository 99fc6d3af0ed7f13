use super::*;

#[test]
fn addresses_are_hosts_with_ports() {
    let seeds = Seeds::parse("a:1, 127.0.0.1:2,[::1]:3,").expect("addresses");
    assert_eq!(seeds.addresses(), ["a:1", "127.0.0.1:2", "[::1]:3"]);
    for text in ["", ",", "a", "a:", ":1", "a:65536", "::1:3"] {
        assert!(Seeds::parse(text).is_err(), "{text}");
    }
}

#[test]
fn nobody_there_is_no_answer() {
    for text in ["127.0.0.1:1", "127.0.0.1:1,127.0.0.1:2"] {
        let seeds = Seeds::parse(text).expect("addresses");
        let refused = seeds.connect(Duration::from_secs(1));
        assert!(
            matches!(refused, Err(CtlError::NoBroker { .. })),
            "{refused:?}"
        );
    }
}
