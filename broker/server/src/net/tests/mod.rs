//! A server on loopback, a client of raw frames, and an observer whose counts can be awaited.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::*;

mod files;
mod frames;
mod limits;
mod memory;
mod order;
mod pauses;
mod shutdown;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(PATIENCE, future).await;
    result.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

struct Handler<F>(F);

impl<F> Service for Handler<F>
where
    F: Fn(&mut ConnectionContext, BytesMut) -> Reply + Send + Sync + 'static,
{
    fn call(&self, connection: &mut ConnectionContext, frame: BytesMut) -> Reply {
        (self.0)(connection, frame)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a handler owns its frame")]
fn echo(_: &mut ConnectionContext, frame: BytesMut) -> Reply {
    Reply::Now(response(&frame))
}

/// `body` with its size in front.
fn framed(body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(4 + body.len());
    frame.put_i32(i32::try_from(body.len()).unwrap());
    frame.put_slice(body);
    frame.freeze()
}

fn response(body: &[u8]) -> ResponseBytes {
    framed(body).into()
}

#[derive(Clone, Debug, Default)]
struct Counts {
    opened: usize,
    closed: Vec<CloseReason>,
    refused: Vec<CloseReason>,
    bytes_in: u64,
    bytes_out: u64,
    writes: usize,
    started: u64,
    finished: u64,
}

struct Recorder(watch::Sender<Counts>);

impl Observer for Recorder {
    fn connection_opened(&self, listener: &str) {
        assert_eq!(listener, "PLAINTEXT");
        self.0.send_modify(|counts| counts.opened += 1);
    }
    fn connection_closed(&self, _: &str, reason: CloseReason) {
        self.0.send_modify(|counts| counts.closed.push(reason));
    }
    fn connection_refused(&self, _: &str, reason: CloseReason) {
        self.0.send_modify(|counts| counts.refused.push(reason));
    }
    fn bytes_in(&self, bytes: u64) {
        self.0.send_modify(|counts| counts.bytes_in += bytes);
    }
    fn bytes_out(&self, bytes: u64) {
        self.0.send_modify(|counts| {
            counts.bytes_out += bytes;
            counts.writes += 1;
        });
    }
    fn request_started(&self) {
        self.0.send_modify(|counts| counts.started += 1);
    }
    fn requests_finished(&self, count: u64) {
        self.0.send_modify(|counts| counts.finished += count);
    }
}

struct Running {
    address: SocketAddr,
    counts: watch::Receiver<Counts>,
    budget: MemoryBudget,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start<F>(config: NetConfig, handler: F) -> Running
    where
        F: Fn(&mut ConnectionContext, BytesMut) -> Reply + Send + Sync + 'static,
    {
        Running::start_with(config, MemoryBudget::new(64 << 20), false, handler).await
    }

    async fn start_with<F>(
        config: NetConfig,
        budget: MemoryBudget,
        requires_authentication: bool,
        handler: F,
    ) -> Running
    where
        F: Fn(&mut ConnectionContext, BytesMut) -> Reply + Send + Sync + 'static,
    {
        let listener = ListenerConfig {
            name: "PLAINTEXT".to_owned(),
            address: "127.0.0.1:0".to_owned(),
            requires_authentication,
        };
        let server = Server::bind(&[listener], config).await.unwrap();
        let addresses: HashMap<_, _> = server.addresses().collect();
        let address = addresses["PLAINTEXT"];
        let (counts_sender, counts) = watch::channel(Counts::default());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(
            Arc::new(Handler(handler)),
            Arc::new(Recorder(counts_sender)),
            budget.clone(),
            async { _ = stopped.await },
        ));
        Running {
            address,
            counts,
            budget,
            stop: Some(stop),
            task,
        }
    }

    async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream }
    }

    async fn until(&self, what: &str, condition: impl FnMut(&Counts) -> bool) -> Counts {
        patiently(what, self.counts.clone().wait_for(condition))
            .await
            .unwrap()
            .clone()
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Stops the server; afterwards nothing may be in flight and no memory held.
    async fn finish(mut self) -> Counts {
        self.stop();
        patiently("the server to stop", &mut self.task)
            .await
            .unwrap();
        let counts = self.counts.borrow().clone();
        assert_eq!(
            counts.started, counts.finished,
            "requests in flight are counted right"
        );
        assert_eq!(counts.opened, counts.closed.len());
        assert_eq!(self.budget.available(), self.budget.capacity());
        counts
    }
}

struct Client {
    stream: TcpStream,
}

impl Client {
    async fn send(&mut self, body: &[u8]) {
        self.send_raw(&framed(body)).await;
    }

    async fn send_raw(&mut self, bytes: &[u8]) {
        patiently("the server to read", self.stream.write_all(bytes))
            .await
            .unwrap();
    }

    async fn receive(&mut self) -> Vec<u8> {
        patiently("an answer", async {
            let size = self.stream.read_u32().await.unwrap();
            let mut body = vec![0; size as usize];
            self.stream.read_exact(&mut body).await.unwrap();
            body
        })
        .await
    }

    /// Reads until the server closes; a reset counts too.
    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        _ = patiently("the server to close", self.stream.read_to_end(&mut rest)).await;
        rest
    }
}

/// Later replies, completed by the test.
#[derive(Clone, Default)]
struct Held(Arc<parking_lot::Mutex<Vec<HeldRequest>>>);

/// The frame, and where its answer goes.
type HeldRequest = (Vec<u8>, oneshot::Sender<ResponseBytes>);

impl Held {
    fn hold(&self, frame: &[u8]) -> Reply {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().push((frame.to_vec(), sender));
        receiver.into()
    }

    /// The oldest or, from the end, the latest.
    fn take(&self, oldest: bool) -> HeldRequest {
        let mut held = self.0.lock();
        let at = if oldest { 0 } else { held.len() - 1 };
        held.remove(at)
    }

    fn answer(&self, oldest: bool) {
        let (body, sender) = self.take(oldest);
        _ = sender.send(response(&body));
    }
}
