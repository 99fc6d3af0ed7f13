//! Listeners: bind, accept, and stop without losing an answer.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::model::BrokerId;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::admission::Admission;
use super::connection::{Connection, Shared, Stopping};
use super::log_limiter::LogLimiter;
use super::{ConnectionContext, ListenerConfig, MemoryBudget, NetConfig, Observer, Service};

/// How long no connection is accepted when the process has run out of descriptors or memory.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Why a listener cannot be.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The host has no address.
    #[error("listener {listener}: cannot resolve {address}: {source}")]
    Resolve {
        /// The listener's name.
        listener: String,
        /// As configured.
        address: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// No address of the host can be bound.
    #[error("listener {listener}: cannot listen on {address}: {source}")]
    Bind {
        /// The listener's name.
        listener: String,
        /// The address tried last.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
}

/// Bound listeners that do not accept yet: the kernel holds connections until [`Server::run`].
#[derive(Debug)]
pub struct Server {
    listeners: Vec<BoundListener>,
    admission: Arc<Admission>,
    config: NetConfig,
    guests: (mpsc::Sender<Guest>, mpsc::Receiver<Guest>),
}

/// A connection that another listener has accepted, and that speaks Kafka's protocol from now on.
#[derive(Debug)]
pub struct Guest {
    /// The connection.
    pub stream: TcpStream,
    /// What its requests find as the connection's [`PeerBroker`].
    pub peer: PeerBroker,
    /// The listener's name, for counters and logs.
    pub listener_name: Arc<str>,
}

/// The broker at the other end of a connection that it has made to the internal listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerBroker(pub Option<BrokerId>);

/// Connections that may wait to be taken over.
const GUESTS_MAX: usize = 64;

#[derive(Debug)]
struct BoundListener {
    name: Arc<str>,
    requires_authentication: bool,
    socket: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Binds all listeners or none.
    pub async fn bind(
        listeners: &[ListenerConfig],
        config: NetConfig,
    ) -> Result<Server, BindError> {
        let mut bound = Vec::with_capacity(listeners.len());
        for listener in listeners {
            bound.push(bind_listener(listener, config.listen_backlog).await?);
        }
        let admission = Admission::new(
            config.connections_possible,
            config.connections_max,
            config.connections_per_ip_max,
        );
        Ok(Server {
            listeners: bound,
            admission,
            config,
            guests: mpsc::channel(GUESTS_MAX),
        })
    }

    /// Where connections of other listeners are handed over.
    pub fn guests(&self) -> mpsc::Sender<Guest> {
        self.guests.0.clone()
    }

    /// Who says how many connections there may be.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Names and addresses, in the order given; with the ports that were found for port 0.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.listeners
            .iter()
            .map(|listener| (&*listener.name, listener.address))
    }

    /// Serves until `shutdown` ends. Then listeners are closed, nothing more is read, pending
    /// replies are written for up to [`NetConfig::shutdown_timeout`], and every connection is
    /// closed when this returns.
    pub async fn run(
        self,
        service: Arc<dyn Service>,
        observer: Arc<dyn Observer>,
        budget: MemoryBudget,
        shutdown: impl Future<Output = ()>,
    ) {
        let log_limiter = LogLimiter::new(Instant::now());
        let shared = Arc::new(Shared {
            config: self.config,
            service,
            observer,
            budget,
            log_limiter,
        });
        let (stop, stopping) = watch::channel(());
        let mut acceptors = JoinSet::new();
        for listener in self.listeners {
            let acceptor = Acceptor {
                shared: shared.clone(),
                admission: self.admission.clone(),
                listener_name: listener.name,
                requires_authentication: listener.requires_authentication,
                stopping: stopping.clone(),
                connections: JoinSet::new(),
            };
            acceptors.spawn(acceptor.run(listener.socket));
        }
        let host = Host {
            shared,
            stopping,
            connections: JoinSet::new(),
        };
        acceptors.spawn(host.run(self.guests.1));
        shutdown.await;
        drop(stop);
        while acceptors.join_next().await.is_some() {}
    }
}

async fn bind_listener(config: &ListenerConfig, backlog: u32) -> Result<BoundListener, BindError> {
    let resolve_error = |source| BindError::Resolve {
        listener: config.name.clone(),
        address: config.address.clone(),
        source,
    };
    let mut addresses: Vec<SocketAddr> = lookup_host(&config.address)
        .await
        .map_err(resolve_error)?
        .collect();
    // `[::]` means every interface; where the system has no IPv6, that is `0.0.0.0`.
    if let [address] = addresses[..]
        && address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    {
        addresses.push((Ipv4Addr::UNSPECIFIED, address.port()).into());
    }
    let mut failed = None;
    for address in addresses {
        match listen(address, backlog) {
            Ok((socket, address)) => {
                return Ok(BoundListener {
                    name: config.name.as_str().into(),
                    requires_authentication: config.requires_authentication,
                    socket,
                    address,
                });
            }
            // A taken port is taken, also if another family would still have it.
            Err(source) if source.kind() == io::ErrorKind::AddrInUse => {
                failed = Some((address, source));
                break;
            }
            Err(source) => failed = Some((address, source)),
        }
    }
    Err(match failed {
        Some((address, source)) => BindError::Bind {
            listener: config.name.clone(),
            address,
            source,
        },
        None => resolve_error(io::ErrorKind::NotFound.into()),
    })
}

fn listen(address: SocketAddr, backlog: u32) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart must not wait for connections of the run before to time out.
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it; it is what finds a peer that vanished while we owe it a reply.
    socket.set_keepalive(true)?;
    socket.bind(address)?;
    let listener = socket.listen(backlog)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Accepts for one listener and owns its connections.
struct Acceptor {
    shared: Arc<Shared>,
    admission: Arc<Admission>,
    listener_name: Arc<str>,
    requires_authentication: bool,
    stopping: watch::Receiver<()>,
    connections: JoinSet<()>,
}

impl Acceptor {
    async fn run(mut self, socket: TcpListener) {
        let mut stopping = stopping(self.stopping.clone());
        loop {
            tokio::select! {
                biased;
                () = &mut stopping => break,
                // Ended tasks are taken out, or the set would grow.
                Some(_) = self.connections.join_next() => {}
                accepted = socket.accept() => match accepted {
                    Ok((stream, peer)) => self.on_accepted(stream, peer),
                    Err(error) => self.on_accept_error(&error).await,
                },
            }
        }
        drop(socket);
        while self.connections.join_next().await.is_some() {}
    }

    fn on_accepted(&mut self, stream: TcpStream, peer: SocketAddr) {
        let admitted = match self.admission.admit(peer.ip()) {
            Ok(admitted) => admitted,
            Err(reason) => {
                self.shared
                    .observer
                    .connection_refused(&self.listener_name, reason);
                if let Some(suppressed) = self.shared.log_limiter.admit(Instant::now()) {
                    tracing::warn!(
                        listener = &*self.listener_name, %peer, reason = reason.label(), suppressed,
                        "connection refused"
                    );
                }
                return;
            }
        };
        // Both fail only when the peer is gone already; the first read will say so.
        _ = stream.set_nodelay(true);
        let local = stream.local_addr().unwrap_or(peer);
        let context = ConnectionContext::new(
            next_connection_id(),
            self.listener_name.clone(),
            peer,
            local,
            !self.requires_authentication,
        );
        let stopping = stopping(self.stopping.clone());
        let connection = Connection::new(self.shared.clone(), stream, context, stopping);
        self.connections.spawn(async move {
            connection.run().await;
            drop(admitted);
        });
    }

    /// Some errors are of one connection that is gone again. Others, such as `EMFILE`, stay until
    /// descriptors or memory are free, and `accept` would fail again at once: no event tells of
    /// that, so this waits a little.
    async fn on_accept_error(&mut self, error: &io::Error) {
        self.shared.observer.accept_failed(&self.listener_name);
        if let Some(suppressed) = self.shared.log_limiter.admit(Instant::now()) {
            tracing::warn!(
                listener = &*self.listener_name, %error, suppressed,
                "cannot accept a connection"
            );
        }
        let is_of_one_connection = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted
        );
        if !is_of_one_connection {
            tokio::time::sleep(ACCEPT_BACKOFF).await;
        }
    }
}

/// Owns connections that others have accepted.
struct Host {
    shared: Arc<Shared>,
    stopping: watch::Receiver<()>,
    connections: JoinSet<()>,
}

impl Host {
    async fn run(mut self, mut guests: mpsc::Receiver<Guest>) {
        let mut stopped = stopping(self.stopping.clone());
        loop {
            tokio::select! {
                biased;
                () = &mut stopped => break,
                Some(_) = self.connections.join_next() => {}
                Some(guest) = guests.recv() => self.take_in(guest),
            }
        }
        while self.connections.join_next().await.is_some() {}
    }

    fn take_in(&mut self, guest: Guest) {
        let Guest {
            stream,
            peer,
            listener_name,
        } = guest;
        let Ok(address) = stream.peer_addr() else {
            // It is gone already.
            return;
        };
        let local = stream.local_addr().unwrap_or(address);
        let id = next_connection_id();
        let mut context = ConnectionContext::new(id, listener_name, address, local, true);
        *context.state::<PeerBroker>() = peer;
        let stopping = stopping(self.stopping.clone());
        let connection = Connection::new(self.shared.clone(), stream, context, stopping);
        self.connections.spawn(connection.run());
    }
}

/// Ends when the server has dropped its sender.
fn stopping(mut receiver: watch::Receiver<()>) -> Stopping {
    Box::pin(async move { while receiver.changed().await.is_ok() {} })
}

fn next_connection_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
