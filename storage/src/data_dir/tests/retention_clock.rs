//! Jumps of the wall clock.

use crate::data_dir::retention_clock::{ABSENCE_MAX_MS, ClockReading, JUMP_MIN_MS, RetentionClock};

const PAUSE: i64 = 1_000_000;
const NOW: i64 = 1_700_000_000_000;

#[test]
fn a_clock_that_goes_with_time_is_trusted() {
    let mut clock = RetentionClock::new(None, PAUSE);
    assert_eq!(clock.observe(NOW, 0), ClockReading::Trusted(NOW));
    let corrected = NOW + 300_000 + JUMP_MIN_MS;
    assert_eq!(
        clock.observe(corrected, 300_000),
        ClockReading::Trusted(corrected)
    );
}

#[test]
fn a_jump_ahead_pauses_and_time_ends_the_pause() {
    let mut clock = RetentionClock::new(None, PAUSE);
    clock.observe(NOW, 0);
    let year = 365 * 86_400_000;
    assert_eq!(
        clock.observe(NOW + 1000 + year, 1000),
        ClockReading::Jumped(year)
    );
    let late = NOW + year + PAUSE;
    assert_eq!(clock.observe(late, PAUSE), ClockReading::Paused);
    let over = late + 1000;
    assert_eq!(
        clock.observe(over, PAUSE + 1000),
        ClockReading::Trusted(over)
    );
}

#[test]
fn a_jump_that_is_undone_ends_the_pause() {
    let mut clock = RetentionClock::new(None, PAUSE);
    clock.observe(NOW, 0);
    clock.observe(NOW + 86_400_000, 1000);
    assert_eq!(
        clock.observe(NOW + 2000, 2000),
        ClockReading::Trusted(NOW + 2000)
    );
}

#[test]
fn a_jump_back_is_no_reason_to_pause() {
    let mut clock = RetentionClock::new(None, PAUSE);
    clock.observe(NOW, 0);
    assert_eq!(clock.observe(0, 1000), ClockReading::Trusted(0));
    assert!(
        matches!(clock.observe(NOW, 2000), ClockReading::Jumped(_)),
        "the way forward again is one"
    );
}

#[test]
fn a_start_long_after_the_last_sign_of_life_pauses() {
    let seen = |absence| RetentionClock::new(Some(NOW), PAUSE).observe(NOW + absence, 0);
    assert!(matches!(seen(ABSENCE_MAX_MS + 1), ClockReading::Jumped(_)));
    let within = ABSENCE_MAX_MS;
    assert_eq!(seen(within), ClockReading::Trusted(NOW + within));
    assert_eq!(seen(-1), ClockReading::Trusted(NOW - 1));
}
