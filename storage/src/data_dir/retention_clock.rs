//! Which time retention goes by. A wall clock may jump, by a mistaken time server or a dead battery, and records would be deleted
//! years before their time. So it is compared with a clock that only goes forward, and when it is far ahead, age counts for nothing for a while:
//! somebody can notice.

/// By so much the wall clock may be ahead of where it should be, in milliseconds: corrections in small steps are no jump.
pub const JUMP_MIN_MS: i64 = 60_000;
/// A start this long after the last checkpoint is taken for a jump, in milliseconds: nothing else tells how long the machine was off.
pub const ABSENCE_MAX_MS: i64 = 86_400_000;

/// Compares the wall clock with the monotonic one.
#[derive(Debug)]
pub struct RetentionClock {
    /// Both clocks when they were last looked at.
    last: Option<(i64, i64)>,
    /// By the monotonic clock.
    paused_until_ms: Option<i64>,
    pause_ms: i64,
}

/// What a look at the clocks gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockReading {
    /// The wall clock is as it should be: this is the time, in milliseconds since the epoch.
    Trusted(i64),
    /// It has just jumped ahead, by so many milliseconds. Age does not count from now on.
    Jumped(i64),
    /// Age does not count yet.
    Paused,
}

impl ClockReading {
    /// The time, where it can be trusted.
    pub fn trusted(self) -> Option<i64> {
        match self {
            ClockReading::Trusted(now_ms) => Some(now_ms),
            ClockReading::Jumped(_) | ClockReading::Paused => None,
        }
    }
}

impl RetentionClock {
    /// A clock that pauses for `pause_ms` after a jump. `last_seen_ms` is what the wall clock said when the process was last alive, `None` when it
    /// never was.
    pub fn new(last_seen_ms: Option<i64>, pause_ms: i64) -> RetentionClock {
        // As if it had been looked at so long ago that only a longer absence is a jump.
        let last = last_seen_ms.map(|wall_ms| (wall_ms, JUMP_MIN_MS - ABSENCE_MAX_MS));
        RetentionClock {
            last,
            paused_until_ms: None,
            pause_ms,
        }
    }

    /// Looks at both clocks; `monotonic_ms` counts from the start of the process.
    pub fn observe(&mut self, wall_ms: i64, monotonic_ms: i64) -> ClockReading {
        let ahead_ms = self.last.map_or(0, |(last_wall, last_monotonic)| {
            let passed = monotonic_ms.saturating_sub(last_monotonic);
            wall_ms.saturating_sub(last_wall).saturating_sub(passed)
        });
        self.last = Some((wall_ms, monotonic_ms));
        if ahead_ms > JUMP_MIN_MS {
            self.paused_until_ms = Some(monotonic_ms.saturating_add(self.pause_ms));
            return ClockReading::Jumped(ahead_ms);
        }
        // Back where it was: the jump is undone.
        if ahead_ms < -JUMP_MIN_MS {
            self.paused_until_ms = None;
        }
        match self.paused_until_ms {
            Some(until) if monotonic_ms < until => ClockReading::Paused,
            _ => {
                self.paused_until_ms = None;
                ClockReading::Trusted(wall_ms)
            }
        }
    }
}
