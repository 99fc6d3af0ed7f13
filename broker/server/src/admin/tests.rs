use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::*;

mod page;
mod view;

struct Server {
    address: SocketAddr,
    readiness: watch::Sender<Readiness>,
    shutdown: watch::Sender<bool>,
    task: JoinHandle<()>,
}

async fn start() -> Server {
    start_within(TIMES).await
}

async fn start_within(times: Times) -> Server {
    let metrics = Arc::new(Metrics::new(&[(0, "Produce")]));
    start_showing(times, metrics, Arc::default()).await
}

async fn start_showing(
    times: Times,
    metrics: Arc<Metrics>,
    departure: Arc<OnceLock<Departure>>,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (readiness, ready) = watch::channel(Readiness::NotReady("recovering".to_owned()));
    let (shutdown, stop) = watch::channel(false);
    let task = tokio::spawn(serve_within(
        times,
        listener,
        AdminState::new(metrics, ready, departure),
        stop,
    ));
    Server {
        address,
        readiness,
        shutdown,
        task,
    }
}

impl Server {
    async fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address)
            .await
            .expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = Vec::new();
        // A refused request may end in a reset after its answer.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).expect("UTF-8")
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = self
            .send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await;
        let status = answer
            .split(' ')
            .nth(1)
            .expect("a status")
            .parse()
            .expect("a number");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
        (status, body.to_owned())
    }
}

#[tokio::test]
async fn readiness_says_why_not() {
    let server = start().await;
    assert_eq!(
        server.get("/readyz").await,
        (503, "recovering\n".to_owned())
    );
    assert_eq!(
        server.get("/livez").await,
        (200, "ok\n".to_owned()),
        "alive while it recovers"
    );
    server.readiness.send_replace(Readiness::Ready);
    assert_eq!(server.get("/readyz").await, (200, "ok\n".to_owned()));
}

#[tokio::test]
async fn a_web_page_cannot_have_the_broker_hand_over() {
    let server = start().await;
    let post = "POST /hand-over HTTP/1.1\r\nHost: x\r\n";
    let refused = server
        .send(&format!("{post}Origin: http://example.com\r\n\r\n"))
        .await;
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    let done = server.send(&format!("{post}\r\n")).await;
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let server = start().await;
    let answer = server
        .send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("content-type: text/plain; version=0.0.4"),
        "{answer}"
    );
    assert!(answer.contains("\nholdfast_connections 0\n"), "{answer}");
}

#[tokio::test]
async fn the_page_names_the_paths_and_others_are_not_there() {
    let server = start().await;
    let (status, body) = server.get("/").await;
    assert_eq!(status, 200);
    for path in [
        "/metrics",
        "/livez",
        "/readyz",
        "/safe-to-stop",
        "/hand-over",
    ] {
        assert!(body.contains(path), "{body}");
    }
    assert_eq!(server.get("/nope").await.0, 404);
    assert!(
        server
            .send("POST /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 405")
    );
}

#[tokio::test]
async fn what_is_no_request_hurts_no_one_else() {
    let server = start().await;
    let huge = format!(
        "GET / HTTP/1.1\r\nx: {}\r\n\r\n",
        "y".repeat(2 * HEADER_BYTES_MAX)
    );
    let many = format!(
        "GET / HTTP/1.1\r\n{}\r\n",
        "a: b\r\n".repeat(2 * HEADERS_MAX)
    );
    for (request, status) in [
        (huge.as_str(), "431"),
        (&many, "431"),
        ("\0\u{1}\n\r\n\r\n", "400"),
    ] {
        let answer = server.send(request).await;
        assert!(
            answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
    assert_eq!(server.get("/livez").await.0, 200);
}

#[tokio::test]
async fn connections_that_say_nothing_do_not_keep_others_out_for_ever() {
    let times = Times {
        header_read_max: Duration::from_millis(200),
        ..TIMES
    };
    let server = start_within(times).await;
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        silent.push(
            TcpStream::connect(server.address)
                .await
                .expect("a connection"),
        );
    }
    assert_eq!(
        server.get("/livez").await.0,
        200,
        "once the silent ones were ended"
    );
}

#[tokio::test]
async fn it_stops_when_told() {
    let server = start().await;
    let mut silent = TcpStream::connect(server.address)
        .await
        .expect("a connection");
    assert_eq!(server.get("/livez").await.0, 200);
    server.shutdown.send_replace(true);
    server.task.await.expect("stopped");
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "the port is closed"
    );
    assert_eq!(silent.read(&mut [0]).await.expect("closed in order"), 0);
}

#[tokio::test]
async fn it_stops_when_no_one_is_left_to_tell_it() {
    let server = start().await;
    drop(server.shutdown);
    server.task.await.expect("stopped");
}
