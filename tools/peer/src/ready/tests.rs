use std::{net::TcpListener, thread};

use super::*;

/// Answers one connection with `answer` once it has sent something.
fn answering(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let read = stream.read(&mut request).unwrap();
        assert_ne!(read, 0);
        stream.write_all(answer).unwrap();
    });
    address
}

#[test]
fn the_status_and_body_of_an_http_answer_are_read() {
    let address = answering(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\n\r\nwait\n");
    assert_eq!(
        http_get(&address, "/readyz").unwrap(),
        (503, "wait\n".to_owned())
    );
}

#[test]
fn brokers_are_counted_in_a_metadata_answer() {
    let address = answering(&[0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 0]);
    assert_eq!(live_brokers(&address).unwrap(), 3);
}

#[test]
fn what_is_no_answer_is_an_error() {
    assert!(http_get(&answering(b"SSH-2.0-x\r\n"), "/readyz").is_err());
    assert!(live_brokers(&answering(&[0, 0, 0, 12, 0, 0, 0, 8, 0, 0, 0, 3])).is_err());
    assert!(live_brokers(&answering(&[0, 0])).is_err());
}

#[test]
fn waiting_ends_at_the_limit_and_when_it_is_pointless() {
    assert!(!poll_until(Duration::from_millis(30), || false, || false));
    assert!(!poll_until(Duration::from_secs(3600), || false, || true));
    assert!(poll_until(Duration::ZERO, || true, || true));
}
