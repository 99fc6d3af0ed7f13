//! What follows when a directory goes offline while the broker runs.

use std::sync::Arc;

use broker_controller::decide::RegisterBroker;

use super::DataDirs;
use crate::broker::Broker;

/// Follows the directories for as long as the broker can be: closes the partitions of one that went offline, and has the metadata
/// say that they have no leader. Returns why the broker must end.
pub async fn follow(broker: &Arc<Broker>) -> String {
    let mut failures = broker.data_dirs.failures();
    let mut registered = broker.registration.directories.clone();
    loop {
        let usable = broker.data_dirs.usable();
        if usable != registered {
            broker.partitions.close_offline();
        }
        if let Some(reason) = fatal(&broker.data_dirs) {
            return reason;
        }
        if usable != registered {
            let registration = RegisterBroker {
                directories: usable.clone(),
                ..broker.registration.clone()
            };
            let outcome = broker.metadata.submit(&registration).await;
            if let Err(error) = outcome.and_then(|outcome| outcome) {
                return format!(
                    "the metadata cannot follow a data directory that went offline: {error}"
                );
            }
            registered = usable;
        }
        if failures.changed().await.is_err() {
            // The directories are gone, and so is the broker.
            std::future::pending::<()>().await;
        }
    }
}

/// Why there is no broker with these directories, if so.
fn fatal(data_dirs: &DataDirs) -> Option<String> {
    let metadata = data_dirs.metadata();
    if metadata.online().is_none() {
        return Some(format!(
            "the data directory with the metadata, {}, went offline",
            metadata.path().display()
        ));
    }
    let none = data_dirs.usable().is_empty();
    none.then(|| "the last data directory went offline".to_owned())
}
