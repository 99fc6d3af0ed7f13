//! The life of a broker: open the data, load the metadata, take up the partitions, serve, and stop without losing an answer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use broker_controller::decide::{BootstrapCluster, FEATURES, FenceBroker, RegisterBroker};
use broker_controller::record::Listener;
use broker_controller::{
    ApiError, ClusterId, ControllerConfig, DirectoryId, IncarnationId, MetadataImage,
};
use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::model::{BrokerId, Uuid};
use storage::data_dir::{DataDir, Identity, OpenError};
use storage::io::{Engine, EngineChoice, open_engine, unsynced::Unsynced};
use storage::journal::JournalObserver;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use crate::admin::{self, AdminState, Readiness};
use crate::api::{self, Dispatcher, fetch_sessions::FetchSessions};
use crate::balance::{balance_leaders, replicate_internal_topics};
use crate::broker::{Broker, Partitions};
use crate::clock::{follow_offset, wall_clock_ms};
use crate::config::{BrokerConfig, Config, IoEngine, LiveSettings, group_config};
use crate::coordinator::Groups;
use crate::data_dirs::{DataDirs, DirectoryConfigs, DiskWatch, Opening, offline};
use crate::departure::{Departure, hand_over_at_once};
use crate::follow::Follower;
use crate::internal::Handler;
use crate::listed::ListedBrokers;
use crate::liveness::{fence_the_dead, send_heartbeats};
use crate::logging;
use crate::metrics::{ClusterMetrics, JournalMetrics, Metrics};
use crate::net::admission::Admission;
use crate::net::{ListenerConfig, MemoryBudget, NetConfig, Server};
use crate::observe::{BrokerScrape, NetworkObserver};
use crate::open_files::OpenFiles;
use crate::partition::RecordWorkers;
use crate::producer_ids::ProducerIds;
use crate::quorum::{Founding, Metadata, QuorumError, RaftQuorum, RaftTiming};
use crate::replication::{BrokerPeers, Fetchers, Proposals};
use crate::space::report_space;
use crate::together::Together;

/// What a start begins with.
const RECOVERING: &str = "recovering the data";
/// What looking into batches may take beyond `queued.max.request.bytes`, as a part of it.
const RECORD_WORK_SHARE: usize = 4;

/// How long a start waits until the metadata quorum has a leader.
const LEADER_PATIENCE: Duration = Duration::from_secs(30);

/// Between two attempts to be registered.
const REGISTRATION_RETRY: Duration = Duration::from_millis(100);

/// Why a broker did not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The engine.
    #[error("io.engine: {0}")]
    Engine(String),
    /// The data directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The metadata's directory is empty, and another is not.
    #[error(
        "{path} is to hold the cluster's metadata and is empty, but {other} is a data directory: mount it, or set metadata.log.dir to where the \
         metadata is. Nothing was changed"
    )]
    MetadataDirectory {
        /// Where the metadata is to be.
        path: PathBuf,
        /// A directory that is not empty.
        other: PathBuf,
    },
    /// Two directories are the same, or one was copied.
    #[error(
        "{first} and {second} have the same directory.id: one is a copy of the other. Nothing was changed"
    )]
    SameDirectory {
        /// One.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// None of the directories for partitions can be used.
    #[error("no data directory can be used: see above")]
    NoDirectory,
    /// Directories went offline without which there is no broker.
    #[error("{0}; the next start recovers what was acknowledged")]
    Offline(String),
    /// `cluster.id` is no id.
    #[error(
        "cluster.id is {0:?}, expected 22 characters of URL-safe base64, as Kafka's tools print them"
    )]
    ClusterId(String),
    /// The metadata.
    #[error("metadata: {0}")]
    Metadata(String),
    /// The internal listener.
    #[error("internal.listen: cannot listen on {address}: {source}")]
    Internal {
        /// As configured.
        address: String,
        /// The system's error.
        source: std::io::Error,
    },
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
    if let Some(file) = config.broker.journal.unsafe_clock_file.clone() {
        tokio::spawn(follow_offset(file));
    }
    let (readiness, ready) = watch::channel(Readiness::NotReady(RECOVERING.to_owned()));
    let (stop_admin, admin_stopping) = watch::channel(false);
    let admin = match &config.broker.admin_listen {
        Some((host, port)) => Some(bind_admin(host, *port).await?),
        None => None,
    };
    let admin_address = admin.as_ref().map(|(_, address)| *address);
    let departure = Arc::default();
    let admin_task = admin.map(|(listener, _)| {
        let state = AdminState::new(Arc::clone(&metrics), ready, Arc::clone(&departure));
        tokio::spawn(admin::serve(listener, state, admin_stopping))
    });

    let (server_config, listeners) = network_config(&config.broker);
    let possible = server_config.connections_possible;
    if possible < config.broker.network.connections_max {
        tracing::warn!(
            open_files = OpenFiles::of_process().limit(),
            connections = possible,
            "max.connections: the system lets this process open too few files (ulimit -n); there can be fewer connections"
        );
    }
    let server = Server::bind(&listeners, server_config).await?;
    let bound: Vec<_> = server.addresses().map(|(_, address)| address).collect();
    let together = {
        let engine = open_engine(EngineChoice::Threads);
        let engine = engine.map_err(|error| RunError::Engine(error.to_string()))?;
        let broker = &config.broker;
        let id = BrokerId::new(broker.node_id);
        let configured = broker.cluster_id.as_deref();
        let directory = &broker.metadata_dir;
        Together::start(
            id,
            &broker.cluster,
            configured,
            engine.io.as_ref(),
            directory,
        )
        .await?
    };
    let mut stop = std::pin::pin!(stop);
    let waits = together.founding.as_ref().map(|it| it.waits());
    let telling = waits.map(|waits| tokio::spawn(tell_waits(waits, readiness.clone())));
    let cluster = tokio::select! {
        cluster = together.cluster() => cluster,
        // It waits for others, for as long as it takes.
        () = &mut stop => return Ok(()),
    };
    readiness.send_replace(Readiness::NotReady(RECOVERING.to_owned()));
    let opened = open(&config, cluster.as_deref(), &metrics, &Handle::current())?;
    let engine = opened.engine;
    let broker = tokio::select! {
        broker = begin(config, &metrics, opened, &bound, server.admission(), &together) => broker?,
        () = &mut stop => return Ok(()),
    };
    together
        .node
        .set_partitions(Arc::clone(&broker.partitions), server.guests());
    metrics.register(Arc::new(BrokerScrape::new(Arc::clone(&broker))));
    let addresses = Addresses {
        kafka: bound[0],
        admin: admin_address,
    };
    if let Some(telling) = telling {
        telling.abort();
        let _ = telling.await;
    }
    readiness.send_replace(Readiness::Ready);
    let has_peers = together.founding.is_some();
    let departing = Departure::new(Arc::clone(&broker), has_peers, readiness.clone());
    let _ = departure.set(departing);
    tracing::info!(
        cluster = broker.cluster_id,
        node = %broker.id,
        listen = %addresses.kafka,
        engine,
        partitions = broker.partitions.all().len(),
        millis = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX),
        "started"
    );
    started(&addresses);

    // Nobody is sent here any more from the moment the stop is asked for; what is under way is still answered.
    let (failed, mut failure) = oneshot::channel();
    let stop = {
        let readiness = readiness.clone();
        let broker = Arc::clone(&broker);
        let together = &together;
        async move {
            tokio::select! {
                () = stop => {}
                reason = offline::follow(&broker) => drop(failed.send(reason)),
                reason = broker.metadata.quorum().failed() => drop(failed.send(reason)),
            }
            readiness.send_replace(Readiness::NotReady("stopping".into()));
            if together.end_heartbeats().await {
                hand_over_at_once((broker.id, broker.epoch), &broker.metadata).await;
            }
            // Members that wait for a rebalance would hold the stop up.
            broker.groups.close();
        }
    };
    let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&broker)));
    let observer = Arc::new(NetworkObserver::new(Arc::clone(&metrics)));
    let budget = broker.budget.clone();
    server.run(dispatcher, observer, budget, stop).await;
    together.stop();
    broker.metadata.quorum().stop().await;
    // What leaders still answer is not appended to journals that end.
    for followed in broker.partitions.all_followed() {
        followed.stop();
    }
    tracing::info!("stopping: no more requests; writing the last checkpoint");
    let data_dirs = Arc::clone(&broker.data_dirs);
    let stopped = tokio::task::spawn_blocking(move || data_dirs.stop())
        .await
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    if let Ok(reason) = failure.try_recv() {
        return Err(RunError::Offline(reason));
    }
    stopped?;
    let _ = stop_admin.send(true);
    if let Some(task) = admin_task {
        // It ends by itself within its own limit; a panic in it has been reported.
        let _ = task.await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// What a start has opened before the broker takes part in its cluster.
pub(crate) struct Opened {
    pub(crate) data_dirs: Arc<DataDirs>,
    pub(crate) metadata: Arc<Metadata<RaftQuorum>>,
    /// Of the directory with the metadata, and so of all.
    pub(crate) cluster_id: String,
    pub(crate) settings: Arc<LiveSettings>,
    /// The engine's name.
    pub(crate) engine: &'static str,
}

/// Opens the data directories, loads the metadata, and starts the threads.
///
/// `cluster` is the cluster that a new directory is part of, where that is known. The journals are tasks of `runtime`.
pub(crate) fn open(
    config: &Config,
    cluster: Option<&str>,
    metrics: &Arc<Metrics>,
    runtime: &Handle,
) -> Result<Opened, RunError> {
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
    let engine = io.engine();
    metrics.start.set_engine(engine, fallback_reason.as_deref());
    let io = if journal.unsafe_no_sync {
        tracing::warn!("journal.unsafe.no.sync: ACKNOWLEDGED RECORDS ARE LOST when the power goes");
        Arc::new(Unsynced::new(io)) as _
    } else {
        io
    };
    let configured_id = config.broker.cluster_id.as_deref();
    if let Some(id) = configured_id.filter(|id| ClusterId::parse(id).is_none()) {
        return Err(RunError::ClusterId(id.to_owned()));
    }
    let observer = Arc::new(JournalObservation(Arc::clone(&metrics.journal)));
    let configs = DirectoryConfigs::new(config, io.as_ref());
    let open = |path: &Path, cluster_id: Option<&str>| {
        let identity = Identity {
            cluster_id: configured_id.or(cluster_id).or(cluster).map(str::to_owned),
            node_id: BrokerId::new(config.broker.node_id),
            new_directory_id: Uuid::new_v4(),
            new_cluster_id: Uuid::new_v4(),
        };
        DataDir::open(
            Arc::clone(&io),
            path,
            &identity,
            configs.of(path),
            // Topics' own settings are in the metadata log, which is in one of the directories: they are set before anything is written.
            &|_| storage::log::LogConfig::default(),
            Arc::clone(&observer) as _,
            wall_clock_ms(),
        )
    };
    let broker = &config.broker;
    let (dirs, metadata_dir) = (&broker.data_dirs, &broker.metadata_dir);
    let opening = Opening::begin(io.as_ref(), dirs, metadata_dir, &open)?;
    let cluster_id = opening.metadata().meta().cluster_id.clone();
    let settings = Arc::new(LiveSettings::new(config.settings.clone()));
    let counted = Arc::clone(&metrics.cluster);
    let metadata = load_metadata(config, &settings, &opening, counted)?;
    let mut assigned = assigned(&metadata.image(), BrokerId::new(broker.node_id));
    for lost in &broker.lost_dirs {
        if let Some(partitions) = assigned.remove(&DirectoryId::new(*lost)) {
            tracing::warn!(directory = %DirectoryId::new(*lost), partitions, "log.dirs.lost: a data directory is given up; its partitions are offline");
        }
    }
    let (data_dirs, report) = opening.finish(&assigned, &open, runtime)?;
    metrics.start.on_recovered(report);
    Ok(Opened {
        data_dirs: Arc::new(data_dirs),
        metadata,
        cluster_id,
        settings,
        engine,
    })
}

fn load_metadata(
    config: &Config,
    settings: &Arc<LiveSettings>,
    opening: &Opening,
    counted: Arc<ClusterMetrics>,
) -> Result<Arc<Metadata<RaftQuorum>>, RunError> {
    let failed = |error: &dyn std::fmt::Display| RunError::Metadata(error.to_string());
    let quorum = RaftQuorum::open(opening.metadata(), opening.holds_nothing(), wall_clock_ms)
        .map_err(|error| failed(&error))?;
    let topics = &config.broker.topics;
    let controller = ControllerConfig {
        default_num_partitions: topics.partitions_default,
        default_replication_factor: topics.replication_factor_default,
        request_partitions_max: topics.partitions_per_request_max,
        cluster_partitions_max: topics.partitions_max,
    };
    let validator = Arc::new(api::configs::ConfigTables::new(Arc::clone(settings)));
    let images = Arc::clone(quorum.images());
    let metadata = Metadata::new(Arc::new(quorum), images, controller, validator);
    let metadata = metadata.counting(counted);
    Ok(Arc::new(metadata))
}

/// How many partitions the metadata knows in each of this broker's directories.
fn assigned(image: &MetadataImage, id: BrokerId) -> BTreeMap<DirectoryId, usize> {
    let mut assigned = BTreeMap::new();
    let partitions = image.topics().flat_map(|topic| topic.partitions());
    for directory in partitions.filter_map(|(_, partition)| partition.directory_on(id)) {
        *assigned.entry(directory).or_default() += 1;
    }
    assigned
}

/// Registers this incarnation of the broker, and takes up its partitions.
pub(crate) async fn begin(
    config: Config,
    metrics: &Arc<Metrics>,
    opened: Opened,
    bound: &[std::net::SocketAddr],
    admission: &Arc<Admission>,
    together: &Together,
) -> Result<Arc<Broker>, RunError> {
    let failed = |error: &dyn std::fmt::Display| RunError::Metadata(error.to_string());
    let Opened {
        data_dirs,
        metadata,
        cluster_id,
        settings,
        ..
    } = opened;
    let id = BrokerId::new(config.broker.node_id);
    let Some(cluster) = ClusterId::parse(&cluster_id) else {
        return Err(RunError::ClusterId(cluster_id));
    };
    let refused = |error: ApiError| failed(&format!("{error:?}"));
    if together.node.identity().cluster_id.is_none() {
        together.node.set_cluster(cluster_id.clone());
    }
    join_quorum(&metadata, id, together)
        .await
        .map_err(|error| failed(&error))?;
    let is_alone = together.founding.is_none();
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
        directories: data_dirs.usable(),
        listeners: advertised(&config.broker, bound)
            .into_iter()
            .chain(together.listener.clone())
            .collect(),
        rack: config.broker.rack.clone(),
        features: FEATURES.iter().copied().map(Into::into).collect(),
        // It has recovered: what it led before, and nobody else does yet, it leads on, under new epochs. After the power came back for all of them, leaderships
        // stay where they are.
        fenced: false,
    };
    if registration.directories.is_empty() {
        return Err(RunError::NoDirectory);
    }
    if is_alone {
        fence_former_life(&metadata, &registration)
            .await
            .map_err(refused)?;
    }
    let mut last_told = None;
    let broker_epoch = loop {
        match metadata.submit(&registration).await {
            Ok(Ok(epoch)) => break epoch,
            // Of its former life, on another disk, the session has to end; or the controller has changed.
            Ok(Err(error)) | Err(error) if !is_alone && is_to_be_tried_again(&error) => {
                if last_told.as_ref() != Some(&error) {
                    tracing::info!(%error, "waiting to be registered");
                    if let Some(founding) = &together.founding {
                        founding.waits_for(&format!("waiting to be registered: {error}"));
                    }
                    last_told = Some(error);
                }
                tokio::time::sleep(REGISTRATION_RETRY).await;
            }
            Ok(Err(error)) | Err(error) => return Err(refused(error)),
        }
    };
    let (proposals, inbox) = Proposals::new();
    let partitions = Arc::new(Partitions::new(
        id,
        Arc::clone(&data_dirs),
        Arc::clone(&settings),
        Arc::clone(metrics),
        Arc::new(proposals),
    ));
    tokio::spawn(inbox.run(
        (id, broker_epoch),
        Arc::clone(&metadata),
        Arc::clone(&partitions),
        together.node.contact().clone(),
    ));
    let groups = Arc::new(Groups::new(group_config(&settings.now())));
    let listener: Weak<Groups> = Arc::downgrade(&groups);
    partitions.set_leadership_listener(listener);
    let listed = Arc::<ListedBrokers>::default();
    let follower = Follower {
        node_id: id,
        settings: Arc::clone(&settings),
        admission: Arc::clone(admission),
        partitions: Arc::clone(&partitions),
        groups: Arc::clone(&groups),
        data_dirs: Arc::clone(&data_dirs),
        listed: Arc::clone(&listed),
    };
    let images = Arc::clone(&metadata);
    let caller = together.node.caller();
    let peers = Arc::new(BrokerPeers::new(caller, move || images.image()));
    let weak = Arc::downgrade(&partitions);
    let life = (id, broker_epoch);
    partitions.set_fetchers(Fetchers::new(life, Arc::clone(&peers), weak.clone()));
    let progress = partitions.progress().clone();
    tokio::spawn(progress.run(broker_epoch, Arc::clone(&peers), weak));
    let sessions = together.node.sessions();
    if together.founding.is_some() {
        // Before the partitions are opened, which may take its time.
        let contact = together.node.contact().clone();
        let sessions = Arc::clone(sessions);
        let disks = DiskWatch::new(Arc::clone(&data_dirs));
        let sees = (Arc::clone(&peers), disks);
        let heartbeats = send_heartbeats(life, Arc::clone(&metadata), sessions, contact, sees);
        together.set_heartbeats(tokio::spawn(heartbeats));
        let directories = Arc::clone(&data_dirs);
        let short_of_space = move || directories.short_of_space();
        tokio::spawn(report_space(life, Arc::clone(&metadata), short_of_space));
    }
    metadata.set_listener(Arc::new(follower));
    if let Some(founding) = together.founding.clone() {
        let fencing = fence_the_dead(id, Arc::clone(&metadata), peers, Arc::clone(sessions));
        tokio::spawn(fencing);
        let quorum = Arc::clone(metadata.quorum());
        tokio::spawn(async move { founding.tend(&quorum).await });
        if let Some(interval) = config.broker.cluster.leader_balance_interval {
            tokio::spawn(balance_leaders(Arc::clone(&metadata), interval));
        }
        let factor = settings.now().number("offsets.topic.replication.factor");
        tokio::spawn(replicate_internal_topics(Arc::clone(&metadata), factor));
    }
    let requests = &config.broker.requests;
    Ok(Arc::new(Broker {
        id,
        node: Arc::clone(&together.node),
        cluster_id,
        registration,
        metadata,
        partitions,
        groups,
        listed,
        data_dirs,
        metrics: Arc::clone(metrics),
        apis: api::table(),
        fetch_sessions: Mutex::new(FetchSessions::new(requests.fetch_sessions_max)),
        budget: MemoryBudget::new(requests.queued_bytes_max),
        record_workers: RecordWorkers::new(
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            requests.queued_bytes_max / RECORD_WORK_SHARE,
        ),
        epoch: broker_epoch,
        producer_ids: ProducerIds::new(id, broker_epoch),
        settings,
        loggers: logging::loggers(),
        config,
    }))
}

/// Takes part in the metadata quorum; a new node founds one, of its own or with the others.
async fn join_quorum(
    metadata: &Arc<Metadata<RaftQuorum>>,
    id: BrokerId,
    together: &Together,
) -> Result<(), QuorumError> {
    let quorum = metadata.quorum();
    let caller = together.node.caller();
    quorum.start(&RaftTiming::default(), caller).await?;
    quorum.start_succeeding();
    together.node.set_metadata(Arc::clone(metadata));
    match &together.founding {
        Some(founding) if !founding.is_voter() => {
            quorum.start_observing(founding.others());
            until_told(quorum, founding, "a voter to tell the metadata").await;
            Ok(())
        }
        Some(founding) => {
            founding.join(quorum).await?;
            // It may have been removed while it was away.
            founding.watch_membership(quorum);
            until_told(quorum, founding, "a majority of the voters").await;
            Ok(())
        }
        None => {
            if !quorum.is_founded().await? {
                let voters = BTreeMap::from([(quorum.id(), together.voter(id))]);
                quorum.found(voters).await?;
            }
            quorum.wait_leader(LEADER_PATIENCE).await
        }
    }
}

/// For as long as it takes.
async fn until_told(quorum: &RaftQuorum, founding: &Founding, by: &str) {
    let waits = format!("waiting for {by}");
    founding.waits_for(&waits);
    while !quorum.wait_told(LEADER_PATIENCE).await {
        tracing::info!("{waits}");
    }
}

/// Has whoever asks whether the broker is ready hear what it waits for.
async fn tell_waits(
    mut waits: watch::Receiver<Option<String>>,
    readiness: watch::Sender<Readiness>,
) {
    while waits.changed().await.is_ok() {
        let reason = waits.borrow_and_update().clone();
        if let Some(reason) = reason {
            readiness.send_replace(Readiness::NotReady(reason));
        }
    }
}

fn is_to_be_tried_again(error: &ApiError) -> bool {
    matches!(
        error.code,
        ErrorCode::DuplicateBrokerRegistration | ErrorCode::RequestTimedOut
    )
}

/// A registration that has no directory in common with the one before is taken for another node with the same id. This one holds the metadata:
/// nobody else is that broker, and its former life is over.
async fn fence_former_life(
    metadata: &Metadata<RaftQuorum>,
    registration: &RegisterBroker,
) -> Result<(), ApiError> {
    let image = metadata.image();
    let Some(before) = image.broker(registration.broker_id) else {
        return Ok(());
    };
    let mut now = registration.directories.iter();
    if before.fenced || now.any(|it| before.directories.contains(it)) {
        return Ok(());
    }
    let fence = FenceBroker {
        broker_id: before.broker_id,
        broker_epoch: before.broker_epoch,
    };
    metadata.submit(&fence).await?
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
        connections_possible: OpenFiles::of_process().connections_possible(config.data_dirs.len()),
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

/// Hands what the journal measures to the metrics.
pub(crate) struct JournalObservation(pub(crate) Arc<JournalMetrics>);

impl JournalObserver for JournalObservation {
    fn on_commit(&self, bytes: u64, entries: u64, write_ns: u64) {
        self.0.on_commit(bytes, entries, write_ns);
    }
}
