use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .expect("not poisoned")
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Captured {
    /// What was written since the last time.
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().expect("not poisoned"));
        String::from_utf8(bytes).expect("UTF-8")
    }
}

fn logged(level: &str, format: LogFormat) -> String {
    let captured = Captured::default();
    let config = LoggingConfig {
        level: level.to_owned(),
        format,
    };
    let writer = captured.clone();
    let (subscriber, _) =
        subscriber(&config, move || writer.clone(), false).expect("a valid level");
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(topic = "orders", partition = 3, "appended");
        tracing::debug!("a detail");
    });
    captured.take()
}

#[test]
fn text_has_the_level_the_phrase_and_the_fields() {
    let text = logged("info", LogFormat::Text);
    assert!(text.contains("INFO") && text.contains("appended"), "{text}");
    assert!(text.contains("topic=\"orders\" partition=3"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours: {text:?}");
}

#[test]
fn json_is_one_object_per_line() {
    let text = logged("info", LogFormat::Json);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1, "{text}");
    let object: serde_json::Value = serde_json::from_str(lines[0]).expect("JSON");
    assert_eq!(object["message"], "appended");
    assert_eq!(object["topic"], "orders");
    assert_eq!(object["partition"], 3);
    assert_eq!(object["level"], "INFO");
}

#[test]
fn the_level_counts_by_module_too() {
    assert!(!logged("info", LogFormat::Text).contains("a detail"));
    assert!(logged("debug", LogFormat::Text).contains("a detail"));
    assert_eq!(logged("error", LogFormat::Text), "");
    let this = "warn,broker::logging=debug";
    assert!(logged(this, LogFormat::Text).contains("a detail"));
    assert_eq!(logged("warn,another=debug", LogFormat::Text), "");
}

/// A log of text at a level, and its loggers, for the time of `test`.
fn with_loggers(level: &str, format: LogFormat, test: impl FnOnce(&Captured, &Loggers)) {
    let captured = Captured::default();
    let config = LoggingConfig {
        level: level.to_owned(),
        format,
    };
    let writer = captured.clone();
    let (subscriber, loggers) =
        subscriber(&config, move || writer.clone(), false).expect("a valid level");
    tracing::subscriber::with_default(subscriber, || test(&captured, &loggers));
}

fn detail() {
    tracing::debug!("a detail");
}

#[test]
fn levels_change_while_the_process_runs() {
    for format in [LogFormat::Text, LogFormat::Json] {
        with_loggers("info", format, |captured, loggers| {
            let is_logged = || {
                detail();
                captured.take().contains("a detail")
            };
            assert!(!is_logged());
            let steps: [(&str, Option<&str>, bool); 6] = [
                ("broker.logging.tests", Some("DEBUG"), true),
                ("broker.logging", Some("ERROR"), true),
                ("broker.logging.tests", None, false),
                ("root", Some("TRACE"), false),
                ("broker.logging", None, true),
                ("root", Some("FATAL"), false),
            ];
            for (logger, level, expected) in steps {
                loggers.check(logger).expect("it logs");
                loggers.set(&[(logger, level)]).expect("few");
                assert_eq!(is_logged(), expected, "{logger} {level:?}");
            }
        });
    }
}

#[test]
fn loggers_are_told_with_the_level_in_force() {
    with_loggers(
        "warn,broker::net=debug,broker::net::server=off,[span]=info",
        LogFormat::Text,
        |_, loggers| {
            let levels = loggers.levels();
            let expected = [
                ("root", "WARN"),
                ("broker", "WARN"),
                ("broker.net", "DEBUG"),
                ("broker.net.server", "OFF"),
                ("storage.log", "WARN"),
            ];
            for (logger, level) in expected {
                assert_eq!(levels.get(logger), Some(&level), "{logger}");
            }
            assert_eq!(levels.len(), LOGGERS.len() + 2);
            loggers
                .set(&[("root", Some("ERROR")), ("storage", Some("INFO"))])
                .expect("few");
            let levels = loggers.levels();
            assert_eq!((levels["root"], levels["storage.log"]), ("ERROR", "INFO"));
            assert_eq!(
                format!("{loggers:?}"),
                "Loggers(error,broker::net=debug,broker::net::server=off,storage=info,openraft=off,[span]=info)"
            );
        },
    );
}

#[test]
fn only_modules_that_log_have_levels_and_not_too_many() {
    let loggers = Loggers::detached();
    for known in [
        "root",
        "broker",
        "broker.net",
        "broker.net.connection.ending",
        "storage.io.uring",
    ] {
        assert_eq!(loggers.check(known), Ok(()), "{known}");
    }
    for unknown in [
        "",
        "ROOT",
        "kafka",
        "brokers",
        "broker.",
        "broker.nets",
        "broker.net.",
        "broker.net.a=debug",
        "broker.net.a,trace",
        "broker..net",
        "broker::net",
        "broker.x.y",
    ] {
        let error = loggers.check(unknown).expect_err(unknown);
        assert_eq!(
            error.to_string(),
            format!("Logger {unknown} does not exist!")
        );
    }
    let names: Vec<String> = (0..300).map(|i| format!("broker.net.m{i}")).collect();
    let many: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), Some("INFO")))
        .collect();
    assert_eq!(loggers.set(&many), Err(LoggerError::TooMany));
    assert_eq!(loggers.levels().len(), LOGGERS.len() + 1, "all or none");
    loggers.set(&many[..200]).expect("as many as may be");
}

/// Every module that logs is a logger.
#[test]
fn no_logger_is_missing() {
    let server = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let storage = server.join("../../storage/src");
    for (name, sources) in [("broker", server.join("src")), ("storage", storage)] {
        for entry in std::fs::read_dir(&sources).expect("the sources") {
            let path = entry.expect("an entry").path();
            let module = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let is_root = ["lib", "main", "testing", "fixture"].contains(&module.as_str());
            let logger = format!("{name}.{module}");
            if !is_root && logs(&path) {
                assert!(LOGGERS.contains(&logger.as_str()), "{logger} logs");
            }
        }
    }
    assert!(LOGGERS.is_sorted());
}

fn logs(path: &std::path::Path) -> bool {
    if path.is_dir() {
        let mut entries = std::fs::read_dir(path).expect("a directory");
        return entries.any(|entry| logs(&entry.expect("an entry").path()));
    }
    let source = std::fs::read_to_string(path).expect("a source");
    ["error!", "warn!", "info!", "debug!", "trace!"]
        .iter()
        .any(|macro_| source.contains(&format!("tracing::{macro_}")))
}

#[test]
fn consensus_says_nothing_unless_it_is_asked() {
    let said = |level: &str| {
        let captured = Captured::default();
        let config = LoggingConfig {
            level: level.to_owned(),
            format: LogFormat::Text,
        };
        let writer = captured.clone();
        let (subscriber, _) =
            subscriber(&config, move || writer.clone(), false).expect("a valid level");
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "openraft::core", "become leader");
            tracing::warn!(target: "openraft::core", "a warning");
        });
        captured.take()
    };
    for level in ["info", "trace"] {
        let text = said(level);
        assert_eq!(text, "");
    }
    assert_eq!(said("error"), "");
    assert!(said("warn,openraft=info").contains("become leader"));
}
