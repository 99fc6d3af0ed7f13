//! What connections cost that do nothing, and what happens when descriptors run out. In a process
//! of its own, since both are properties of a process.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use broker::net::{
    ConnectionContext, ListenerConfig, MemoryBudget, NetConfig, Observer, Reply, ResponseBytes,
    Server, Service,
};
use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

const CONNECTIONS: usize = 2000;
/// Both ends of a connection are in this process: task, two sockets' bookkeeping, test.
const BYTES_PER_CONNECTION_MAX: usize = 10 * 1024;

/// One test at a time, its runtime included: they measure and limit the same process.
fn alone_in_the_process(test: impl Future<Output = ()>) {
    static PROCESS: Mutex<()> = Mutex::new(());
    let _alone = PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(test);
}

struct Echo;

impl Service for Echo {
    fn call(&self, _: &mut ConnectionContext, frame: BytesMut) -> Reply {
        let mut response = BytesMut::with_capacity(4 + frame.len());
        response.put_u32(frame.len() as u32);
        response.put_slice(&frame);
        Reply::Now(ResponseBytes::from(response))
    }
}

#[derive(Default)]
struct Events {
    bytes_in: AtomicU64,
    failed_accepts: AtomicU64,
    changed: Notify,
}

impl Observer for Events {
    fn bytes_in(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Ordering::SeqCst);
        self.changed.notify_one();
    }
    fn accept_failed(&self, _: &str) {
        self.failed_accepts.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_one();
    }
}

impl Events {
    async fn until(&self, count: &AtomicU64, at_least: u64) {
        let reached = async {
            while count.load(Ordering::SeqCst) < at_least {
                self.changed.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), reached)
            .await
            .expect("the events");
    }
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("VmRSS");
    let kib: usize = line
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("kB");
    kib * 1024
}

/// Two descriptors per connection are more than the usual soft limit; `None` is the hard limit.
fn limit_descriptors(limit: Option<u64>) {
    let maximum = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let limit = rustix::process::Rlimit {
        current: limit.or(maximum),
        maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).expect("up to the hard");
}

/// A frame there and back on each of them.
async fn exchange(clients: &mut [TcpStream], body: &[u8]) {
    let mut frame = BytesMut::new();
    frame.put_u32(body.len() as u32);
    frame.put_slice(body);
    let mut answer = vec![0; frame.len()];
    for client in clients {
        client.write_all(&frame).await.expect("served");
        client.read_exact(&mut answer).await.expect("answered");
        assert!(answer == frame[..]);
    }
}

async fn serve(
    events: &Arc<Events>,
    budget: &MemoryBudget,
) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = ListenerConfig {
        name: "PLAINTEXT".to_owned(),
        address: "127.0.0.1:0".to_owned(),
        requires_authentication: false,
    };
    let server = Server::bind(&[listener], NetConfig::default())
        .await
        .expect("a free port");
    let (_, address) = server.addresses().next().expect("one listener");
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(
        server.run(Arc::new(Echo), events.clone(), budget.clone(), async {
            _ = stopped.await;
        }),
    );
    (address, stop, serving)
}

#[test]
fn idle_connections_and_claims_of_100_mb_cost_little() {
    alone_in_the_process(measure_idle_connections());
}

async fn measure_idle_connections() {
    limit_descriptors(None);
    let events = Arc::new(Events::default());
    let budget = MemoryBudget::new(64 << 20);
    let (address, stop, serving) = serve(&events, &budget).await;

    // Code, buffers of the thread and the allocator's first pages are there before the count.
    let mut first = [TcpStream::connect(address).await.expect("accepted")];
    exchange(&mut first, &[7; 60_000]).await;
    let before = resident_bytes();
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(TcpStream::connect(address).await.expect("accepted"));
    }
    // Idle after a large request, as real clients are, not untouched.
    exchange(&mut clients, &[7; 60_000]).await;
    let idle = resident_bytes().saturating_sub(before) / CONNECTIONS;
    println!("{idle} bytes per idle connection");
    assert!(
        idle < BYTES_PER_CONNECTION_MAX,
        "{idle} bytes per idle connection"
    );

    let read = events.bytes_in.load(Ordering::SeqCst);
    for client in &mut clients {
        client
            .write_all(&100_000_000_u32.to_be_bytes())
            .await
            .expect("served");
    }
    events
        .until(&events.bytes_in, read + 4 * CONNECTIONS as u64)
        .await;
    let claiming = resident_bytes().saturating_sub(before) / CONNECTIONS;
    println!("{claiming} bytes per connection that claims 100 MB");
    assert!(
        claiming < BYTES_PER_CONNECTION_MAX,
        "{claiming} bytes per claim"
    );
    assert_eq!(budget.available(), budget.capacity());
    exchange(&mut first, &[8; 60_000]).await;

    drop(clients);
    stop.send(()).expect("serving");
    serving.await.expect("a clean end");
}

#[test]
fn running_out_of_descriptors_is_waited_out_without_a_hot_loop() {
    alone_in_the_process(run_out_of_descriptors());
}

async fn run_out_of_descriptors() {
    let events = Arc::new(Events::default());
    let (address, stop, serving) = serve(&events, &MemoryBudget::new(1 << 20)).await;
    // Does not yield, so that the server meets the connection only after the limit.
    let client = std::net::TcpStream::connect(address).expect("the kernel accepts it");
    client.set_nonblocking(true).expect("a socket");
    let mut client = [TcpStream::from_std(client).expect("a socket")];
    limit_descriptors(Some(3));
    let started = Instant::now();
    events.until(&events.failed_accepts, 4).await;
    let elapsed = started.elapsed();
    limit_descriptors(None);
    assert!(
        elapsed > Duration::from_millis(250),
        "four attempts within {elapsed:?}"
    );
    exchange(&mut client, b"served after all").await;
    stop.send(()).expect("serving");
    serving.await.expect("a clean end");
}
