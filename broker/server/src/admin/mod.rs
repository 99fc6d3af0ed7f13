//! The admin port: metrics, health and a page over HTTP.
//!
//! | path | answer |
//! |---|---|
//! | `/` | a page for people: the cluster, its topics and groups, and what this broker does |
//! | `/page.css`, `/page.js` | what belongs to it |
//! | `/api/...` | what it shows, as JSON (`view/`) |
//! | `/metrics` | all metrics in Prometheus' text format |
//! | `/livez` | 200: the process works. Says nothing of its being caught up or serving, so that a liveness probe never kills a broker that recovers |
//! | `/readyz` | 200 when clients are served; else 503 and why not |
//! | `/safe-to-stop` | 200 when nothing would be missing without this broker; else 503 and what |
//! | POST `/hand-over` | waits until others can do without this broker, and has them lead in its place; 200 when it may be stopped. From this machine only |
//!
//! Whoever may be connected has no say over memory: few connections, one request on each, small
//! headers, short times, one scrape at once, one look at the cluster at once.

mod page;
mod routes;
mod view;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::departure::Departure;
use crate::metrics::Metrics;

const CONNECTIONS_MAX: usize = 32;
const HEADER_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;
/// Without descriptors or memory accepting fails again at once; so long it is not tried.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How long things may take.
#[derive(Clone, Copy, Debug)]
struct Times {
    header_read_max: Duration,
    /// A whole connection: a request, its answer, and the client's reading it. An answer that has to be waited for begins it anew.
    connection_max: Duration,
    /// The answers under way when the broker stops.
    shutdown_max: Duration,
}

const TIMES: Times = Times {
    header_read_max: Duration::from_secs(5),
    connection_max: Duration::from_secs(30),
    shutdown_max: Duration::from_secs(2),
};

/// Whether clients are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// They are.
    Ready,
    /// They are not, because of this.
    NotReady(String),
}

/// What the admin port shows.
#[derive(Clone)]
pub struct AdminState {
    metrics: Arc<Metrics>,
    readiness: watch::Receiver<Readiness>,
    /// Once the broker has started.
    departure: Arc<OnceLock<Departure>>,
    scrape: Arc<Semaphore>,
    /// Who looks at the cluster for the page.
    view: Arc<Semaphore>,
}

impl AdminState {
    /// Shows these.
    pub fn new(
        metrics: Arc<Metrics>,
        readiness: watch::Receiver<Readiness>,
        departure: Arc<OnceLock<Departure>>,
    ) -> AdminState {
        AdminState {
            metrics,
            readiness,
            departure,
            scrape: Arc::new(Semaphore::new(1)),
            view: Arc::new(Semaphore::new(1)),
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
struct Caller {
    address: IpAddr,
    /// The answer takes as long as it takes.
    waits: Arc<AtomicBool>,
}

impl Caller {
    fn at(address: SocketAddr) -> Caller {
        Caller {
            address: address.ip().to_canonical(),
            waits: Arc::default(),
        }
    }
}

/// Serves until `shutdown` is true or its sender is gone; returns when the answers under way are
/// given, or after two seconds.
pub async fn serve(listener: TcpListener, state: AdminState, shutdown: watch::Receiver<bool>) {
    serve_within(TIMES, listener, state, shutdown).await;
}

async fn serve_within(
    times: Times,
    listener: TcpListener,
    state: AdminState,
    mut shutdown: watch::Receiver<bool>,
) {
    let router = routes::router(state);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let stopping = shutdown.clone();
    loop {
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => {}
            (place, stream, caller) = accept(&listener, &places) => {
                let stopping = stopping.clone();
                let router = router.clone().layer(Extension(caller.clone()));
                connections.spawn(async move {
                    serve_connection(times, (stream, caller), router, stopping).await;
                    drop(place);
                });
            }
        }
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(times.shutdown_max, all_ended).await.is_err() {
        connections.abort_all();
    }
}

/// The next connection and its place. With all places taken, connections wait in the listener's
/// backlog.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (OwnedSemaphorePermit, TcpStream, Caller) {
    loop {
        let accepted = async {
            let place = places
                .clone()
                .acquire_owned()
                .await
                .map_err(io::Error::other)?;
            let (stream, address) = listener.accept().await?;
            Ok::<_, io::Error>((place, stream, Caller::at(address)))
        };
        match accepted.await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "admin port cannot accept");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn serve_connection(
    times: Times,
    (stream, caller): (TcpStream, Caller),
    router: Router,
    mut shutdown: watch::Receiver<bool>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(times.header_read_max)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let served = async {
        tokio::select! {
            result = connection.as_mut() => return result,
            _ = shutdown.wait_for(|stop| *stop) => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    let mut served = pin!(served);
    loop {
        match timeout(times.connection_max, served.as_mut()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "admin connection ended"),
            Err(_) if caller.waits.load(Ordering::Relaxed) => continue,
            Err(_) => tracing::debug!("admin connection took too long"),
        }
        return;
    }
}
