//! The levels of the log, by logger, and their change while the process runs: Kafka's `LoggingController` (KIP-412).
//!
//! A logger is a module of the code, `broker.net` for `broker::net`, since Kafka's tools take no colons; one without a level of its own has
//! that of the module around it, and at last that of `root`. Levels are Kafka's; FATAL is ERROR here.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The logger above all.
pub const ROOT_LOGGER: &str = "root";

/// Kafka's levels (`LogLevelConfig`), by name.
pub const LOG_LEVELS: [&str; 6] = ["DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"];

/// The modules that log, by name. What lies in them can be named too.
pub const LOGGERS: &[&str] = &[
    "broker",
    "broker.admin",
    "broker.api",
    "broker.balance",
    "broker.broker",
    "broker.coordinator",
    "broker.data_dirs",
    "broker.departure",
    "broker.follow",
    "broker.internal",
    "broker.liveness",
    "broker.logging",
    "broker.net",
    "broker.node",
    "broker.panics",
    "broker.partition",
    "broker.quorum",
    "broker.replication",
    "broker.run",
    "broker.space",
    "holdfast",
    "openraft",
    "storage",
    "storage.data_dir",
    "storage.io",
    "storage.journal",
    "storage.log",
];

/// What tells of its inner life, and calls a voter that is away an error: it says nothing unless it is given a level. What matters of it, this crate says.
const QUIET: (&str, LevelFilter) = ("openraft", LevelFilter::OFF);

/// Loggers with a level of their own.
const OWN_LEVELS_MAX: usize = 200;

/// Installs a filter in the place of the one before.
pub(super) type Install = Box<dyn Fn(EnvFilter) + Send + Sync>;

/// Why a level is not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoggerError {
    /// No module of that name logs.
    #[error("Logger {0} does not exist!")]
    Unknown(String),
    /// More of them would slow every event down.
    #[error("At most {OWN_LEVELS_MAX} loggers can have a level of their own.")]
    TooMany,
}

/// The levels of a process's log.
pub struct Loggers {
    levels: Mutex<Levels>,
    install: Install,
}

impl std::fmt::Debug for Loggers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Loggers({})", self.levels.lock().directives())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Levels {
    root: LevelFilter,
    /// By the module's name.
    by_module: BTreeMap<String, LevelFilter>,
    /// Directives that are more than a level for a module (of spans and fields, say). They stay as they are.
    others: Vec<String>,
}

impl Loggers {
    /// As `log.level` has them.
    pub(super) fn new(directives: &str, install: Install) -> Loggers {
        Loggers {
            levels: Mutex::new(Levels::parse(directives)),
            install,
        }
    }

    /// The filter of `log.level` at the start.
    pub(super) fn filter(directives: &str) -> Result<EnvFilter, ParseError> {
        // As it was said, so that an error is about that.
        EnvFilter::try_new(directives)?;
        EnvFilter::try_new(Levels::parse(directives).directives())
    }

    /// For a process whose log nobody has set up: levels that nothing follows.
    pub fn detached() -> Loggers {
        Loggers::new("info", Box::new(|_| {}))
    }

    /// Every logger and its level, `root` too, by name.
    pub fn levels(&self) -> BTreeMap<String, &'static str> {
        let levels = self.levels.lock();
        let named = LOGGERS.iter().map(|name| module_of(name));
        let configured = levels.by_module.keys().cloned();
        let mut all: BTreeMap<String, &'static str> = named
            .chain(configured)
            .map(|module| (logger_of(&module), level_name(levels.of(&module))))
            .collect();
        all.insert(ROOT_LOGGER.to_owned(), level_name(levels.root));
        all
    }

    /// Whether a module of that name logs.
    pub fn check(&self, name: &str) -> Result<(), LoggerError> {
        let holds = |logger: &&str| {
            let inner = name.strip_prefix(*logger);
            logger.contains('.') && inner.is_some_and(|inner| is_path(&module_of(inner)))
        };
        let is_configured = || self.levels.lock().by_module.contains_key(&module_of(name));
        if name.contains(':') {
            Err(LoggerError::Unknown(name.to_owned()))
        } else if name == ROOT_LOGGER
            || LOGGERS.contains(&name)
            || LOGGERS.iter().any(holds)
            || is_configured()
        {
            Ok(())
        } else {
            Err(LoggerError::Unknown(name.to_owned()))
        }
    }

    /// Gives loggers levels, all of them or none; `None` takes a logger's own level away. In force when this returns.
    pub fn set(&self, changes: &[(&str, Option<&str>)]) -> Result<(), LoggerError> {
        let mut levels = self.levels.lock();
        let mut next = levels.clone();
        for (name, level) in changes {
            match level.map(level_of) {
                None => _ = next.by_module.remove(&module_of(name)),
                Some(None) => {}
                Some(Some(level)) if *name == ROOT_LOGGER => next.root = level,
                Some(Some(level)) => _ = next.by_module.insert(module_of(name), level),
            }
        }
        if next.by_module.len() > OWN_LEVELS_MAX {
            return Err(LoggerError::TooMany);
        }
        *levels = next;
        // It was valid, and levels of modules are valid.
        if let Ok(filter) = EnvFilter::try_new(levels.directives()) {
            (self.install)(filter);
        }
        Ok(())
    }
}

impl Levels {
    fn parse(directives: &str) -> Levels {
        let mut levels = Levels {
            // What `EnvFilter` does where nothing is said.
            root: LevelFilter::ERROR,
            by_module: BTreeMap::new(),
            others: Vec::new(),
        };
        for directive in directives.split(',').map(str::trim) {
            if let Ok(level) = directive.parse() {
                levels.root = level;
                continue;
            }
            match directive.split_once('=') {
                Some((module, level))
                    if is_path(&format!("::{module}")) && level.parse::<LevelFilter>().is_ok() =>
                {
                    let level = level.parse().unwrap_or(LevelFilter::ERROR);
                    levels.by_module.insert(module.to_owned(), level);
                }
                _ => levels.others.push(directive.to_owned()),
            }
        }
        levels
    }

    /// In the form of `log.level`.
    fn directives(&self) -> String {
        let root = std::iter::once(self.root.to_string());
        let loggers = self
            .by_module
            .iter()
            .map(|(name, level)| format!("{name}={level}"));
        let (quiet, _) = QUIET;
        let quiet =
            (!self.by_module.contains_key(quiet)).then(|| format!("{quiet}={}", self.of(quiet)));
        let all: Vec<String> = root
            .chain(loggers)
            .chain(quiet)
            .chain(self.others.iter().cloned())
            .collect();
        all.join(",")
    }

    /// `EnvFilter` takes the longest name that the module's begins with.
    fn of(&self, name: &str) -> LevelFilter {
        let around = self
            .by_module
            .iter()
            .filter(|(module, _)| name.starts_with(module.as_str()));
        let own = around.max_by_key(|(module, _)| module.len());
        match own {
            Some((_, level)) => *level,
            None if name.starts_with(QUIET.0) => self.root.min(QUIET.1),
            None => self.root,
        }
    }
}

fn module_of(logger: &str) -> String {
    logger.replace('.', "::")
}

fn logger_of(module: &str) -> String {
    module.replace("::", ".")
}

/// `::module::module`.
fn is_path(text: &str) -> bool {
    let mut parts = text.split("::");
    parts.next() == Some("")
        && parts.all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
}

fn level_of(name: &str) -> Option<LevelFilter> {
    match name {
        "FATAL" | "ERROR" => Some(LevelFilter::ERROR),
        "WARN" => Some(LevelFilter::WARN),
        "INFO" => Some(LevelFilter::INFO),
        "DEBUG" => Some(LevelFilter::DEBUG),
        "TRACE" => Some(LevelFilter::TRACE),
        _ => None,
    }
}

fn level_name(level: LevelFilter) -> &'static str {
    match level.into_level() {
        None => "OFF",
        Some(level) => level.as_str(),
    }
}
