//! Connections that idle, stall or are too many.

use super::*;

#[tokio::test]
async fn too_many_connections_are_closed_at_once_and_places_come_back() {
    for (config, reason) in [
        (
            NetConfig {
                connections_max: 2,
                ..NetConfig::default()
            },
            CloseReason::TooManyConnections,
        ),
        (
            NetConfig {
                connections_per_ip_max: 2,
                ..NetConfig::default()
            },
            CloseReason::TooManyConnectionsFromIp,
        ),
    ] {
        let server = Running::start(config, echo).await;
        let mut first = server.connect().await;
        let mut second = server.connect().await;
        for client in [&mut first, &mut second] {
            client.send(b"in").await;
            assert_eq!(client.receive().await, b"in");
        }
        let mut third = server.connect().await;
        assert_eq!(third.rest().await, b"");
        assert_eq!(server.counts.borrow().refused, [reason]);

        drop(first);
        server
            .until("a place", |counts| counts.closed.len() == 1)
            .await;
        // The place is free when the task has ended, a moment after it was counted as closed.
        patiently("a connection that is served", async {
            loop {
                let mut fourth = server.connect().await;
                fourth.send(b"in").await;
                let mut answer = [0; 6];
                if fourth.stream.read_exact(&mut answer).await.is_ok() {
                    break;
                }
            }
        })
        .await;
        second.send(b"still").await;
        assert_eq!(second.receive().await, b"still");
        server.finish().await;
    }
}

#[test]
fn an_address_is_the_same_through_both_families() {
    let admission = admission::Admission::new(usize::MAX, 10, 1);
    let v4 = "192.0.2.1".parse().unwrap();
    let mapped = "::ffff:192.0.2.1".parse().unwrap();
    let admitted = admission.admit(v4).unwrap();
    assert_eq!(
        admission.admit(mapped).unwrap_err(),
        CloseReason::TooManyConnectionsFromIp
    );
    assert!(admission.admit("192.0.2.2".parse().unwrap()).is_ok());
    drop(admitted);
    assert!(admission.admit(mapped).is_ok());
    assert_eq!(admission.connections(), 0);
}

#[tokio::test]
async fn idle_connections_are_closed_but_not_those_that_wait_for_an_answer() {
    let held = Held::default();
    let config = NetConfig {
        idle_timeout: Duration::from_millis(50),
        ..NetConfig::default()
    };
    let server = Running::start(config, {
        let held = held.clone();
        move |_, frame| held.hold(&frame)
    })
    .await;
    let mut waiting = server.connect().await;
    waiting.send(b"long poll").await;
    server
        .until("the request", |counts| counts.started == 1)
        .await;
    for _ in 0..3 {
        let mut idle = server.connect().await;
        assert_eq!(idle.rest().await, b"");
    }
    let counts = server
        .until("the closes", |counts| counts.closed.len() == 3)
        .await;
    assert_eq!(counts.closed, [CloseReason::Idle; 3]);
    held.answer(true);
    assert_eq!(waiting.receive().await, b"long poll");
    assert_eq!(waiting.rest().await, b"", "now it is idle as well");
    server.finish().await;
}

#[tokio::test]
async fn a_frame_that_does_not_end_is_given_up() {
    let config = NetConfig {
        slow_sender_timeout: Duration::from_millis(50),
        ..NetConfig::default()
    };
    let server = Running::start(config, echo).await;
    let mut idle = server.connect().await;
    for torn in [
        &framed(b"torn")[..2],
        &framed(b"torn")[..6],
        &framed(&[0; 1_000_000])[..80_000],
    ] {
        let mut client = server.connect().await;
        client.send_raw(torn).await;
        assert_eq!(client.rest().await, b"");
    }
    let counts = server
        .until("the closes", |counts| counts.closed.len() == 3)
        .await;
    assert_eq!(counts.closed, [CloseReason::SlowSender; 3]);
    idle.send(b"idle is not slow").await;
    assert_eq!(idle.receive().await, b"idle is not slow");
    server.finish().await;
}

#[tokio::test]
async fn who_never_reads_its_answers_is_closed_and_bothers_nobody() {
    const ANSWER: usize = 1 << 20;
    let config = NetConfig {
        write_stall_timeout: Duration::from_millis(500),
        output_backlog_bytes_max: 1 << 20,
        in_flight_max: 1000,
        ..NetConfig::default()
    };
    let answer = framed(&vec![9; ANSWER]);
    let server = Running::start(config, move |_, frame| match frame[0] {
        0 => Reply::Now(answer.clone().into()),
        _ => Reply::Now(response(&frame)),
    })
    .await;
    let mut stuck = server.connect().await;
    let requests: Vec<u8> = (0..1000).flat_map(|_| framed(&[0])).collect();
    stuck.send_raw(&requests).await;
    let mut other = server.connect().await;
    let mut answered = 0;
    while server.counts.borrow().closed.is_empty() {
        other.send(&[1]).await;
        assert_eq!(other.receive().await, [1]);
        answered += 1;
    }
    assert!(answered > 10);
    let counts = server.counts.borrow().clone();
    assert_eq!(counts.closed, [CloseReason::SlowReader]);
    let dispatched = counts.started - answered;
    assert!(
        dispatched < 30,
        "{dispatched} of 1000 dispatched: the backlog is bounded"
    );
    server.finish().await;
}

#[tokio::test]
async fn a_slow_but_steady_reader_is_served() {
    let config = NetConfig {
        write_stall_timeout: Duration::from_millis(300),
        ..NetConfig::default()
    };
    let answer = framed(&vec![9; 30 << 20]);
    let server = Running::start(config, move |_, _| Reply::Now(answer.clone().into())).await;
    let mut client = server.connect().await;
    client.send(b"all").await;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut received = 0;
    let mut piece = vec![0; 1 << 20];
    while received < 4 + (30 << 20) {
        ticks.tick().await;
        let bytes = patiently("more", client.stream.read(&mut piece))
            .await
            .unwrap();
        assert_ne!(bytes, 0, "closed after {received} bytes");
        received += bytes;
    }
    let counts = server.finish().await;
    assert_eq!(counts.closed, [CloseReason::Shutdown]);
}

#[tokio::test]
async fn log_lines_are_bounded_and_the_others_counted() {
    let start = tokio::time::Instant::now();
    let limiter = log_limiter::LogLimiter::new(start);
    let passed = (0..25).filter(|_| limiter.admit(start) == Some(0)).count();
    assert_eq!(passed, 10);
    assert_eq!(limiter.admit(start + Duration::from_secs(1)), Some(15));
    assert_eq!(limiter.admit(start + Duration::from_secs(1)), Some(0));
}
