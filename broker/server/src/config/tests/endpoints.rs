use super::*;

fn error(flags: &[(&str, &str)]) -> String {
    load_flags(flags).expect_err("a mistake")
}

#[test]
fn an_endpoint_is_read_and_shown() {
    for text in [
        "PLAINTEXT://127.0.0.1:9092",
        "INTERNAL://[::1]:1",
        "A_B-1://:0",
    ] {
        assert_eq!(Endpoint::parse(text).expect(text).to_string(), text);
    }
    assert_eq!(
        Endpoint::parse("lower://h:1").expect("valid").listener_name,
        "LOWER"
    );
    let bound = |text| Endpoint::parse(text).expect("valid").bind_address();
    assert_eq!(bound("A://:9092"), "[::]:9092");
    assert_eq!(bound("A://[::1]:9092"), "[::1]:9092");
    assert_eq!(bound("A://host:9092"), "host:9092");
}

#[test]
fn what_is_no_endpoint_says_why() {
    for (text, expected) in [
        (
            "127.0.0.1:9092",
            EndpointError::NoName("127.0.0.1:9092".to_owned()),
        ),
        ("A B://h:1", EndpointError::BadName("A B".to_owned())),
        ("://h:1", EndpointError::BadName(String::new())),
        ("A://h", EndpointError::NoPort("h".to_owned())),
        ("A://::1:9092", EndpointError::NoPort("::1:9092".to_owned())),
        (
            "A://[::1:9092",
            EndpointError::NoPort("[::1:9092".to_owned()),
        ),
        ("A://h:65536", EndpointError::BadPort("65536".to_owned())),
        ("A://h:", EndpointError::BadPort(String::new())),
        ("A://a/b:1", EndpointError::BadHost("a/b".to_owned())),
    ] {
        assert_eq!(Endpoint::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn every_interface_needs_an_advertised_address() {
    for host in ["0.0.0.0", "[::]", ""] {
        let listeners = format!("PLAINTEXT://{host}:9092");
        let error = error(&[("listeners", &listeners)]);
        assert!(
            error.contains("every interface, which no client can connect to"),
            "{error}"
        );
        let config = load_flags(&[
            ("listeners", &listeners),
            ("advertised.listeners", "PLAINTEXT://broker.lan:19092"),
        ]);
        let network = config.expect("advertised").broker.network;
        assert_eq!(
            network.advertised_listeners[0].to_string(),
            "PLAINTEXT://broker.lan:19092"
        );
    }
}

#[test]
fn advertised_addresses_follow_the_listeners() {
    let config = load_flags(&[
        ("listeners", "PLAINTEXT://127.0.0.1:1,SSL://127.0.0.1:2"),
        (
            "listener.security.protocol.map",
            "plaintext:plaintext,ssl:PLAINTEXT",
        ),
        ("advertised.listeners", "SSL://outside:3"),
    ]);
    let network = config.expect("valid").broker.network;
    let shown: Vec<String> = network
        .advertised_listeners
        .iter()
        .map(Endpoint::to_string)
        .collect();
    assert_eq!(shown, ["PLAINTEXT://127.0.0.1:1", "SSL://outside:3"]);
}

#[test]
fn listeners_that_cannot_be_are_mistakes() {
    for (listeners, expected) in [
        ("", "listeners: expected at least one"),
        ("9092", "expected NAME://HOST:PORT, found \"9092\""),
        ("PLAINTEXT://a:1,PLAINTEXT://b:2", "found PLAINTEXT twice"),
        (
            "SSL://a:1",
            "has the security protocol SSL, expected PLAINTEXT",
        ),
        (
            "INSIDE://a:1",
            "expected INSIDE:PLAINTEXT in listener.security.protocol.map",
        ),
    ] {
        let error = error(&[("listeners", listeners)]);
        assert!(error.contains(expected), "{listeners}: {error}");
    }
    for (advertised, expected) in [
        (
            "PLAINTEXT://0.0.0.0:1",
            "expected an address that clients can connect to",
        ),
        (
            "OTHER://a:1",
            "expected the name of one of the listeners, found OTHER",
        ),
        ("nonsense", "expected NAME://HOST:PORT"),
    ] {
        let error = error(&[("advertised.listeners", advertised)]);
        assert!(error.contains(expected), "{advertised}: {error}");
    }
}

#[test]
fn the_admin_port_can_be_turned_off() {
    assert_eq!(
        load_flags(&[("admin.listen", "")])
            .expect("valid")
            .broker
            .admin_listen,
        None
    );
    let error = error(&[("admin.listen", "9644")]);
    assert!(
        error.contains("expected HOST:PORT, or nothing, found \"9644\""),
        "{error}"
    );
}
