//! The side that asks.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use super::prepare;
use super::wire::{
    BrokerIdentity, FRAME_BYTES_MAX, HELLO_BYTES_MAX, Hello, Purpose, Reply, Request, frame,
    read_frame, write_frames,
};

/// Requests that may wait to be written.
const QUEUE_MAX: usize = 1_024;

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

/// Another broker, as this one reaches it. Connects when it is asked, and again when the connection was lost.
pub struct Peer {
    address: String,
    identity: Arc<dyn Fn() -> BrokerIdentity + Send + Sync>,
    connection: tokio::sync::Mutex<Option<Arc<Connection>>>,
}

impl Peer {
    /// At `address`; `identity` says who asks.
    pub fn new(address: String, identity: Arc<dyn Fn() -> BrokerIdentity + Send + Sync>) -> Peer {
        Peer {
            address,
            identity,
            connection: tokio::sync::Mutex::new(None),
        }
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks, and waits for the answer, `patience` at most, connecting included. Whether an unanswered request was heard is not known.
    pub async fn ask(&self, request: &Request, patience: Duration) -> Result<Reply, PeerError> {
        let asked = tokio::time::timeout(patience, self.ask_now(request)).await;
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
        let (input, output) = self.call(Purpose::Requests).await?;
        let (queue, queued) = mpsc::channel(QUEUE_MAX);
        let pending = Arc::new(Mutex::new(Some(HashMap::new())));
        tokio::spawn(read(input, Arc::clone(&pending)));
        tokio::spawn(write_frames(output, queued));
        Ok(Connection {
            queue,
            pending,
            next: AtomicU64::new(1),
        })
    }

    /// A connection of its own, on which Kafka's protocol is spoken.
    pub async fn connect_kafka(&self) -> Result<TcpStream, PeerError> {
        let (input, output) = self.call(Purpose::Kafka).await?;
        // Nothing is sent before it is asked for.
        let stream = input.into_inner().reunite(output);
        stream.map_err(|error| self.failed(io::Error::other(error)))
    }

    async fn call(
        &self,
        purpose: Purpose,
    ) -> Result<(BufReader<OwnedReadHalf>, OwnedWriteHalf), PeerError> {
        let failed = |error| self.failed(error);
        let stream = TcpStream::connect(&self.address).await.map_err(failed)?;
        prepare(&stream).map_err(failed)?;
        let (input, mut output) = stream.into_split();
        let mut input = BufReader::new(input);
        let identity = (self.identity)();
        let hello = frame(0, &Hello::new(identity.clone(), purpose)).map_err(failed)?;
        output.write_all(&hello).await.map_err(failed)?;
        let answer = read_frame::<Hello>(&mut input, HELLO_BYTES_MAX).await;
        let (_, answer) = answer
            .and_then(|answer| answer.ok_or(io::ErrorKind::UnexpectedEof.into()))
            .map_err(failed)?;
        let objection = answer.objection(&identity);
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

async fn read(mut input: BufReader<OwnedReadHalf>, pending: Arc<Pending>) {
    while let Ok(Some((number, reply))) = read_frame(&mut input, FRAME_BYTES_MAX).await {
        let waiting = pending.lock().as_mut().and_then(|it| it.remove(&number));
        if let Some(waiting) = waiting {
            let _ = waiting.send(reply);
        }
    }
    // Everybody hears that there will be no answer.
    pending.lock().take();
}
