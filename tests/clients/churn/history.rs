//! What the members and the broker did last, told when something is wrong.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// More than what is done in ten seconds.
const EVENTS_MAX: usize = 4_000;

struct Event {
    after_seconds: f64,
    /// None: the broker.
    group: Option<&'static str>,
    text: String,
}

/// The last events, from whoever has something to tell.
#[derive(Clone)]
pub struct History {
    begun: Instant,
    events: Arc<Mutex<VecDeque<Event>>>,
}

impl History {
    /// An empty one, whose time begins now.
    pub fn new() -> History {
        History {
            begun: Instant::now(),
            events: Arc::default(),
        }
    }

    /// Seconds since the run began.
    pub fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Something happened to the broker, or, with a group, to one of its members.
    pub fn note(&self, group: Option<&'static str>, text: String) {
        let after_seconds = self.now();
        let mut events = self.events();
        if events.len() == EVENTS_MAX {
            events.pop_front();
        }
        events.push_back(Event {
            after_seconds,
            group,
            text,
        });
    }

    /// The events of the broker and of `group`, a line each.
    pub fn of(&self, group: &str) -> String {
        let events = self.events();
        let of_group = events
            .iter()
            .filter(|event| event.group.is_none_or(|it| it == group));
        let lines = of_group.map(|event| format!("{:9.3} {}\n", event.after_seconds, event.text));
        lines.collect()
    }

    fn events(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
