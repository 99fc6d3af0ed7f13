//! Stopping finishes what was begun.

use std::time::Instant;

use super::*;

#[tokio::test]
async fn stopping_answers_what_is_pending_and_nothing_else() {
    let held = Held::default();
    let mut server = Running::start(NetConfig::default(), {
        let held = held.clone();
        move |_, frame| held.hold(&frame)
    })
    .await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = server.connect().await;
        client.send(b"pending").await;
        clients.push(client);
    }
    let mut idle = server.connect().await;
    server
        .until("the requests", |counts| {
            counts.started == 5 && counts.opened == 6
        })
        .await;
    server.stop();
    assert_eq!(idle.rest().await, b"");
    drop(idle);
    patiently("the listener to close", async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for client in &mut clients {
        // Unread input: closing over it would reset the connection, and the answer with it.
        client.send(&[0; 100_000]).await;
    }
    // Its end is still in our socket's buffer when the connection is closed.
    let large = vec![7; 2 << 20];
    for _ in 0..5 {
        let (_, sender) = held.take(true);
        sender.send(response(&large)).unwrap();
    }
    for mut client in clients {
        assert!(client.rest().await == framed(&large));
    }
    patiently("the server to stop", &mut server.task)
        .await
        .unwrap();
    let counts = server.counts.borrow().clone();
    assert_eq!((counts.started, counts.finished), (5, 5));
    assert_eq!(counts.closed, [CloseReason::Shutdown; 6]);
    assert_eq!(server.budget.available(), server.budget.capacity());
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let held = Held::default();
    let config = NetConfig {
        shutdown_timeout: Duration::from_millis(50),
        ..NetConfig::default()
    };
    let server = Running::start(config, {
        let held = held.clone();
        move |_, frame| held.hold(&frame)
    })
    .await;
    let mut client = server.connect().await;
    client.send(b"never answered").await;
    server
        .until("the request", |counts| counts.started == 1)
        .await;
    let started = Instant::now();
    let counts = server.finish().await;
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(counts.closed, [CloseReason::Shutdown]);
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn a_taken_port_and_an_unknown_host_are_errors() {
    let listener = |name: &str, address: String| ListenerConfig {
        name: name.to_owned(),
        address,
        requires_authentication: false,
    };
    let first = listener("FIRST", "127.0.0.1:0".to_owned());
    let server = Server::bind(&[first], NetConfig::default()).await.unwrap();
    let (name, address) = server.addresses().next().unwrap();
    assert_eq!(name, "FIRST");
    let second = listener("SECOND", address.to_string());
    let error = Server::bind(&[second], NetConfig::default())
        .await
        .unwrap_err();
    assert!(matches!(&error, BindError::Bind { address: taken, .. } if *taken == address));
    assert!(
        error
            .to_string()
            .starts_with("listener SECOND: cannot listen on 127.0.0.1:")
    );
    let third = listener("THIRD", "not an address".to_owned());
    let error = Server::bind(&[third], NetConfig::default())
        .await
        .unwrap_err();
    assert!(matches!(error, BindError::Resolve { .. }));
}
