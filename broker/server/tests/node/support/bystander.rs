//! A producer and consumer that goes on with its work while others do what they do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use protocol::ErrorCode;

use super::{Node, batch};

/// It writes a record and reads it, again and again. A request that is not answered within the
/// patience of [`Client`](super::Client) ends it.
pub(crate) struct Bystander {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Bystander {
    pub(crate) fn start(node: &Node) -> Bystander {
        let mut client = node.client();
        let topic = client.create_topic("bystander", 1, &[]);
        let (stop, rounds) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&rounds));
        let thread = std::thread::spawn(move || {
            let mut next = 0;
            while !stopped.load(Ordering::Relaxed) {
                let value = format!("round {next}");
                assert_eq!(client.append(&topic, 0, batch(&[&value])), next);
                let (read, code) = client.read_from(&topic, 0, next);
                assert_eq!(
                    (read, code),
                    (vec![(next, value.into_bytes())], ErrorCode::None)
                );
                next += 1;
                counted.store(next as usize, Ordering::Relaxed);
            }
            assert_eq!(client.read_all(&topic, 0).len(), next as usize);
        });
        Bystander {
            stop,
            rounds,
            thread,
        }
    }

    /// Waits until so many more rounds are done.
    #[track_caller]
    pub(crate) fn is_served(&self, rounds: usize) {
        let before = self.rounds.load(Ordering::Relaxed);
        while self.rounds.load(Ordering::Relaxed) < before + rounds {
            assert!(!self.thread.is_finished(), "it is not served any more");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[track_caller]
    pub(crate) fn finish(self) {
        // It works still, also when all was over before its first round.
        let before = self.rounds.load(Ordering::Relaxed);
        while self.rounds.load(Ordering::Relaxed) == before && !self.thread.is_finished() {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("nobody else noticed");
    }
}
