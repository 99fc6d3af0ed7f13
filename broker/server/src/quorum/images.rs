//! The newest image on this node, and who reacts to it.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use broker_controller::{Applied, MetadataDelta, MetadataImage, MetadataRecord};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Reacts to a new image before anybody is answered because of it.
pub trait ImageListener: Send + Sync {
    /// Begins with this image. The next one it hears of is the one after.
    fn begin(&self, image: &Arc<MetadataImage>);

    /// The image is about to change by `delta`: what is new in it is made.
    fn on_image(&self, image: &Arc<MetadataImage>, delta: &MetadataDelta);

    /// The image changed by `delta`: what is gone from it is removed.
    fn on_image_published(&self, image: &Arc<MetadataImage>, delta: &MetadataDelta);
}

/// An image, and where in the metadata log it is.
#[derive(Clone, Debug, Default)]
pub struct Version {
    /// The image.
    pub image: Arc<MetadataImage>,
    /// The index of the entry that led to it; 0 for none.
    pub index: u64,
}

/// Images, one after the other. One task changes them.
pub struct Images {
    newest: ArcSwap<Version>,
    listener: OnceLock<Arc<dyn ImageListener>>,
    /// Held from one image to the next.
    order: Mutex<()>,
    /// The index of the last entry that was applied, whatever it was about.
    applied: watch::Sender<u64>,
}

impl Images {
    /// Begins with this one.
    pub fn new(version: Version, applied: u64) -> Images {
        Images {
            newest: ArcSwap::from_pointee(version),
            listener: OnceLock::new(),
            order: Mutex::new(()),
            applied: watch::Sender::new(applied),
        }
    }

    /// Names who reacts to images from the newest on. Once. Done means: it has begun.
    pub fn set_listener(&self, listener: Arc<dyn ImageListener>) {
        let _order = self.order.lock();
        listener.begin(&self.newest().image);
        assert!(
            self.listener.set(listener).is_ok(),
            "images have one listener"
        );
    }

    /// The newest.
    pub fn newest(&self) -> Arc<Version> {
        self.newest.load_full()
    }

    /// Applies the records of the entry at `index`, if the newest image is that which they were decided on. Done means: published, and reacted to. Returns
    /// whether it was.
    pub fn apply(&self, index: u64, base: u64, records: &[MetadataRecord]) -> bool {
        let _order = self.order.lock();
        let newest = self.newest.load();
        if newest.index != base {
            return false;
        }
        let Applied { image, delta } = newest.image.apply(records);
        self.publish(
            Version {
                image: Arc::new(image),
                index,
            },
            &delta,
        );
        true
    }

    /// Takes over a snapshot, unless what is here is as new.
    pub fn replace(&self, version: Version) {
        let _order = self.order.lock();
        let newest = self.newest.load();
        if version.index <= newest.index {
            return;
        }
        let delta = MetadataDelta::between(&newest.image, &version.image);
        self.publish(version, &delta);
    }

    fn publish(&self, version: Version, delta: &MetadataDelta) {
        let image = Arc::clone(&version.image);
        // Partitions are there before the image says so and as long as it does, so that who reads the image finds them.
        let listener = self.listener.get();
        if let Some(listener) = listener {
            listener.on_image(&image, delta);
        }
        self.newest.store(Arc::new(version));
        if let Some(listener) = listener {
            listener.on_image_published(&image, delta);
        }
    }

    /// Everything through `index` is applied.
    pub fn set_applied(&self, index: u64) {
        self.applied.send_if_modified(|applied| {
            let is_more = index > *applied;
            *applied = index.max(*applied);
            is_more
        });
    }

    /// The index of the last entry that is applied.
    pub fn applied(&self) -> u64 {
        *self.applied.borrow()
    }

    /// Waits until everything through `index` is applied.
    pub async fn wait_applied(&self, index: u64) {
        let mut applied = self.applied.subscribe();
        // The sender lives as long as this.
        let _ = applied.wait_for(|applied| *applied >= index).await;
    }
}
