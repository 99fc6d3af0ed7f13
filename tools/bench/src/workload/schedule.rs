//! When requests are due. An open loop: the next one does not wait for the answer to the one before, so that a server
//! that stalls cannot hide it.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// How requests arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// At equal distances.
    Fixed {
        /// Requests per second.
        per_second: f64,
    },
    /// Independently of each other.
    Poisson {
        /// Requests per second, on average.
        per_second: f64,
    },
    /// Many at once, and then none until as many are due again.
    Burst {
        /// Requests per second, on average.
        per_second: f64,
        /// Requests of a burst.
        at_once: u32,
    },
    /// As fast as answers leave room: a closed loop, for throughput.
    Unlimited,
}

/// The instants at which requests are due, from the start of the run.
#[derive(Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    random: SmallRng,
    sent: u64,
    next: Duration,
}

impl Schedule {
    /// A schedule that is the same for the same seed.
    pub fn new(arrivals: Arrivals, seed: u64) -> Schedule {
        Schedule {
            arrivals,
            random: SmallRng::seed_from_u64(seed),
            sent: 0,
            next: Duration::ZERO,
        }
    }

    /// When the next request is due; `None` as soon as there is room.
    pub fn due(&self) -> Option<Duration> {
        (self.arrivals != Arrivals::Unlimited).then_some(self.next)
    }

    /// That request is on its way.
    pub fn advance(&mut self) {
        self.sent += 1;
        self.next = match self.arrivals {
            // Not a sum of rounded steps, which would drift.
            Arrivals::Fixed { per_second } => {
                Duration::from_secs_f64(self.sent as f64 / per_second)
            }
            Arrivals::Poisson { per_second } => {
                let uniform: f64 = self.random.random_range(f64::EPSILON..1.0);
                self.next + Duration::from_secs_f64(-uniform.ln() / per_second)
            }
            Arrivals::Burst {
                per_second,
                at_once,
            } => {
                let at_once = u64::from(at_once.max(1));
                let before = self.sent / at_once * at_once;
                Duration::from_secs_f64(before as f64 / per_second)
            }
            Arrivals::Unlimited => self.next,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals_within_ten_seconds(arrivals: Arrivals, seed: u64) -> Vec<Duration> {
        let mut schedule = Schedule::new(arrivals, seed);
        let mut due = Vec::new();
        while let Some(at) = schedule.due().filter(|at| *at < Duration::from_secs(10)) {
            due.push(at);
            schedule.advance();
        }
        due
    }

    #[test]
    fn a_fixed_rate_neither_drifts_nor_bunches() {
        let due = arrivals_within_ten_seconds(Arrivals::Fixed { per_second: 300.0 }, 1);
        assert_eq!(due.len(), 3000);
        assert_eq!(due[2700], Duration::from_secs(9));
    }

    #[test]
    fn poisson_arrivals_have_their_rate_and_their_seed() {
        let arrivals = Arrivals::Poisson { per_second: 1000.0 };
        let due = arrivals_within_ten_seconds(arrivals, 7);
        assert!((9_500..10_500).contains(&due.len()), "{}", due.len());
        assert_eq!(due, arrivals_within_ten_seconds(arrivals, 7));
        assert_ne!(due, arrivals_within_ten_seconds(arrivals, 8));
    }

    #[test]
    fn bursts_come_at_once_and_keep_the_rate() {
        let arrivals = Arrivals::Burst {
            per_second: 200.0,
            at_once: 50,
        };
        let due = arrivals_within_ten_seconds(arrivals, 1);
        assert_eq!(due.len(), 2_000);
        assert_eq!((due[0], due[49]), (Duration::ZERO, Duration::ZERO));
        assert_eq!(
            (due[50], due[99]),
            (Duration::from_millis(250), Duration::from_millis(250))
        );
    }

    #[test]
    fn without_a_limit_nothing_is_waited_for() {
        assert_eq!(Schedule::new(Arrivals::Unlimited, 1).due(), None);
    }
}
