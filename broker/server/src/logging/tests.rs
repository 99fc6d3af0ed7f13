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

fn logged(level: &str, format: LogFormat) -> String {
    let captured = Captured::default();
    let config = LoggingConfig {
        level: level.to_owned(),
        format,
    };
    let writer = captured.clone();
    let subscriber = subscriber(&config, move || writer.clone(), false).expect("a valid level");
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(topic = "orders", partition = 3, "appended");
        tracing::debug!("a detail");
    });
    let bytes = captured.0.lock().expect("not poisoned").clone();
    String::from_utf8(bytes).expect("UTF-8")
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
