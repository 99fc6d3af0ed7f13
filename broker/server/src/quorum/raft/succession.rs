//! A leader whose process is gone has a successor at once.
//!
//! By Raft alone it takes as long as a silent one: a voter grants no vote before it has heard nothing of a leader for the longest election timeout (openraft's lease),
//! and asks for votes a random time later. But whoever asks for votes itself has given that leader up, and so all who see that it is gone do so. Their requests
//! cross, and the greater id wins, since votes of one term are ordered; if it has the shorter log, the other one wins the next try.
//!
//! It costs nothing but time if one is wrong: who hears the leader grants no vote.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::quorum::RaftQuorum;
use super::types::VoterId;
use crate::quorum::MetadataQuorum;

/// Who leads sends a sign of life twice as often ([`RaftTiming`](super::RaftTiming)). One that has a connection to this voter, and whose address refuses another, is there.
const SILENCE: Duration = Duration::from_millis(100);
/// Between two tries at least, and for a random part of as much again: so that two voters do not try at once for ever.
const RETRY: Duration = Duration::from_millis(50);
/// After so many, it is left to the election timeout.
const TRIES: usize = 5;
/// Between two looks at whether this one votes by now.
const LOOK: Duration = Duration::from_secs(1);

/// Asks for votes as soon as the process of the voter that leads is gone, for as long as it is polled.
pub(super) async fn succeed(quorum: Arc<RaftQuorum>) {
    loop {
        let changed = quorum.controller_changed();
        let leader = quorum.leader().filter(|_| quorum.votes());
        let Some(((id, _), peer)) = leader.zip(quorum.leader_peer()) else {
            let _ = timeout(LOOK, changed).await;
            continue;
        };
        tokio::select! {
            () = peer.until_gone() => succeed_to(&quorum, id).await,
            () = changed => {}
        }
    }
}

async fn succeed_to(quorum: &RaftQuorum, gone: VoterId) {
    let began = Instant::now();
    sleep_until(quorum.led_at() + SILENCE).await;
    for _ in 0..TRIES {
        // By another one, or by that one's next process.
        let other = quorum.leader().is_some_and(|(id, _)| id != gone);
        if other || quorum.led_at() > began {
            return;
        }
        tracing::info!(leader = %gone, "the controller's process is gone: this voter asks for votes");
        if let Ok(raft) = quorum.raft() {
            // It says itself why it cannot.
            let _ = raft.trigger().elect().await;
        }
        sleep(RETRY + RETRY.mul_f64(rand::random())).await;
    }
}
