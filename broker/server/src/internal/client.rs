//! The side that asks.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use protocol::model::BrokerId;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::whereabouts::Whereabouts;
use super::wire::{
    BrokerIdentity, FRAME_BYTES_MAX, HELLO_BYTES_MAX, Hello, Purpose, Reply, Request, frame,
    read_frame, write_frames,
};
use super::{UNCONFIRMED_MAX, prepare};

/// Requests that may wait to be written.
const QUEUE_MAX: usize = 1_024;
/// Where a broker has called from last is tried for so long before its name is asked beside it.
const HEAD_START: Duration = Duration::from_millis(200);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// Nobody listens there: the process is gone.
    #[error("{address} refuses connections")]
    Refused {
        /// Where.
        address: String,
    },
    /// It cannot be reached, or the connection is lost.
    #[error("{address}: {source}")]
    Io {
        /// Where.
        address: String,
        /// The system's error.
        source: io::Error,
    },
    /// No answer in time.
    #[error("{address} does not answer")]
    Silent {
        /// Where.
        address: String,
    },
    /// The request is larger than a frame may be.
    #[error("{address}: {source}")]
    TooLarge {
        /// Where it was to go.
        address: String,
        /// How large it is.
        source: io::Error,
    },
    /// It is somebody else, or does not want to talk.
    #[error("{address}: {reason}")]
    Objection {
        /// Where.
        address: String,
        /// Why.
        reason: String,
    },
}

type Pending = Mutex<Option<HashMap<u64, oneshot::Sender<Reply>>>>;

struct Connection {
    queue: mpsc::Sender<Bytes>,
    /// Who waits; `None` once the connection is lost.
    pending: Arc<Pending>,
    next: AtomicU64,
}

/// Who calls others, and what it has heard of where they are.
#[derive(Clone)]
pub struct Caller {
    identity: Arc<dyn Fn() -> BrokerIdentity + Send + Sync>,
    whereabouts: Arc<Whereabouts>,
}

impl Caller {
    /// `identity` says who it is at the moment.
    pub fn new(
        identity: impl Fn() -> BrokerIdentity + Send + Sync + 'static,
        whereabouts: Arc<Whereabouts>,
    ) -> Caller {
        Caller {
            identity: Arc::new(identity),
            whereabouts,
        }
    }
}

/// From where the broker has called last that is called; heard until it calls from elsewhere.
type Calls = watch::Receiver<Option<IpAddr>>;

/// Both directions of a connection, after the first frames.
type Halves = (BufReader<OwnedReadHalf>, OwnedWriteHalf);

/// Another broker, as this one reaches it. Connects when it is asked, and again when the connection was lost, or the broker has come back elsewhere.
pub struct Peer {
    id: BrokerId,
    address: String,
    caller: Caller,
    connection: tokio::sync::Mutex<Option<Arc<Connection>>>,
}

impl Peer {
    /// The broker `id`, at `address`, a host and a port. If the host is a name, where the broker has called from counts as well. Whoever else answers is not talked to.
    pub fn new(id: BrokerId, address: String, caller: Caller) -> Peer {
        Peer {
            id,
            address,
            caller,
            connection: tokio::sync::Mutex::new(None),
        }
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks, and waits for the answer, `patience` at most, connecting included. Whether an unanswered request was heard is not known.
    pub async fn ask(&self, request: &Request, patience: Duration) -> Result<Reply, PeerError> {
        let asked = timeout(patience, self.ask_now(request)).await;
        asked.unwrap_or_else(|_| {
            Err(PeerError::Silent {
                address: self.address.clone(),
            })
        })
    }

    async fn ask_now(&self, request: &Request) -> Result<Reply, PeerError> {
        let connection = self.connected().await?;
        let number = connection.next.fetch_add(1, Ordering::Relaxed);
        let frame = frame(number, request).map_err(|source| PeerError::TooLarge {
            address: self.address.clone(),
            source,
        })?;
        let (sender, answer) = oneshot::channel();
        let lost = || self.failed(io::ErrorKind::ConnectionReset.into());
        match connection.pending.lock().as_mut() {
            Some(pending) => drop(pending.insert(number, sender)),
            None => return Err(lost()),
        }
        let _forget = Forget {
            pending: &connection.pending,
            number,
        };
        connection.queue.send(frame).await.map_err(|_| lost())?;
        answer.await.map_err(|_| lost())
    }

    fn failed(&self, source: io::Error) -> PeerError {
        let address = self.address.clone();
        match source.kind() {
            io::ErrorKind::ConnectionRefused => PeerError::Refused { address },
            _ => PeerError::Io { address, source },
        }
    }

    async fn connected(&self) -> Result<Arc<Connection>, PeerError> {
        let mut current = self.connection.lock().await;
        if let Some(connection) = &*current
            && connection.pending.lock().is_some()
        {
            return Ok(Arc::clone(connection));
        }
        let connection = Arc::new(self.connect().await?);
        *current = Some(Arc::clone(&connection));
        Ok(connection)
    }

    async fn connect(&self) -> Result<Connection, PeerError> {
        let ((input, output), calls) = self.call(Purpose::Requests).await?;
        let peer = input.get_ref().peer_addr();
        let ip = peer.map_err(|error| self.failed(error))?.ip();
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        let pending = Arc::new(Mutex::new(Some(HashMap::new())));
        let called_from_elsewhere = called_from_elsewhere(calls, ip.to_canonical());
        tokio::spawn(read(input, Arc::clone(&pending), called_from_elsewhere));
        tokio::spawn(write_frames(output, queued));
        Ok(Connection {
            queue,
            pending,
            next: AtomicU64::new(1),
        })
    }

    /// A connection of its own, on which Kafka's protocol is spoken.
    pub async fn connect_kafka(&self) -> Result<TcpStream, PeerError> {
        let ((input, output), _) = self.call(Purpose::Kafka).await?;
        // Nothing is sent before it is asked for.
        let stream = input.into_inner().reunite(output);
        stream.map_err(|error| self.failed(io::Error::other(error)))
    }

    /// Connects. It is not waited for at a former address when it calls from another.
    async fn call(&self, purpose: Purpose) -> Result<(Halves, Option<Calls>), PeerError> {
        // An address that is not a name stays as it is.
        let port = match self.address.parse::<SocketAddr>() {
            Ok(_) => None,
            Err(_) => self
                .address
                .rsplit_once(':')
                .and_then(|(_, it)| it.parse().ok()),
        };
        let Some(port) = port else {
            return Ok((self.call_at(&self.address, purpose).await?, None));
        };
        let mut calls = self.caller.whereabouts.of(self.id);
        loop {
            let last = *calls.borrow_and_update();
            let last = last.map(|ip| SocketAddr::new(ip, port));
            tokio::select! {
                called = self.call_either(last, purpose) => return Ok((called?, Some(calls))),
                Ok(()) = calls.changed() => {}
            }
        }
    }

    /// Connects to where the broker has called from last, and to where its name is.
    async fn call_either(
        &self,
        last: Option<SocketAddr>,
        purpose: Purpose,
    ) -> Result<Halves, PeerError> {
        let by_name = self.call_at(&self.address, purpose);
        let Some(last) = last else {
            return by_name.await;
        };
        let there = self.call_at(last, purpose);
        tokio::pin!(by_name, there);
        match timeout(HEAD_START, &mut there).await {
            Ok(Ok(halves)) => return Ok(halves),
            Ok(Err(_)) => return by_name.await,
            Err(_) => {}
        }
        tokio::select! {
            called = &mut there => match called {
                Ok(halves) => Ok(halves),
                Err(_) => by_name.await,
            },
            called = &mut by_name => match called {
                Ok(halves) => Ok(halves),
                Err(error) => there.await.map_err(|_| error),
            },
        }
    }

    /// Connects to an address. Packets that nobody takes are not sent for longer than over a connection.
    async fn call_at(
        &self,
        address: impl ToSocketAddrs,
        purpose: Purpose,
    ) -> Result<Halves, PeerError> {
        let called = timeout(UNCONFIRMED_MAX, self.greet(address, purpose)).await;
        called.unwrap_or_else(|_| Err(self.failed(io::ErrorKind::TimedOut.into())))
    }

    async fn greet(
        &self,
        address: impl ToSocketAddrs,
        purpose: Purpose,
    ) -> Result<Halves, PeerError> {
        let failed = |error| self.failed(error);
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        prepare(&stream).map_err(failed)?;
        let (input, mut output) = stream.into_split();
        let mut input = BufReader::new(input);
        let identity = (self.caller.identity)();
        let hello = frame(0, &Hello::new(identity.clone(), purpose)).map_err(failed)?;
        output.write_all(&hello).await.map_err(failed)?;
        let answer = read_frame::<Hello>(&mut input, HELLO_BYTES_MAX).await;
        let (_, answer) = answer
            .and_then(|answer| answer.ok_or(io::ErrorKind::UnexpectedEof.into()))
            .map_err(failed)?;
        let is_other = answer.identity.broker_id != self.id;
        let other =
            || is_other.then(|| format!("broker {} answers there", answer.identity.broker_id));
        let objection = answer.objection(&identity).or_else(other);
        if let Some(reason) = objection.or(answer.refusal) {
            let address = self.address.clone();
            return Err(PeerError::Objection { address, reason });
        }
        Ok((input, output))
    }
}

/// Who has gone away is not answered.
struct Forget<'a> {
    pending: &'a Pending,
    number: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(pending) = self.pending.lock().as_mut() {
            pending.remove(&self.number);
        }
    }
}

/// Ends when the broker calls, and not from `ip`, where it is connected to.
async fn called_from_elsewhere(calls: Option<Calls>, ip: IpAddr) {
    if let Some(mut calls) = calls {
        // What was known when the connection began is no news: a broker may call from another address than it listens at.
        while calls.changed().await.is_ok() {
            if *calls.borrow_and_update() != Some(ip) {
                return;
            }
        }
    }
    std::future::pending().await
}

/// Hands on what is answered, until the connection ends or is given up.
async fn read(
    mut input: BufReader<OwnedReadHalf>,
    pending: Arc<Pending>,
    given_up: impl Future<Output = ()>,
) {
    let answers = async {
        while let Ok(Some((number, reply))) = read_frame(&mut input, FRAME_BYTES_MAX).await {
            let waiting = pending.lock().as_mut().and_then(|it| it.remove(&number));
            if let Some(waiting) = waiting {
                let _ = waiting.send(reply);
            }
        }
    };
    tokio::select! {
        () = answers => {}
        () = given_up => {}
    }
    // Everybody hears that there will be no answer.
    pending.lock().take();
}
