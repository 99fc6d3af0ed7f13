//! Whether the process of another broker is there.

use std::time::Duration;

use super::wire::{Reply, Request};
use super::{Peer, PeerError};

/// How long a broker keeps the question open that only tells who asks that it is there.
pub const WATCH: Duration = Duration::from_secs(5);
/// Before a broker is asked again that cannot be reached, or does not want to answer.
const RETRY: Duration = Duration::from_millis(200);

impl Peer {
    /// Ends when its process is gone: its address has refused connections twice in a row. A connection that is reset proves nothing by itself, and silence
    /// even less.
    pub async fn until_gone(&self) {
        let mut refused = 0;
        let mut was_lost = false;
        while refused < 2 {
            match self.ask(&Request::Watch, WATCH * 2).await {
                Ok(Reply::Heard) => (refused, was_lost) = (0, false),
                Err(PeerError::Refused { .. }) => refused += 1,
                // The connection is gone. Whether the process is too, another attempt says at once.
                Err(PeerError::Io { .. }) if !was_lost => (refused, was_lost) = (0, true),
                // It may be starting, or cannot be reached.
                _ => {
                    tokio::time::sleep(RETRY).await;
                    (refused, was_lost) = (0, false);
                }
            }
        }
    }
}
