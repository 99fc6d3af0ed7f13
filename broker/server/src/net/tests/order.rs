//! Requests are dispatched in order and answered in order.

use super::*;

#[tokio::test]
async fn replies_that_are_ready_out_of_order_are_answered_in_order() {
    const REQUESTS: u8 = 60;
    let held = Held::default();
    let server = Running::start(NetConfig::default(), {
        let held = held.clone();
        move |_, frame| match frame[0] % 3 {
            0 => Reply::Now(response(&frame)),
            1 => held.hold(&frame),
            _ => Reply::later(std::future::ready(response(&frame))),
        }
    })
    .await;
    let mut client = server.connect().await;
    for request in 0..REQUESTS {
        client.send(&[request]).await;
    }
    server
        .until("all requests", |counts| {
            counts.started == u64::from(REQUESTS)
        })
        .await;
    for _ in 0..REQUESTS / 3 {
        held.answer(false);
    }
    for request in 0..REQUESTS {
        assert_eq!(client.receive().await, [request]);
    }
    server.finish().await;
}

#[tokio::test]
async fn requests_of_one_read_are_answered_in_one_write() {
    let server = Running::start(NetConfig::default(), echo).await;
    let mut client = server.connect().await;
    let requests: Vec<u8> = (0..10).flat_map(|i| framed(&[i; 20])).collect();
    client.send_raw(&requests).await;
    for i in 0..10 {
        assert_eq!(client.receive().await, [i; 20]);
    }
    let counts = server.finish().await;
    assert_eq!((counts.writes, counts.bytes_out), (1, 240));
}

#[tokio::test]
async fn requests_without_an_answer_leave_no_gap() {
    let held = Held::default();
    let server = Running::start(NetConfig::default(), {
        let held = held.clone();
        move |_, frame| match frame[0] {
            0 => Reply::None,
            1 => held.hold(&frame),
            2 => Reply::later(async { ResponseBytes::empty() }),
            _ => Reply::Now(response(&frame)),
        }
    })
    .await;
    let mut client = server.connect().await;
    for request in [0, 1, 0, 2, 3, 2, 0, 4] {
        client.send(&[request]).await;
    }
    server
        .until("all requests", |counts| {
            counts.started == 8 && counts.finished == 3
        })
        .await;
    held.answer(true);
    for request in [1, 3, 4] {
        assert_eq!(client.receive().await, [request]);
    }
    server.finish().await;
}

#[tokio::test]
async fn no_more_than_the_limit_is_in_flight() {
    let held = Held::default();
    let config = NetConfig {
        in_flight_max: 2,
        ..NetConfig::default()
    };
    let server = Running::start(config, {
        let held = held.clone();
        move |_, frame| {
            let reply = held.hold(&frame);
            assert!(held.0.lock().len() <= 2);
            reply
        }
    })
    .await;
    let mut client = server.connect().await;
    let requests: Vec<u8> = (0..100).flat_map(|i| framed(&[i])).collect();
    client.send_raw(&requests).await;
    for i in 0..100 {
        let dispatched = (u64::from(i) + 2).min(100);
        server
            .until("the next requests", |counts| counts.started == dispatched)
            .await;
        held.answer(true);
        assert_eq!(client.receive().await, [i]);
    }
    server.finish().await;
}

#[tokio::test]
async fn a_lost_reply_closes_the_connection_after_the_answers_before_it() {
    let held = Held::default();
    let server = Running::start(NetConfig::default(), {
        let held = held.clone();
        move |_, frame| held.hold(&frame)
    })
    .await;
    let mut client = server.connect().await;
    for request in 0..3 {
        client.send(&[request]).await;
    }
    server
        .until("all requests", |counts| counts.started == 3)
        .await;
    drop(held.take(false));
    let (_, lost) = held.take(false);
    drop(lost);
    held.answer(true);
    assert_eq!(client.rest().await, framed(&[0]));
    let counts = server.finish().await;
    assert_eq!(counts.closed, [CloseReason::ReplyLost]);
}

#[tokio::test]
async fn an_answer_may_end_the_connection() {
    let server = Running::start(NetConfig::default(), |_, frame| match frame[0] {
        0 => Reply::Now(response(b"denied").then_close(CloseReason::Service.into())),
        _ => panic!("nothing is dispatched after it"),
    })
    .await;
    let mut client = server.connect().await;
    client
        .send_raw(&[framed(&[0]), framed(&[1])].concat())
        .await;
    assert_eq!(client.rest().await, framed(b"denied"));
    let counts = server.finish().await;
    assert_eq!(counts.closed, [CloseReason::Service]);
}

#[tokio::test]
async fn a_client_that_closed_its_half_still_gets_its_answers() {
    let held = Held::default();
    let server = Running::start(NetConfig::default(), {
        let held = held.clone();
        move |_, frame| held.hold(&frame)
    })
    .await;
    let mut client = server.connect().await;
    client.send(b"last words").await;
    client.stream.shutdown().await.unwrap();
    server
        .until("the request", |counts| counts.started == 1)
        .await;
    held.answer(true);
    assert_eq!(client.rest().await, framed(b"last words"));
    let counts = server.finish().await;
    assert_eq!(counts.closed, [CloseReason::PeerClosed]);
}

#[tokio::test]
async fn a_connection_keeps_its_own_state() {
    #[derive(Default)]
    struct Requests(u8);
    let server = Running::start(NetConfig::default(), |connection, _| {
        *connection.state::<u64>() += 7;
        let requests = connection.state::<Requests>();
        requests.0 += 1;
        Reply::Now(response(&[requests.0]))
    })
    .await;
    for _ in 0..2 {
        let mut client = server.connect().await;
        for request in 1..4 {
            client.send(b"count").await;
            assert_eq!(client.receive().await, [request]);
        }
    }
    server.finish().await;
}
