//! What this broker has done for the cluster: as a leader of partitions, and as the controller.

use broker_controller::Elections;

use super::atomics::Counter;
use super::exposition::Exposition;
use super::histogram::Histogram;

/// Counts of leaders, and of the controller.
#[derive(Debug)]
pub struct ClusterMetrics {
    /// Times that the ISR of a partition led here became smaller.
    pub isr_shrinks: Counter,
    /// Times that it became larger.
    pub isr_expands: Counter,
    /// Bytes of batches given to followers.
    pub replication_bytes_out: Counter,
    /// Bytes of batches that leaders have given.
    pub replication_bytes_in: Counter,
    /// Those of the first that are throttled.
    pub leader_throttled_bytes: Counter,
    /// Those of the second that are throttled.
    pub follower_throttled_bytes: Counter,
    from_isr: Counter,
    from_elr: Counter,
    unclean: Counter,
    /// Each time a broker was fenced: from when it was heard last until others led what it had led.
    pub failovers: Histogram,
}

impl Default for ClusterMetrics {
    fn default() -> ClusterMetrics {
        ClusterMetrics {
            isr_shrinks: Counter::default(),
            isr_expands: Counter::default(),
            replication_bytes_out: Counter::default(),
            replication_bytes_in: Counter::default(),
            leader_throttled_bytes: Counter::default(),
            follower_throttled_bytes: Counter::default(),
            from_isr: Counter::default(),
            from_elr: Counter::default(),
            unclean: Counter::default(),
            failovers: Histogram::of_latencies(),
        }
    }
}

impl ClusterMetrics {
    /// Leaders were elected.
    pub fn on_elections(&self, elections: Elections) {
        self.from_isr.add(elections.from_isr);
        self.from_elr.add(elections.from_elr);
        self.unclean.add(elections.unclean);
    }

    pub(super) fn expose(&self, out: &mut Exposition) {
        let counters = [
            (
                "kafka_server_replicamanager_isrshrinks_total",
                "Times that the ISR of a partition led here became smaller.",
                &self.isr_shrinks,
            ),
            (
                "kafka_server_replicamanager_isrexpands_total",
                "Times that the ISR of a partition led here became larger.",
                &self.isr_expands,
            ),
            (
                "kafka_server_brokertopicmetrics_replicationbytesout_total",
                "Bytes given to followers.",
                &self.replication_bytes_out,
            ),
            (
                "kafka_server_brokertopicmetrics_replicationbytesin_total",
                "Bytes that leaders have given to replicas here.",
                &self.replication_bytes_in,
            ),
            (
                "holdfast_replication_leader_throttled_bytes_total",
                "Bytes given to followers under leader.replication.throttled.rate.",
                &self.leader_throttled_bytes,
            ),
            (
                "holdfast_replication_follower_throttled_bytes_total",
                "Bytes that leaders have given under follower.replication.throttled.rate.",
                &self.follower_throttled_bytes,
            ),
            (
                "kafka_controller_controllerstats_electionfromeligibleleaderreplicas_total",
                "Leaders that this broker, as the controller, elected from the eligible leader replicas.",
                &self.from_elr,
            ),
            (
                "kafka_controller_controllerstats_uncleanleaderelections_total",
                "Leaders that this broker, as the controller, elected though they may lack acknowledged records.",
                &self.unclean,
            ),
            (
                "holdfast_controller_elections_total",
                "Leaders that this broker, as the controller, elected from the ISR.",
                &self.from_isr,
            ),
        ];
        for (name, help, counter) in counters {
            out.counter(name, help).value(&[], counter.get());
        }
        out.histogram(
            "holdfast_controller_failover_seconds",
            "From when a broker was heard last until others led what it had led.",
        )
        .distribution(&[], &self.failovers);
    }
}
