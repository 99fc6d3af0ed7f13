//! The wait of a broker that has handed over for the signal to stop.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::admin::Readiness;
use crate::liveness::Contact;

/// How long a broker that has handed over waits for the signal, and then takes part again.
#[derive(Clone)]
pub struct Patience {
    readiness: watch::Sender<Readiness>,
    contact: Contact,
    length: Duration,
    /// When it ends. Looked at and moved while `readiness` is held, so that nobody is told that the broker waits when it takes part again.
    ends: Arc<Mutex<Instant>>,
}

impl Patience {
    /// Of the broker that says by `readiness` whether it serves, and by `contact` whether it asks to lead. It does not wait yet.
    pub fn new(
        readiness: watch::Sender<Readiness>,
        contact: Contact,
        length: Duration,
    ) -> Patience {
        Patience {
            readiness,
            contact,
            length,
            ends: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// Whether the broker waits; it then does so anew, since whoever asks last is waited for.
    pub fn prolong(&self) -> bool {
        let mut waits = false;
        self.readiness.send_if_modified(|now| {
            waits = *now == handed_over();
            if waits {
                *self.ends.lock() = Instant::now() + self.length;
            }
            false
        });
        waits
    }

    /// Whether the broker, which has handed over, waits from now on: not if the signal has come already.
    pub fn begin(&self) -> bool {
        let waits = self.readiness.send_if_modified(|now| {
            let was_ready = *now == Readiness::Ready;
            if was_ready {
                *now = handed_over();
                *self.ends.lock() = Instant::now() + self.length;
            }
            was_ready
        });
        if waits {
            tokio::spawn(self.clone().take_part_again());
        }
        waits
    }

    /// Once patience has ended, the broker serves again, unless it stops.
    async fn take_part_again(self) {
        loop {
            let ends = *self.ends.lock();
            tokio::time::sleep_until(ends).await;
            let mut prolonged = false;
            let serves = self.readiness.send_if_modified(|now| {
                let waits = *now == handed_over();
                prolonged = waits && Instant::now() < *self.ends.lock();
                let serves = waits && !prolonged;
                if serves {
                    *now = Readiness::Ready;
                    // Before anybody else can ask to hand over, who then departs.
                    self.contact.set_departing(false);
                }
                serves
            });
            if serves {
                tracing::warn!("nobody has stopped this broker: it takes part again");
            }
            if !prolonged {
                return;
            }
        }
    }
}

fn handed_over() -> Readiness {
    Readiness::NotReady("handed over, and about to stop".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Duration = Duration::from_millis(2);

    /// Asks again and again, close to the end: whoever is told that the broker waits is waited for.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_is_told_that_it_waits_is_waited_for() {
        let contact = Contact::default();
        for round in 0..200_u64 {
            let readiness = watch::Sender::new(Readiness::Ready);
            let patience = Patience::new(readiness.clone(), contact.clone(), LENGTH);
            contact.set_departing(true);
            assert!(patience.begin());
            let asks_again = Instant::now() + LENGTH - Duration::from_micros(round);
            while Instant::now() < asks_again {
                std::hint::spin_loop();
            }
            let asked = Instant::now();
            let waits = patience.prolong();
            let mut told = readiness.subscribe();
            told.wait_for(|it| *it == Readiness::Ready).await.unwrap();
            assert!(!waits || asked.elapsed() >= LENGTH, "round {round}");
            assert!(!contact.is_departing());
        }
    }

    #[tokio::test]
    async fn a_broker_that_stops_neither_waits_nor_serves_again() {
        let stops = Readiness::NotReady("stops".to_owned());
        let readiness = watch::Sender::new(stops.clone());
        let patience = Patience::new(readiness.clone(), Contact::default(), LENGTH);
        assert!(!patience.begin() && !patience.prolong());
        readiness.send_replace(Readiness::Ready);
        assert!(!patience.prolong() && patience.begin());
        readiness.send_replace(stops.clone());
        patience.clone().take_part_again().await;
        assert_eq!(*readiness.borrow(), stops);
        assert!(!patience.prolong());
    }
}
