//! Which brokers clients are told of.
//!
//! Kafka lists who is not fenced, and fences one that is dead after `broker.session.timeout.ms`, 9 s. Here it is fenced within moments. A client forgets a broker that is
//! not listed: librdkafka (since 2.10) gives up what was on its way to it, and looks for the leader of what is left only a second later; told of one broker alone,
//! it has nobody to ask once that one is gone. So a broker stays in the list for as long as it would with Kafka. That it leads nothing is said at once.

use std::collections::BTreeMap;

use broker_controller::MetadataImage;
use broker_controller::image::BrokerRegistration;
use parking_lot::Mutex;
use protocol::model::BrokerId;

/// For so long a broker that is fenced is listed: Kafka's `broker.session.timeout.ms`.
const LISTED_MS: i64 = 9_000;

/// When brokers were fenced, as far as was seen here.
#[derive(Debug, Default)]
pub struct ListedBrokers(Mutex<BTreeMap<BrokerId, i64>>);

impl ListedBrokers {
    /// Looks at an image, by a clock that never jumps. One that is fenced in the first has just been, as far as anybody here knows.
    pub fn on_image(&self, now_ms: i64, image: &MetadataImage) {
        let mut fenced = self.0.lock();
        let before = std::mem::take(&mut *fenced);
        for broker in image.brokers().filter(|broker| broker.fenced) {
            let since = before.get(&broker.broker_id).copied();
            fenced.insert(broker.broker_id, since.unwrap_or(now_ms));
        }
    }

    /// Those of an image that are listed, by their ids.
    pub fn of<'a>(&self, now_ms: i64, image: &'a MetadataImage) -> Vec<&'a BrokerRegistration> {
        let fenced = self.0.lock();
        let is_listed = |broker: &&BrokerRegistration| {
            let since = fenced.get(&broker.broker_id);
            !broker.fenced || since.is_none_or(|since| now_ms - since < LISTED_MS)
        };
        image.brokers().map(|it| &**it).filter(is_listed).collect()
    }
}

#[cfg(test)]
mod tests;
