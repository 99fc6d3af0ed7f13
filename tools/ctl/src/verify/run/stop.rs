use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Says that it is enough, once and for all who wait.
#[derive(Debug, Default)]
pub struct Stop {
    since: Mutex<Option<Instant>>,
    changed: Condvar,
}

impl Stop {
    /// It is enough.
    pub fn set(&self) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.get_or_insert_with(Instant::now);
        self.changed.notify_all();
    }

    /// Since when it is; `None`: not yet.
    pub fn since(&self) -> Option<Instant> {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits so long, or until it is enough. Says whether it is.
    pub fn wait(&self, time: Duration) -> bool {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(since, time, |since| since.is_none());
        let (since, _) = waited.unwrap_or_else(PoisonError::into_inner);
        since.is_some()
    }
}
