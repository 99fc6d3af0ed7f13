//! The side that answers.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::model::BrokerId;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::prepare;
use super::wire::{
    BrokerIdentity, FRAME_BYTES_MAX, HELLO_BYTES_MAX, Hello, Purpose, Reply, Request, frame,
    read_frame, write_frames,
};

/// How long somebody who connects may take to say who it is.
const HELLO_PATIENCE: Duration = Duration::from_secs(5);
/// Connections at once. A broker has one.
const CONNECTIONS_MAX: usize = 1_024;
/// Requests of one connection that are being answered; beyond them it is not read.
const REQUESTS_MAX: usize = 64;

/// Answers.
pub trait Handler: Send + Sync + 'static {
    /// Who this is, at the moment.
    fn identity(&self) -> BrokerIdentity;

    /// One that says to be broker `from`, of this cluster or of none yet, has called from `ip`.
    fn on_call(&self, from: BrokerId, ip: IpAddr);

    /// Answers `from`.
    fn handle(&self, from: &BrokerIdentity, request: Request)
    -> impl Future<Output = Reply> + Send;

    /// Takes a connection over on which `from` speaks Kafka's protocol.
    fn adopt(&self, from: &BrokerIdentity, stream: TcpStream);
}

/// The internal listener.
pub struct Internal {
    listener: TcpListener,
}

impl Internal {
    /// Listens from now on; nobody is answered before [`Internal::serve`].
    pub async fn bind(address: &str) -> io::Result<Internal> {
        let listener = TcpListener::bind(address).await?;
        Ok(Internal { listener })
    }

    /// Where.
    pub fn address(&self) -> io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until it is told to stop.
    pub async fn serve<H: Handler>(self, handler: Arc<H>, mut stop: watch::Receiver<bool>) {
        let mut connections = JoinSet::new();
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "internal listener: cannot accept");
                    // Out of descriptors, most likely: others give some back.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                tracing::warn!(%address, "internal listener: too many connections");
                continue;
            };
            let handler = Arc::clone(&handler);
            connections.spawn(async move {
                if let Err(error) = converse(stream, address.ip(), handler).await {
                    tracing::debug!(%address, %error, "internal connection ended");
                }
                drop(permit);
            });
        }
        connections.shutdown().await;
    }
}

async fn converse<H: Handler>(stream: TcpStream, ip: IpAddr, handler: Arc<H>) -> io::Result<()> {
    prepare(&stream)?;
    let (input, mut output) = stream.into_split();
    let mut input = BufReader::new(input);
    let hello = read_frame::<Hello>(&mut input, HELLO_BYTES_MAX);
    let hello = tokio::time::timeout(HELLO_PATIENCE, hello).await??;
    let Some((_, hello)) = hello else {
        return Ok(());
    };
    let identity = handler.identity();
    let mut answer = Hello::new(identity.clone(), hello.purpose);
    answer.refusal = hello.objection(&identity);
    output.write_all(&frame(0, &answer)?).await?;
    if let Some(reason) = answer.refusal {
        tracing::warn!(reason, "internal listener: refused");
        return Ok(());
    }
    handler.on_call(hello.identity.broker_id, ip);
    if hello.purpose == Purpose::Kafka {
        // Nothing was sent before the answer.
        let stream = input.into_inner().reunite(output);
        handler.adopt(&hello.identity, stream.map_err(io::Error::other)?);
        return Ok(());
    }
    let from = Arc::new(hello.identity);
    let (replies, replied) = mpsc::channel(REQUESTS_MAX);
    let writer = tokio::spawn(write_frames(output, replied));
    let room = Arc::new(Semaphore::new(REQUESTS_MAX));
    let mut answering = JoinSet::new();
    loop {
        while answering.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            break;
        };
        let Some((number, request)) = read_frame(&mut input, FRAME_BYTES_MAX).await? else {
            break;
        };
        let (handler, from, replies) = (Arc::clone(&handler), Arc::clone(&from), replies.clone());
        answering.spawn(async move {
            let reply = handler.handle(&from, request).await;
            match frame(number, &reply) {
                Ok(frame) => {
                    // The connection may be gone.
                    let _ = replies.send(frame).await;
                }
                Err(error) => {
                    tracing::error!(broker = %from.broker_id, %error, "a reply cannot be sent")
                }
            }
            drop(permit);
        });
    }
    drop(replies);
    let _ = writer.await;
    Ok(())
}
