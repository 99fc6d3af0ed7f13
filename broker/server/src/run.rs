//! The life of a broker: open the data, load the metadata, take up the partitions, serve, and stop without losing an answer.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker_controller::decide::{BootstrapCluster, FEATURES, RegisterBroker};
use broker_controller::record::Listener;
use broker_controller::{ClusterId, ControllerConfig, DirectoryId, IncarnationId};
use parking_lot::Mutex;
use protocol::model::{BrokerId, Uuid};
use storage::data_dir::{DataDir, DataDirConfig, Identity, OpenError, RecoveryReport, Workers};
use storage::io::{Engine, EngineChoice, Io, open_engine, unsynced::Unsynced};
use storage::journal::{JournalObserver, ScanError, WriterConfig};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admin::{self, AdminState, Readiness};
use crate::api::{self, Dispatcher, fetch_sessions::FetchSessions};
use crate::broker::{Broker, Partitions, wall_clock_ms};
use crate::config::{BrokerConfig, Config, IoEngine, LiveSettings, TopicConfig};
use crate::follow::Follower;
use crate::logging;
use crate::metrics::{JournalMetrics, Metrics, StartReport};
use crate::net::admission::Admission;
use crate::net::{ListenerConfig, MemoryBudget, NetConfig, Server};
use crate::observe::{BrokerScrape, NetworkObserver};
use crate::partition::RecordWorkers;
use crate::producer_ids::ProducerIds;
use crate::quorum::{LocalQuorum, Metadata};

/// What looking into batches may take beyond `queued.max.request.bytes`, as a part of it.
const RECORD_WORK_SHARE: usize = 4;
/// Partition files open at once; with the sockets it stays well below the usual limit of 20,000 descriptors.
const OPEN_FILES_MAX: usize = 4_000;
/// The kernel may hold a killed broker's lock until its last writes are done: a start waits for it so long.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(3);
const LOCK_RETRY: Duration = Duration::from_millis(20);
/// An idle journal is sealed after this time.
const SEAL_AFTER: Duration = Duration::from_millis(10);
/// A commit in flight is joined by another when so many bytes wait.
const OVERLAP_BYTES_MIN: usize = 64 << 10;

/// Why a broker did not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The engine.
    #[error("io.engine: {0}")]
    Engine(String),
    /// The data directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// `cluster.id` is no id.
    #[error(
        "cluster.id is {0:?}, expected 22 characters of URL-safe base64, as Kafka's tools print them"
    )]
    ClusterId(String),
    /// The metadata.
    #[error("metadata: {0}")]
    Metadata(String),
    /// A listener.
    #[error(transparent)]
    Bind(#[from] crate::net::BindError),
    /// The admin port.
    #[error("admin.listen: cannot listen on {address}: {source}")]
    Admin {
        /// As configured.
        address: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// A thread or the signal handlers.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Where a started broker can be reached.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The first client listener.
    pub kafka: std::net::SocketAddr,
    /// The admin port.
    pub admin: Option<std::net::SocketAddr>,
}

/// Runs a broker until `stop` ends. `started` hears where it listens once it serves.
pub async fn run(
    config: Config,
    started: impl FnOnce(&Addresses),
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let since = Instant::now();
    let api_names: Vec<_> = api::APIS
        .iter()
        .map(|api| (api.key as i16, api.name))
        .collect();
    let metrics = Arc::new(Metrics::new(&api_names));
    let (readiness, ready) = watch::channel(Readiness::NotReady("recovering the data".into()));
    let (stop_admin, admin_stopping) = watch::channel(false);
    let admin = match &config.broker.admin_listen {
        Some((host, port)) => Some(bind_admin(host, *port).await?),
        None => None,
    };
    let admin_address = admin.as_ref().map(|(_, address)| *address);
    let admin_task = admin.map(|(listener, _)| {
        let state = AdminState::new(Arc::clone(&metrics), ready);
        tokio::spawn(admin::serve(listener, state, admin_stopping))
    });

    let (server_config, listeners) = network_config(&config.broker);
    let server = Server::bind(&listeners, server_config).await?;
    let bound: Vec<_> = server.addresses().map(|(_, address)| address).collect();
    let opened = open(&config, &metrics)?;
    let broker = begin(config, &metrics, &opened, &bound, server.admission()).await?;
    metrics.register(Arc::new(BrokerScrape::new(Arc::clone(&broker))));
    let addresses = Addresses {
        kafka: bound[0],
        admin: admin_address,
    };
    readiness.send_replace(Readiness::Ready);
    tracing::info!(
        cluster = broker.cluster_id,
        node = %broker.id,
        listen = %addresses.kafka,
        engine = broker.data_dir.engine(),
        partitions = broker.partitions.all().len(),
        millis = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
        "started"
    );
    started(&addresses);

    // Nobody is sent here any more from the moment the stop is asked for; what is under way is still answered.
    let stop = {
        let readiness = readiness.clone();
        async move {
            stop.await;
            readiness.send_replace(Readiness::NotReady("stopping".into()));
        }
    };
    let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&broker)));
    let observer = Arc::new(NetworkObserver::new(Arc::clone(&metrics)));
    let budget = broker.budget.clone();
    server.run(dispatcher, observer, budget, stop).await;
    tracing::info!("stopping: no more requests; writing the last checkpoint");
    let workers = opened.workers;
    tokio::task::spawn_blocking(move || workers.stop())
        .await
        .map_err(|error| std::io::Error::other(error.to_string()))??;
    let _ = stop_admin.send(true);
    if let Some(task) = admin_task {
        // It ends by itself within its own limit; a panic in it has been reported.
        let _ = task.await;
    }
    tracing::info!("stopped");
    Ok(())
}

pub(crate) struct Opened {
    pub(crate) data_dir: Arc<DataDir>,
    pub(crate) workers: Workers,
}

/// Opens the data directory and starts its threads.
pub(crate) fn open(config: &Config, metrics: &Arc<Metrics>) -> Result<Opened, RunError> {
    let since = Instant::now();
    let journal = &config.broker.journal;
    let choice = match journal.engine {
        IoEngine::Auto => EngineChoice::Auto,
        IoEngine::Uring => EngineChoice::Uring,
        IoEngine::Threads => EngineChoice::Threads,
    };
    let Engine {
        io,
        fallback_reason,
    } = open_engine(choice).map_err(|error| RunError::Engine(error.to_string()))?;
    if let Some(reason) = &fallback_reason {
        tracing::warn!(reason, "io_uring is not used; the threads engine is");
    }
    metrics
        .start
        .set_engine(io.engine(), fallback_reason.as_deref());
    let io = if journal.unsafe_no_sync {
        tracing::warn!("journal.unsafe.no.sync: ACKNOWLEDGED RECORDS ARE LOST when the power goes");
        Arc::new(Unsynced::new(io)) as _
    } else {
        io
    };
    let cluster_id = config.broker.cluster_id.clone();
    if let Some(id) = cluster_id
        .as_ref()
        .filter(|id| ClusterId::parse(id).is_none())
    {
        return Err(RunError::ClusterId(id.clone()));
    }
    let identity = Identity {
        cluster_id,
        node_id: BrokerId::new(config.broker.node_id),
        new_directory_id: Uuid::new_v4(),
        new_cluster_id: Uuid::new_v4(),
    };
    let observer = Arc::new(JournalObservation(Arc::clone(&metrics.journal)));
    let data_dir_config = fitted(config, io.as_ref());
    let open = || {
        DataDir::open(
            Arc::clone(&io),
            &config.broker.data_dir,
            &identity,
            data_dir_config.clone(),
            // Topics' own settings are in the metadata log, which is in this directory: they are set before anything is written.
            &|_| storage::log::LogConfig::default(),
            Arc::clone(&observer) as _,
            wall_clock_ms(),
        )
    };
    let (data_dir, report) = loop {
        match open() {
            // Nothing tells when the lock is free.
            Err(OpenError::Journal(ScanError::Locked { .. }))
                if since.elapsed() < LOCK_WAIT_MAX =>
            {
                std::thread::sleep(LOCK_RETRY);
            }
            outcome => break outcome?,
        }
    };
    log_recovery(&config.broker.data_dir, &report, since.elapsed());
    metrics.start.on_recovered(StartReport {
        clean: report.clean || report.formatted,
        recovery: since.elapsed(),
        records: report.batches,
        bytes: report.bytes,
    });
    let workers = Workers::start(Arc::clone(&data_dir), Arc::new(wall_clock_ms))?;
    Ok(Opened { data_dir, workers })
}

/// Loads the metadata, registers this incarnation of the broker, and takes up its partitions.
pub(crate) async fn begin(
    config: Config,
    metrics: &Arc<Metrics>,
    opened: &Opened,
    bound: &[std::net::SocketAddr],
    admission: &Arc<Admission>,
) -> Result<Arc<Broker>, RunError> {
    let failed = |error: &dyn std::fmt::Display| RunError::Metadata(error.to_string());
    let data_dir = Arc::clone(&opened.data_dir);
    let id = BrokerId::new(config.broker.node_id);
    let quorum = LocalQuorum::open(&data_dir, wall_clock_ms).map_err(|error| failed(&error))?;
    let topics = &config.broker.topics;
    let controller = ControllerConfig {
        default_num_partitions: topics.partitions_default,
        default_replication_factor: topics.replication_factor_default,
        request_partitions_max: topics.partitions_per_request_max,
        cluster_partitions_max: topics.partitions_max,
    };
    let settings = Arc::new(LiveSettings::new(config.settings.clone()));
    let validator = Arc::new(api::configs::ConfigTables::new(Arc::clone(&settings)));
    let metadata = Metadata::load(quorum, controller, validator).map_err(|error| failed(&error))?;
    let cluster_id = data_dir.meta().cluster_id.clone();
    let Some(cluster) = ClusterId::parse(&cluster_id) else {
        return Err(RunError::ClusterId(cluster_id));
    };
    let refused = |error: broker_controller::ApiError| failed(&format!("{error:?}"));
    metadata
        .submit(&BootstrapCluster {
            cluster_id: cluster,
        })
        .await
        .map_err(refused)?
        .map_err(refused)?;
    let registration = RegisterBroker {
        cluster_id: cluster,
        broker_id: id,
        incarnation_id: IncarnationId::new(Uuid::new_v4()),
        directories: vec![DirectoryId::new(data_dir.meta().directory_id)],
        listeners: advertised(&config.broker, bound),
        rack: config.broker.rack.clone(),
        features: FEATURES.iter().copied().map(Into::into).collect(),
        // It is the controller's own node, and has recovered.
        fenced: false,
    };
    let broker_epoch = metadata
        .submit(&registration)
        .await
        .map_err(refused)?
        .map_err(refused)?;
    let partitions = Arc::new(Partitions::new(
        id,
        Arc::clone(&data_dir),
        Arc::clone(&settings),
        Arc::clone(metrics),
    ));
    let follower = Follower {
        node_id: id,
        settings: Arc::clone(&settings),
        admission: Arc::clone(admission),
        partitions: Arc::clone(&partitions),
    };
    follower.begin(&metadata.image());
    metadata.set_listener(Arc::new(follower));
    let requests = &config.broker.requests;
    Ok(Arc::new(Broker {
        id,
        cluster_id,
        metadata,
        partitions,
        data_dir,
        metrics: Arc::clone(metrics),
        apis: api::table(),
        fetch_sessions: Mutex::new(FetchSessions::new(requests.fetch_sessions_max)),
        budget: MemoryBudget::new(requests.queued_bytes_max),
        record_workers: RecordWorkers::new(
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            requests.queued_bytes_max / RECORD_WORK_SHARE,
        ),
        producer_ids: ProducerIds::new(id, broker_epoch),
        settings,
        loggers: logging::loggers(),
        config,
    }))
}

fn data_dir_config(config: &BrokerConfig) -> DataDirConfig {
    let started = Instant::now();
    DataDirConfig {
        journal_file_bytes: config.journal.file_bytes,
        journal_files: u32::try_from(config.journal.files).unwrap_or(u32::MAX),
        journal_first_file_bytes: config.journal.initial_file_bytes,
        writer: WriterConfig {
            commit_bytes_max: config.journal.commit_bytes_max,
            depth: config.journal.depth,
            overlap_bytes_min: OVERLAP_BYTES_MIN,
            seal_after: SEAL_AFTER,
            clock: Arc::new(move || {
                u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)
            }),
            salt: Arc::new(rand::random),
        },
        tail_bytes_max: config.logs.tail_bytes_max,
        write_behind_ms: millis(config.logs.write_behind_age),
        open_files_max: OPEN_FILES_MAX,
        retention_check_ms: millis(config.logs.retention_check_interval),
        clock_jump_pause_ms: millis(config.logs.clock_jump_pause),
        producer_expiration_ms: millis(config.producers.producer_id_expiration),
        free_bytes_min: config.journal.free_bytes_min,
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The journal takes its share of a small disk, and no more.
fn fitted(config: &Config, io: &dyn Io) -> DataDirConfig {
    let data_dir = &config.broker.data_dir;
    let journal = data_dir_config(&config.broker);
    // At the very first start the directory is not there yet; its disk is.
    let path = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.clone());
    let space = path.ancestors().find_map(|path| io.disk_space(path).ok());
    let Some(space) = space else { return journal };
    let configured = journal.journal_file_bytes;
    let topics = TopicConfig::resolve(&BTreeMap::new(), &config.settings);
    let fitted = journal.fit_to_disk(space.total, topics.max_message_bytes as u64);
    if fitted.journal_file_bytes < configured {
        tracing::info!(
            disk_bytes = space.total,
            journal_file_bytes = fitted.journal_file_bytes,
            configured,
            "the journal's files are smaller than configured: the disk is small"
        );
    }
    fitted
}

fn network_config(config: &BrokerConfig) -> (NetConfig, Vec<ListenerConfig>) {
    let network = &config.network;
    let listeners = network
        .listeners
        .iter()
        .map(|endpoint| ListenerConfig {
            name: endpoint.listener_name.clone(),
            address: endpoint.bind_address(),
            requires_authentication: false,
        })
        .collect();
    let config = NetConfig {
        frame_size_max: config.requests.request_bytes_max,
        in_flight_max: network.in_flight_requests_max,
        connections_max: network.connections_max,
        connections_per_ip_max: network.connections_per_ip_max,
        idle_timeout: network.idle_max,
        listen_backlog: network.backlog,
        ..NetConfig::default()
    };
    (config, listeners)
}

/// What clients are told: the advertised names, with the port that was bound where theirs is 0.
fn advertised(config: &BrokerConfig, bound: &[std::net::SocketAddr]) -> Vec<Listener> {
    config
        .network
        .advertised_listeners
        .iter()
        .zip(bound)
        .map(|(endpoint, address)| Listener {
            name: endpoint.listener_name.clone(),
            host: endpoint.host.clone(),
            port: if endpoint.port == 0 {
                address.port()
            } else {
                endpoint.port
            },
        })
        .collect()
}

async fn bind_admin(
    host: &str,
    port: u16,
) -> Result<(TcpListener, std::net::SocketAddr), RunError> {
    let address = crate::config::host_port(host, port);
    let failed = |source| RunError::Admin {
        address: address.clone(),
        source,
    };
    let listener = TcpListener::bind(&address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn log_recovery(path: &Path, report: &RecoveryReport, took: Duration) {
    let path = path.display();
    let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    if report.formatted {
        tracing::info!(%path, millis, "formatted a new data directory");
        return;
    }
    for bad in &report.damage {
        tracing::error!(path = %bad.path.display(), offset = bad.offset, what = bad.what, "damage found in the journal; what it held is not served");
    }
    if let Some(cut) = &report.cut {
        tracing::info!(path = %cut.path.display(), offset = cut.offset, sealed = !report.suspect, "the journal ends here; what was in flight after it was not acknowledged");
    }
    tracing::info!(
        %path,
        clean = report.clean,
        commits = report.commits,
        batches = report.batches,
        bytes = report.bytes,
        logs = report.logs,
        millis,
        "recovered the data directory"
    );
}

/// Hands what the journal measures to the metrics.
struct JournalObservation(Arc<JournalMetrics>);

impl JournalObserver for JournalObservation {
    fn on_commit(&self, bytes: u64, entries: u64, write_ns: u64) {
        self.0.on_commit(bytes, entries, write_ns);
    }
}
