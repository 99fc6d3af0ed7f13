//! Requests that the connection pauses for: nothing overtakes them.

use parking_lot::Mutex;

use super::*;

/// Requests that the connection pauses for, and what was called in all.
#[derive(Clone, Default)]
struct Pauses {
    called: Arc<Mutex<Vec<u8>>>,
    resume: Arc<Mutex<Option<oneshot::Sender<Reply>>>>,
}

impl Pauses {
    /// Pauses for requests from 100 on, and echoes others.
    fn call(&self, frame: &[u8]) -> Reply {
        self.called.lock().push(frame[0]);
        if frame[0] < 100 {
            return Reply::Now(response(frame));
        }
        let (resume, resumed) = oneshot::channel();
        let before = self.resume.lock().replace(resume);
        assert!(before.is_none(), "one pause at a time");
        Reply::pausing(async {
            let dropped = Reply::Close(CloseReason::ReplyLost.into());
            resumed.await.unwrap_or(dropped)
        })
    }

    fn resume(&self, reply: Reply) {
        let resume = self.resume.lock().take().expect("a pause");
        resume.send(reply).expect("somebody waits for it");
    }

    async fn start(&self) -> Running {
        let pauses = self.clone();
        Running::start(NetConfig::default(), move |_, frame| pauses.call(&frame)).await
    }
}

/// A frame of one byte for each: requests, or their echoes.
fn frames(requests: &[u8]) -> Vec<u8> {
    requests.iter().flat_map(|it| framed(&[*it])).collect()
}

/// Waits until so many requests were called, and tells which.
async fn called(server: &Running, pauses: &Pauses, count: usize) -> Vec<u8> {
    server
        .until("the requests", |counts| counts.started == count as u64)
        .await;
    pauses.called.lock().clone()
}

#[tokio::test]
async fn nothing_is_called_during_a_pause() {
    let pauses = Pauses::default();
    let server = pauses.start().await;
    let mut client = server.connect().await;
    let requests = [1, 100, 2, 101, 102, 3, 103];
    client.send_raw(&frames(&requests)).await;
    // What came before is answered meanwhile.
    assert_eq!(client.receive().await, [1]);
    assert_eq!(called(&server, &pauses, 2).await, requests[..2]);
    pauses.resume(Reply::Now(response(&[100])));
    assert_eq!(client.receive().await, [100]);
    assert_eq!(client.receive().await, [2]);
    assert_eq!(called(&server, &pauses, 4).await, requests[..4]);
    pauses.resume(Reply::None);
    assert_eq!(called(&server, &pauses, 5).await, requests[..5]);
    // One pause may follow another.
    let (resume, resumed) = oneshot::channel();
    pauses.resume(Reply::pausing(async {
        resumed.await.expect("the second half")
    }));
    resume
        .send(Reply::Now(response(&[102])))
        .expect("it is waited for");
    assert_eq!(client.receive().await, [102]);
    assert_eq!(client.receive().await, [3]);
    assert_eq!(called(&server, &pauses, 7).await, requests);
    pauses.resume(Reply::pausing(std::future::ready(Reply::Now(response(&[
        103,
    ])))));
    assert_eq!(client.receive().await, [103]);
    server.finish().await;
}

#[tokio::test]
async fn what_a_pause_comes_to_waits_for_its_turn() {
    let pauses = Pauses::default();
    let held = Held::default();
    let server = Running::start(NetConfig::default(), {
        let (pauses, held) = (pauses.clone(), held.clone());
        move |_, frame| match frame[0] {
            0 => held.hold(&frame),
            _ => pauses.call(&frame),
        }
    })
    .await;
    let mut client = server.connect().await;
    client.send_raw(&frames(&[0, 100, 101, 1])).await;
    assert_eq!(called(&server, &pauses, 2).await, [100]);
    pauses.resume(held.hold(&[100]));
    assert_eq!(called(&server, &pauses, 3).await, [100, 101]);
    pauses.resume(Reply::Now(response(&[101])));
    assert_eq!(called(&server, &pauses, 4).await, [100, 101, 1]);
    held.answer(false);
    held.answer(true);
    for answer in [0, 100, 101, 1] {
        assert_eq!(client.receive().await, [answer]);
    }
    server.finish().await;
}

#[tokio::test]
async fn a_client_that_closed_its_half_still_gets_its_answers() {
    let pauses = Pauses::default();
    let server = pauses.start().await;
    let mut client = server.connect().await;
    client.send_raw(&frames(&[100, 7])).await;
    client.stream.shutdown().await.unwrap();
    called(&server, &pauses, 1).await;
    pauses.resume(Reply::Now(response(&[100])));
    assert_eq!(client.rest().await, frames(&[100, 7]));
    let counts = server.finish().await;
    assert_eq!(counts.closed, [CloseReason::PeerClosed]);
}

#[tokio::test]
async fn a_pause_may_end_the_connection() {
    let pauses = Pauses::default();
    let server = pauses.start().await;
    let mut client = server.connect().await;
    client.send_raw(&frames(&[1, 100, 2])).await;
    called(&server, &pauses, 2).await;
    pauses.resume(Reply::Close(CloseReason::Service.into()));
    assert_eq!(client.rest().await, frames(&[1]));
    assert_eq!(*pauses.called.lock(), [1, 100]);
    let counts = server.finish().await;
    assert_eq!(counts.closed, [CloseReason::Service]);
}

#[tokio::test]
async fn an_answer_that_ends_the_connection_ends_the_pause_behind_it() {
    let pauses = Pauses::default();
    let held = Held::default();
    let server = Running::start(NetConfig::default(), {
        let (pauses, held) = (pauses.clone(), held.clone());
        move |_, frame| match frame[0] {
            0 => held.hold(&frame),
            _ => pauses.call(&frame),
        }
    })
    .await;
    let mut client = server.connect().await;
    client.send_raw(&frames(&[0, 100])).await;
    called(&server, &pauses, 2).await;
    let (_, answer) = held.take(true);
    answer
        .send(response(b"denied").then_close(CloseReason::Service.into()))
        .expect("it is waited for");
    assert_eq!(client.rest().await, framed(b"denied"));
    let counts = server.finish().await;
    assert_eq!(counts.closed, [CloseReason::Service]);
}

#[tokio::test]
async fn stopping_waits_for_a_pause_but_not_for_ever() {
    let pauses = Pauses::default();
    let mut server = pauses.start().await;
    let mut client = server.connect().await;
    client.send_raw(&frames(&[100, 1])).await;
    called(&server, &pauses, 1).await;
    server.stop();
    patiently("the listener to close", async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    pauses.resume(Reply::Now(response(&[100])));
    assert_eq!(client.rest().await, framed(&[100]));
    patiently("the server to stop", &mut server.task)
        .await
        .unwrap();
    assert_eq!(server.budget.available(), server.budget.capacity());

    let pauses = Pauses::default();
    let config = NetConfig {
        shutdown_timeout: Duration::from_millis(50),
        ..NetConfig::default()
    };
    let server = Running::start(config, {
        let pauses = pauses.clone();
        move |_, frame| pauses.call(&frame)
    })
    .await;
    let mut client = server.connect().await;
    client.send_raw(&frames(&[100])).await;
    called(&server, &pauses, 1).await;
    let counts = server.finish().await;
    assert_eq!(counts.closed, [CloseReason::Shutdown]);
    assert_eq!(client.rest().await, b"");
}
