//! The broker that is to be killed.

use peer::{ApacheKafka, Cluster, Holdfast, PeerError};

/// A single broker that can be killed and started again on its data.
pub trait Victim {
    /// `host:port` of its Kafka listener.
    fn address(&self) -> String;

    /// SIGKILL, and waits until the process is gone.
    fn kill9(&mut self);

    /// Starts it again, and waits until it is ready.
    fn restart(&mut self) -> Result<(), PeerError>;

    /// Starts it again without waiting, to be killed while it recovers.
    fn relaunch(&mut self) -> Result<(), PeerError>;

    /// SIGTERM, and waits for the end.
    fn stop(&mut self) -> Result<(), PeerError>;

    /// The last lines it logged.
    fn log_tail(&self) -> String;
}

impl Victim for Holdfast {
    fn address(&self) -> String {
        self.bootstrap()
    }

    fn kill9(&mut self) {
        Holdfast::kill9(self);
    }

    fn restart(&mut self) -> Result<(), PeerError> {
        Holdfast::restart(self)
    }

    fn relaunch(&mut self) -> Result<(), PeerError> {
        Holdfast::relaunch(self)
    }

    fn stop(&mut self) -> Result<(), PeerError> {
        Holdfast::stop(self).map(drop)
    }

    fn log_tail(&self) -> String {
        Cluster::log_tail(self)
    }
}

impl Victim for ApacheKafka {
    fn address(&self) -> String {
        self.bootstrap()
    }

    fn kill9(&mut self) {
        ApacheKafka::kill9(self, 0);
    }

    fn restart(&mut self) -> Result<(), PeerError> {
        ApacheKafka::restart(self, 0)
    }

    /// Its start takes seconds in which it does not touch its data, so that it is not worth it.
    fn relaunch(&mut self) -> Result<(), PeerError> {
        Ok(())
    }

    fn stop(&mut self) -> Result<(), PeerError> {
        ApacheKafka::stop(self, 0)
    }

    fn log_tail(&self) -> String {
        Cluster::log_tail(self)
    }
}
