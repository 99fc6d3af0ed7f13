//! How near the journal is to being full, and what produce requests pay for it.
//!
//! Write-behind and checkpoints start at half a journal. Where the disk cannot keep up all the same, producers are slowed down
//! gradually, long before the journal would have to stop them all at once.

use std::time::Duration;

/// The share of the journal in use at which a checkpoint begins.
pub const CHECKPOINT_AT: f64 = 0.5;
/// The share at which produce requests begin to be delayed.
pub const DELAY_FROM: f64 = 0.75;
/// The longest delay of a produce request, when the journal is full.
pub const PRODUCE_DELAY_MAX: Duration = Duration::from_millis(250);

/// How long the answer to a produce request is held back, at that [`super::DataDir::pressure`]: nothing below
/// [`DELAY_FROM`], then growing with the square of what is over it.
pub fn produce_delay(pressure: f64) -> Duration {
    let over = ((pressure - DELAY_FROM) / (1.0 - DELAY_FROM)).clamp(0.0, 1.0);
    PRODUCE_DELAY_MAX.mul_f64(over * over)
}
