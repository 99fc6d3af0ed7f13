//! What is wrong with a broker that serves all the same, in words: for who asks whether it is ready.

use std::time::Duration;

use crate::broker::Broker;
use crate::clock::monotonic_ms;
use crate::data_dirs::DirectoryState;

/// Whatever there is; nothing, if all is well.
pub fn complaints(broker: &Broker) -> Vec<String> {
    let mut complaints = Vec::new();
    let contact = broker.node.contact();
    let now_ms = monotonic_ms();
    if contact.is_lost(now_ms) {
        let silent = now_ms.saturating_sub(contact.answered_ms());
        let silent = Duration::from_millis(u64::try_from(silent).unwrap_or(0));
        complaints.push(format!(
            "no controller has answered for {} s: others may lead in this broker's place",
            silent.as_secs()
        ));
    }
    if contact.hands_on() {
        complaints.push("the disk hangs: leaderships are handed on".to_owned());
    }
    let image = broker.metadata.image();
    if image.broker(broker.id).is_some_and(|it| it.fenced) {
        complaints.push("fenced: it leads nothing".to_owned());
    }
    let short = broker.data_dirs.short_of_space();
    for directory in broker.data_dirs.directories() {
        let path = directory.path().display();
        if let DirectoryState::Offline(why) = directory.state() {
            complaints.push(format!("{path} is offline: {why}"));
        }
        if directory.id().is_some_and(|id| short.contains(&id)) {
            complaints.push(format!("{path} is short of space: writes are refused"));
        }
    }
    complaints
}
