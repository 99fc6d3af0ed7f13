//! How records get to who fetches them.

use super::atomics::Counter;
use super::exposition::Exposition;

/// Bytes of record batches in answers to fetches.
#[derive(Debug, Default)]
pub struct FetchMetrics {
    /// Through memory of this process: from the ends of logs, or read from segments and verified.
    pub memory: Counter,
    /// From the page cache to the socket, without a copy.
    pub page_cache: Counter,
}

impl FetchMetrics {
    pub(super) fn expose(&self, out: &mut Exposition) {
        let help = "Bytes of record batches fetched: through the broker's memory, or sent from the page cache as they are.";
        out.counter("holdfast_fetch_record_bytes_total", help)
            .value(&[("from", "memory")], self.memory.get())
            .value(&[("from", "page_cache")], self.page_cache.get());
    }
}
