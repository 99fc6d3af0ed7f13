//! The node's configuration in the types the broker works with.

use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::model::{Uuid, parse_base64_uuid};
use storage::log::BypassConfig;

use super::broker_definitions::RACK_AWARE_SELECTOR;
use super::cluster::ClusterConfig;
use super::error::Problem;
use super::group_coordinator;
use super::listener::{Endpoint, advertised_listeners, listeners};
use super::settings::{Setting, Settings};
use super::value::Value;

/// A node's configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct BrokerConfig {
    /// `node.id`.
    pub node_id: i32,
    /// `cluster.id`: the cluster the data has to belong to, if given.
    pub cluster_id: Option<String>,
    /// The other nodes of the cluster.
    pub cluster: ClusterConfig,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// `log.dirs`, else `log.dir`: at least one, none inside another.
    pub data_dirs: Vec<PathBuf>,
    /// `metadata.log.dir`, else the first of `data_dirs`.
    pub metadata_dir: PathBuf,
    /// `log.dirs.lost`: ids of directories that are not waited for.
    pub lost_dirs: Vec<Uuid>,
    /// `admin.listen`: host and port, `None` to serve no admin port.
    pub admin_listen: Option<(String, u16)>,
    /// Listeners and connections.
    pub network: NetworkConfig,
    /// Bounds of requests.
    pub requests: RequestConfig,
    /// Creation of topics.
    pub topics: TopicLimits,
    /// What all logs share.
    pub logs: LogConfig,
    /// Producers and transactions.
    pub producers: ProducerConfig,
    /// The journal and the engine below it.
    pub journal: JournalConfig,
    /// The log of the process.
    pub logging: LoggingConfig,
}

/// Listeners and connections.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkConfig {
    /// `listeners`: where to bind, at least one, names distinct.
    pub listeners: Vec<Endpoint>,
    /// `advertised.listeners`, one for each listener and in their order; a port 0 stands for the
    /// port that was bound.
    pub advertised_listeners: Vec<Endpoint>,
    /// `max.connections`.
    pub connections_max: usize,
    /// `max.connections.per.ip`.
    pub connections_per_ip_max: usize,
    /// `connections.max.idle.ms`.
    pub idle_max: Duration,
    /// `connections.max.in.flight.requests`.
    pub in_flight_requests_max: usize,
    /// `socket.listen.backlog.size`.
    pub backlog: u32,
}

/// Bounds of requests.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestConfig {
    /// `socket.request.max.bytes`.
    pub request_bytes_max: usize,
    /// `queued.max.request.bytes`: of the whole process; at least one request of the largest size.
    pub queued_bytes_max: usize,
    /// `fetch.max.bytes`.
    pub fetch_bytes_max: usize,
    /// `fetch.wait.ms.max`.
    pub fetch_wait_max: Duration,
    /// `replica.selector.class`: consumers are told to read from a replica in their rack.
    pub nearest_replicas: bool,
    /// `max.request.partition.size.limit`.
    pub partitions_per_request_max: usize,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_sessions_max: usize,
    /// `request.timeout.ms`.
    pub timeout: Duration,
}

/// Creation of topics.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicLimits {
    /// `auto.create.topics.enable`.
    pub auto_create: bool,
    /// `delete.topic.enable`.
    pub delete: bool,
    /// `num.partitions`.
    pub partitions_default: i32,
    /// `default.replication.factor`.
    pub replication_factor_default: i16,
    /// `create.topics.max`: topics in one request.
    pub topics_per_request_max: usize,
    /// `create.partitions.max`: partitions in one request.
    pub partitions_per_request_max: usize,
    /// `partitions.max`: partitions of this broker.
    pub partitions_max: usize,
}

/// What all logs share; what differs by topic is in [`TopicConfig`](super::TopicConfig).
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval: Duration,
    /// `log.retention.clock.jump.pause.ms`.
    pub clock_jump_pause: Duration,
    /// `log.tail.bytes.max`: memory for the ends of all logs.
    pub tail_bytes_max: usize,
    /// `log.write.behind.ms`.
    pub write_behind_age: Duration,
}

/// Producers and transactions.
#[derive(Clone, Debug, PartialEq)]
pub struct ProducerConfig {
    /// `producer.id.expiration.ms`.
    pub producer_id_expiration: Duration,
    /// `transactional.id.expiration.ms`.
    pub transactional_id_expiration: Duration,
    /// `transaction.max.timeout.ms`.
    pub transaction_timeout_max: Duration,
}

/// The journal and the engine below it.
#[derive(Clone, Debug, PartialEq)]
pub struct JournalConfig {
    /// `io.engine`.
    pub engine: IoEngine,
    /// `journal.files`.
    pub files: usize,
    /// `journal.file.bytes`, a multiple of 4096.
    pub file_bytes: u64,
    /// `journal.initial.file.bytes`, a multiple of 4096, at most `file_bytes`.
    pub initial_file_bytes: u64,
    /// `journal.commit.bytes.max`, a multiple of 4096, at most half of a file.
    pub commit_bytes_max: usize,
    /// `journal.depth`.
    pub depth: usize,
    /// `journal.bypass.batch.bytes.min`, `journal.bypass.backlog.bytes.min` and `journal.bypass.sync.bytes.min`.
    pub bypass: BypassConfig,
    /// `disk.free.bytes.min`; `None` for the default.
    pub free_bytes_min: Option<u64>,
    /// `journal.unsafe.no.sync`: loses acknowledged records; for tests of durability only.
    pub unsafe_no_sync: bool,
    /// `clock.unsafe.offset.file`: says by how much the wall clock is to be wrong; for tests only.
    pub unsafe_clock_file: Option<PathBuf>,
}

/// `io.engine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoEngine {
    /// io_uring where a probe shows that it works, else threads.
    Auto,
    /// io_uring, or no start.
    Uring,
    /// Plain calls on threads.
    Threads,
}

/// The log of the process.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggingConfig {
    /// `log.level`: a level, or directives by module.
    pub level: String,
    /// `log.format`.
    pub format: LogFormat,
}

/// `log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// An object per line.
    Json,
}

impl BrokerConfig {
    /// Takes the typed values, and checks what one setting demands of another.
    pub(super) fn from_settings(settings: &Settings) -> Result<BrokerConfig, Vec<Problem>> {
        let mut problems = Vec::new();
        let data_dirs = keep(data_dirs(settings), &mut problems).unwrap_or_default();
        let metadata_dir = keep(metadata_dir(settings, &data_dirs), &mut problems);
        let listeners = listeners(settings, &mut problems);
        let advertised = advertised_listeners(settings, &listeners, &mut problems);
        let config = BrokerConfig {
            node_id: settings.number("node.id"),
            cluster_id: settings.text("cluster.id"),
            cluster: keep(ClusterConfig::from_settings(settings), &mut problems)
                .unwrap_or_default(),
            rack: settings.text("broker.rack"),
            data_dirs,
            metadata_dir: metadata_dir.unwrap_or_default(),
            lost_dirs: keep(lost_dirs(settings), &mut problems).unwrap_or_default(),
            admin_listen: settings
                .text("admin.listen")
                .and_then(|text| Endpoint::parse_host_port(&text).ok()),
            network: NetworkConfig {
                listeners,
                advertised_listeners: advertised,
                connections_max: settings.number("max.connections"),
                connections_per_ip_max: settings.number("max.connections.per.ip"),
                idle_max: settings.millis("connections.max.idle.ms"),
                in_flight_requests_max: settings.number("connections.max.in.flight.requests"),
                backlog: settings.number("socket.listen.backlog.size"),
            },
            requests: RequestConfig::from_settings(settings),
            topics: TopicLimits::from_settings(settings),
            logs: LogConfig {
                retention_check_interval: settings.millis("log.retention.check.interval.ms"),
                clock_jump_pause: settings.millis("log.retention.clock.jump.pause.ms"),
                tail_bytes_max: settings.number("log.tail.bytes.max"),
                write_behind_age: settings.millis("log.write.behind.ms"),
            },
            producers: ProducerConfig {
                producer_id_expiration: settings.millis("producer.id.expiration.ms"),
                transactional_id_expiration: settings.millis("transactional.id.expiration.ms"),
                transaction_timeout_max: settings.millis("transaction.max.timeout.ms"),
            },
            journal: JournalConfig::from_settings(settings),
            logging: LoggingConfig::from_settings(settings),
        };
        problems.extend(config.contradictions(settings));
        problems.extend(group_coordinator::contradictions(settings));
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(problems)
        }
    }

    fn contradictions(&self, settings: &Settings) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut at_most = |name: &str, value: u64, other: &str, bound: u64, why: &str| {
            if value > bound {
                let setting = blamed(settings.get(name), settings.get(other));
                let message = format!("{name} is {value}, expected at most {bound}: {why}",);
                problems.push(Problem::new(
                    &setting.origin,
                    setting.definition.name,
                    message,
                ));
            }
        };
        let JournalConfig {
            file_bytes,
            initial_file_bytes,
            commit_bytes_max,
            ..
        } = self.journal;
        at_most(
            "journal.initial.file.bytes",
            initial_file_bytes,
            "journal.file.bytes",
            file_bytes,
            "the first file cannot be larger than the others (journal.file.bytes)",
        );
        at_most(
            "journal.commit.bytes.max",
            commit_bytes_max as u64,
            "journal.initial.file.bytes",
            initial_file_bytes.min(file_bytes) / 2,
            "two commits have to fit in the smallest journal file",
        );
        at_most(
            "socket.request.max.bytes",
            self.requests.request_bytes_max as u64,
            "queued.max.request.bytes",
            self.requests.queued_bytes_max as u64,
            "a request of the largest size has to fit in queued.max.request.bytes",
        );
        problems
    }
}

/// Of two settings that contradict each other, the one that someone set.
fn blamed<'a>(first: &'a Setting, second: &'a Setting) -> &'a Setting {
    if first.is_default() { second } else { first }
}

impl RequestConfig {
    fn from_settings(settings: &Settings) -> RequestConfig {
        RequestConfig {
            request_bytes_max: settings.number("socket.request.max.bytes"),
            queued_bytes_max: settings.number("queued.max.request.bytes"),
            fetch_bytes_max: settings.number("fetch.max.bytes"),
            fetch_wait_max: settings.millis("fetch.wait.ms.max"),
            nearest_replicas: settings.text("replica.selector.class").as_deref()
                == Some(RACK_AWARE_SELECTOR),
            partitions_per_request_max: settings.number("max.request.partition.size.limit"),
            fetch_sessions_max: settings.number("max.incremental.fetch.session.cache.slots"),
            timeout: settings.millis("request.timeout.ms"),
        }
    }
}

impl TopicLimits {
    fn from_settings(settings: &Settings) -> TopicLimits {
        TopicLimits {
            auto_create: settings.boolean("auto.create.topics.enable"),
            delete: settings.boolean("delete.topic.enable"),
            partitions_default: settings.number("num.partitions"),
            replication_factor_default: settings.number("default.replication.factor"),
            topics_per_request_max: settings.number("create.topics.max"),
            partitions_per_request_max: settings.number("create.partitions.max"),
            partitions_max: settings.number("partitions.max"),
        }
    }
}

impl JournalConfig {
    fn from_settings(settings: &Settings) -> JournalConfig {
        JournalConfig {
            engine: match settings.text("io.engine").as_deref() {
                Some("uring") => IoEngine::Uring,
                Some("threads") => IoEngine::Threads,
                _ => IoEngine::Auto,
            },
            files: settings.number("journal.files"),
            file_bytes: settings.number("journal.file.bytes"),
            initial_file_bytes: settings.number("journal.initial.file.bytes"),
            commit_bytes_max: settings.number("journal.commit.bytes.max"),
            depth: settings.number("journal.depth"),
            bypass: BypassConfig {
                batch_bytes_min: Some(settings.number("journal.bypass.batch.bytes.min"))
                    .filter(|bytes| *bytes > 0),
                backlog_bytes_min: settings.number("journal.bypass.backlog.bytes.min"),
                sync_bytes_min: settings.number("journal.bypass.sync.bytes.min"),
            },
            free_bytes_min: u64::try_from(settings.number::<i64>("disk.free.bytes.min")).ok(),
            unsafe_no_sync: settings.boolean("journal.unsafe.no.sync"),
            unsafe_clock_file: settings.text("clock.unsafe.offset.file").map(PathBuf::from),
        }
    }
}

impl LoggingConfig {
    fn from_settings(settings: &Settings) -> LoggingConfig {
        LoggingConfig {
            level: settings.text("log.level").unwrap_or_default(),
            format: match settings.text("log.format").as_deref() {
                Some("json") => LogFormat::Json,
                _ => LogFormat::Text,
            },
        }
    }
}

impl Settings {
    /// A truth.
    pub(crate) fn boolean(&self, name: &str) -> bool {
        matches!(self.get(name).value, Some(Value::Boolean(true)))
    }

    /// A whole number, in the type that its bounds in the table fit.
    pub(crate) fn number<T: TryFrom<i64>>(&self, name: &str) -> T {
        let number = match self.get(name).value {
            Some(Value::Integer(value)) => T::try_from(value).ok(),
            _ => None,
        };
        match number {
            Some(number) => number,
            None => panic!("the bounds of {name} are wider than its type"),
        }
    }

    fn millis(&self, name: &str) -> Duration {
        Duration::from_millis(self.number(name))
    }

    /// A text, `None` for an empty one.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).text().filter(|text| !text.is_empty())
    }

    pub(super) fn list(&self, name: &str) -> &[String] {
        match &self.get(name).value {
            Some(Value::List(values)) => values,
            _ => &[],
        }
    }
}

pub(super) fn keep<T>(result: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

fn data_dirs(settings: &Settings) -> Result<Vec<PathBuf>, Problem> {
    let name = if settings.list("log.dirs").is_empty() {
        "log.dir"
    } else {
        "log.dirs"
    };
    let problem = |message| Problem::new(&settings.get(name).origin, name, message);
    let mut dirs: Vec<PathBuf> = Vec::new();
    for dir in settings.list(name) {
        if dir.is_empty() {
            let message = "expected directories, found an empty name".to_owned();
            return Err(problem(message));
        }
        let dir = PathBuf::from(dir);
        if let Some(message) = overlap(&dirs, &dir) {
            return Err(problem(message));
        }
        dirs.push(dir);
    }
    if dirs.is_empty() {
        return Err(problem("expected a directory, found nothing".to_owned()));
    }
    Ok(dirs)
}

fn metadata_dir(settings: &Settings, data_dirs: &[PathBuf]) -> Result<PathBuf, Problem> {
    const NAME: &str = "metadata.log.dir";
    let Some(dir) = settings.text(NAME) else {
        return Ok(data_dirs.first().cloned().unwrap_or_default());
    };
    let dir = PathBuf::from(dir);
    let others: Vec<PathBuf> = data_dirs.iter().filter(|it| **it != dir).cloned().collect();
    match overlap(&others, &dir) {
        Some(message) => Err(Problem::new(&settings.get(NAME).origin, NAME, message)),
        None => Ok(dir),
    }
}

fn lost_dirs(settings: &Settings) -> Result<Vec<Uuid>, Problem> {
    const NAME: &str = "log.dirs.lost";
    let ids = settings.list(NAME).iter().map(|text| {
        parse_base64_uuid(text).ok_or_else(|| {
            let message = format!("expected ids of data directories, found \"{text}\"");
            Problem::new(&settings.get(NAME).origin, NAME, message)
        })
    });
    ids.collect()
}

/// Why a directory cannot stand beside the others, if it cannot: one is, or lies in, the other.
fn overlap(others: &[PathBuf], dir: &Path) -> Option<String> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mine = absolute(dir);
    let other = others.iter().find(|other| {
        let other = absolute(other);
        mine.starts_with(&other) || other.starts_with(&mine)
    })?;
    Some(format!(
        "expected directories apart from each other, found {} and {}",
        other.display(),
        dir.display()
    ))
}
